#!/usr/bin/env bash
# waitress 3.0.2: the answer to HEAD has content where the application gives some.
#
# An application may answer HEAD as GET and leave the rest to its server; a server sends no content in the
# answer to HEAD (RFC 9110 §9.3.2). waitress sends it, with a Content-Length that the client must not wait
# for: on a connection that is kept, it stands in front of the next answer.
#
# Needs python3 and pip. Fails if waitress does otherwise.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$place/packages" \
    waitress==3.0.2
seen=$(PYTHONPATH="$place/packages" python3 - <<'PYTHON'
import socket
import threading

import waitress


def application(environment, start_response):
    """Says hello."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]


server = waitress.create_server(application, host="127.0.0.1", port=0)
threading.Thread(target=server.run, daemon=True).start()
with socket.create_connection(("127.0.0.1", server.effective_port), timeout=10) as connection:
    connection.sendall(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = connection.recv(4096)
    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    while part := connection.recv(4096):
        answer += part
print("behind the head of HEAD:", answer.split(b"\r\n\r\n")[1].split(b"\r\n")[0])
PYTHON
)
expected="behind the head of HEAD: b'helloHTTP/1.1 200 OK'"
printf '%s\n' "$seen"
if [[ $seen != "$expected" ]]; then
    echo "FAILED: it was seen otherwise" >&2
    exit 1
fi
