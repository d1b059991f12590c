#!/usr/bin/env bash
# h2 4.4.1 (python-hyper): the first acknowledgement puts all settings in force that were sent.
#
# SETTINGS frames are acknowledged one by one, in order (RFC 9113 §6.5.3). Where two are under way, h2 takes
# the acknowledgement of the first for that of both. A peer that has not seen the second keeps to what it
# knows, and its connection is ended for that: by a frame that is too long, or by content that a window of
# before had room for.
#
# Needs python3 and pip. Fails if h2 does otherwise.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$place/packages" \
    h2==4.4.1 hyperframe==6.1.0 hpack==4.2.0
seen=$(PYTHONPATH="$place/packages" python3 - <<'PYTHON'
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from hpack import Encoder
from hyperframe.frame import DataFrame, HeadersFrame, SettingsFrame

ACKNOWLEDGEMENT = SettingsFrame(0, flags=["ACK"]).serialize()


def server():
    """A server whose client has opened stream 1, and has acknowledged all so far."""
    connection = H2Connection(H2Configuration(client_side=False))
    connection.initiate_connection()
    head = HeadersFrame(1, Encoder().encode([(":method", "POST"), (":scheme", "http"), (":path", "/"),
                                             (":authority", "localhost")]), flags=["END_HEADERS"])
    connection.receive_data(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0).serialize()
                            + ACKNOWLEDGEMENT + head.serialize())
    return connection


def told(connection, length):
    """Its answer to DATA of this length."""
    try:
        connection.receive_data(DataFrame(1, bytes(length)).serialize())
    except ProtocolError as error:
        return f"{type(error).__name__}: {error}"
    return "taken"


frames = server()
frames.update_settings({SettingCodes.MAX_FRAME_SIZE: 20_000})
frames.receive_data(ACKNOWLEDGEMENT)
print("20,000 bytes, allowed:", told(frames, 20_000))
frames.update_settings({SettingCodes.ENABLE_CONNECT_PROTOCOL: 1})
frames.update_settings({SettingCodes.MAX_FRAME_SIZE: 16_384})
frames.receive_data(ACKNOWLEDGEMENT)
print("20,000 bytes, once another setting is acknowledged:", told(frames, 20_000))

window = server()
window.update_settings({SettingCodes.ENABLE_CONNECT_PROTOCOL: 1})
window.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 10})
window.receive_data(ACKNOWLEDGEMENT)
print("1,000 bytes into a window of 65,535:", told(window, 1_000))
PYTHON
)
expected='20,000 bytes, allowed: taken
20,000 bytes, once another setting is acknowledged: FrameTooLargeError: Received overlong frame: length 20000, max 16384
1,000 bytes into a window of 65,535: FlowControlError: Flow control window shrunk below 0'
printf '%s\n' "$seen"
if [[ $seen != "$expected" ]]; then
    echo "FAILED: it was seen otherwise" >&2
    exit 1
fi
