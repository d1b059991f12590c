#!/usr/bin/env bash
# h2 4.4.1 (python-hyper): an empty DATA frame ends the connection where its own SETTINGS made the window negative.
#
# A smaller SETTINGS_INITIAL_WINDOW_SIZE can leave a stream's window below zero (RFC 9113 §6.9.2). A frame of no length
# that ends the stream may be sent all the same (§6.9.1). h2 counts it against the window and finds that below zero:
# FlowControlError, and GOAWAY for the whole connection.
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
from h2.exceptions import FlowControlError
from h2.settings import SettingCodes


def end_of_a_response(smaller):
    """The event of an empty frame at the end of 20,000 bytes, for a client that asked for `smaller` windows before."""
    client, server = H2Connection(), H2Connection(H2Configuration(client_side=False))
    client.initiate_connection()
    server.initiate_connection()
    client.send_headers(1, [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "localhost")],
                        end_stream=True)
    server.receive_data(client.data_to_send())
    server.send_headers(1, [(":status", "200")])
    server.send_data(1, bytes(10_000))
    server.send_data(1, bytes(10_000))
    client.receive_data(server.data_to_send())
    if smaller:
        client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: smaller})
        server.receive_data(client.data_to_send())
    server.send_data(1, b"", end_stream=True)
    try:
        return type(client.receive_data(server.data_to_send())[-1]).__name__
    except FlowControlError as error:
        return f"FlowControlError: {error}"


print("windows that stay:", end_of_a_response(None))
print("smaller windows:", end_of_a_response(1_500))
PYTHON
)
expected='windows that stay: StreamEnded
smaller windows: FlowControlError: Flow control window shrunk below 0'
printf '%s\n' "$seen"
if [[ $seen != "$expected" ]]; then
    echo "FAILED: it was seen otherwise" >&2
    exit 1
fi
