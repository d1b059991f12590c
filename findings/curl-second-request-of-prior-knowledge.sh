#!/usr/bin/env bash
# curl 7.88.1 of Debian 12: with --http2-prior-knowledge every request but the first of a connection fails.
#
# curl keeps the connection, takes it for the second request, sends nothing, and says "Error in the HTTP2 framing layer".
# The server is not to blame, as one that does no more than it must shows here. Over TLS it does not happen, nor with
# a process of curl for each URL.
#
# Needs apt-get of Debian 12. Fails if curl does otherwise.
set -euo pipefail
place=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$place"' EXIT
cd "$place"
apt-get -o APT::Sandbox::User=root download -qq curl/bookworm libcurl4/bookworm
ls ./*.deb
for package in ./*.deb; do
    dpkg-deb --extract "$package" debian
done
chmod 755 "$place"

cat >server.py <<'PYTHON'
import socket
import struct

# A server that answers each request by 204 (RFC 9113), and tells the number of requests.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, SETTINGS, ACK, END_STREAM, END_HEADERS = 1, 4, 1, 1, 4
listener = socket.create_server(("127.0.0.1", 0))
with open("port", "w") as file:
    file.write(str(listener.getsockname()[1]))


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


connection, _ = listener.accept()
connection.settimeout(10)
stream = connection.makefile("rb")
assert stream.read(len(PREFACE)) == PREFACE
connection.sendall(frame(SETTINGS, 0, 0))
requests = 0
while head := stream.read(9):
    stream.read(int.from_bytes(head[:3], "big"))
    kind, flags, number = head[3], head[4], int.from_bytes(head[5:], "big")
    if kind == SETTINGS and not flags & ACK:
        connection.sendall(frame(SETTINGS, ACK, 0))
    if kind == HEADERS:
        requests += 1
        connection.sendall(frame(HEADERS, END_HEADERS | END_STREAM, number, b"\x89"))
print("requests:", requests)
PYTHON
python3 server.py >seen &
for _ in {1..100}; do
    [[ -s port ]] && break
    sleep 0.1
done
url=http://127.0.0.1:$(cat port)
code=0
said=$(LD_LIBRARY_PATH=$(dirname debian/usr/lib/*/libcurl.so.4) debian/usr/bin/curl -sS --max-time 20 --http2-prior-knowledge \
    "$url/1" "$url/2" 2>&1) || code=$?
wait %1
cat seen
echo "curl says: $said (exit code $code)"
if [[ $(cat seen) != "requests: 1" || $code != 16 ]]; then
    echo "FAILED: it was seen otherwise" >&2
    exit 1
fi
