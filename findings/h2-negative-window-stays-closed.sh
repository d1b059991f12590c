#!/usr/bin/env bash
# h2 4.4.1 (python-hyper): a window that its own SETTINGS make negative is never opened again.
#
# A smaller SETTINGS_INITIAL_WINDOW_SIZE can leave a stream's window below zero (RFC 9113 §6.9.2). The peer then
# waits for WINDOW_UPDATE. h2 decides about one only while `acknowledge_received_data` is called: where all that
# came was acknowledged before the change, nothing calls it again, and the stream waits for ever.
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
from h2.events import DataReceived
from h2.settings import SettingCodes

CONTENT = 60_000


def left_behind(smaller):
    """The bytes that a server cannot send if its client asks for `smaller` windows behind 20,000, all acknowledged."""
    client, server = H2Connection(), H2Connection(H2Configuration(client_side=False))
    client.initiate_connection()
    server.initiate_connection()
    client.send_headers(1, [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "localhost")],
                        end_stream=True)

    def exchange():
        while True:
            there, back = client.data_to_send(), server.data_to_send()
            if not there and not back:
                return
            server.receive_data(there)
            for event in client.receive_data(back):
                if isinstance(event, DataReceived):
                    client.acknowledge_received_data(event.flow_controlled_length, 1)

    def send(most):
        sent = 0
        while (room := min(server.local_flow_control_window(1), 16_384, most - sent)) > 0:
            server.send_data(1, bytes(room))
            sent += room
            exchange()
        return sent

    exchange()
    server.send_headers(1, [(":status", "200")])
    left = CONTENT - send(20_000)
    if smaller:
        client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: smaller})
        exchange()
    left -= send(left)
    return f"{left} left" + (f", the window is {server.local_flow_control_window(1)}" if left else "")


print("windows that stay:", left_behind(None))
print("smaller windows:", left_behind(1_500))
PYTHON
)
expected='windows that stay: 0 left
smaller windows: 40000 left, the window is -18500'
printf '%s\n' "$seen"
if [[ $seen != "$expected" ]]; then
    echo "FAILED: it was seen otherwise" >&2
    exit 1
fi
