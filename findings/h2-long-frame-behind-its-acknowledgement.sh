#!/usr/bin/env bash
# h2 4.4.1 (python-hyper): how a peer's bytes are cut decides whether its long frame is taken.
#
# A peer may send frames of SETTINGS_MAX_FRAME_SIZE right behind its acknowledgement of it (RFC 9113 §4.2).
# h2 reads its own setting once a call of `receive_data`, before it sees the acknowledgement in those bytes:
# the same bytes are taken in two calls and end the connection in one, as TCP would have it.
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

FIRST = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0).serialize()
ACKNOWLEDGEMENT = SettingsFrame(0, flags=["ACK"]).serialize()
HEAD = HeadersFrame(1, Encoder().encode([(":method", "POST"), (":scheme", "http"), (":path", "/"),
                                         (":authority", "localhost")]), flags=["END_HEADERS"]).serialize()
LONG = DataFrame(1, bytes(20_000)).serialize()


def told(*parts):
    """The answer of a server to these bytes, a call for each part."""
    connection = H2Connection(H2Configuration(client_side=False))
    connection.initiate_connection()
    connection.receive_data(FIRST + ACKNOWLEDGEMENT + HEAD)
    connection.update_settings({SettingCodes.MAX_FRAME_SIZE: 20_000})
    try:
        for part in parts:
            connection.receive_data(part)
    except ProtocolError as error:
        return f"{type(error).__name__}: {error}"
    return "taken"


print("in two calls:", told(ACKNOWLEDGEMENT, LONG))
print("in one call:", told(ACKNOWLEDGEMENT + LONG))
PYTHON
)
expected='in two calls: taken
in one call: FrameTooLargeError: Received overlong frame: length 20000, max 16384'
printf '%s\n' "$seen"
if [[ $seen != "$expected" ]]; then
    echo "FAILED: it was seen otherwise" >&2
    exit 1
fi
