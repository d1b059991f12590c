#!/usr/bin/env bash
# openssl 3.0.22 and h2load 1.52.0: two tools that seem to measure TLS resumption, and do not in TLS 1.3.
#
# `openssl s_client -reconnect` connects five times more "with the session of the first connection". In TLS 1.3
# a session comes as a ticket behind the handshake, and s_client connects again before it has read one: all five
# handshakes are full ones, against any server, and the tool reports `New` without a warning. In TLS 1.2, where
# the ticket is part of the handshake, all five are `Reused`. To see a resumption in TLS 1.3, the first
# connection must stay until the ticket is there: -sess_out FILE, then -sess_in FILE.
#
# `h2load` keeps no session at all: each of its clients makes a full handshake, and none takes the session of
# another one. Its figures for new connections are figures of full handshakes.
#
# Needs openssl and h2load. The server is openssl's own. Fails if the tools do otherwise.
set -euo pipefail
place=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server" 2>/dev/null || true; rm -rf "$place"' EXIT
cd "$place"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -keyout key.pem -out cert.pem 2>/dev/null
port=$((20000 + $$ % 20000))
openssl s_server -accept "127.0.0.1:$port" -cert cert.pem -key key.pem -www -alpn http/1.1 >server.log 2>&1 &
server=$!
for _ in {1..50}; do
    openssl s_client -connect "127.0.0.1:$port" </dev/null >/dev/null 2>&1 && break
    sleep 0.1
done

# Handshakes of s_client with these options, as it reports them: `1 New 5 Reused`.
handshakes() {
    openssl s_client -connect "127.0.0.1:$port" "$@" 2>/dev/null | grep -oE '^(New|Reused), TLS.* is' | cut -d, -f1 |
        uniq -c | tr -s ' \n' ' ' | sed 's/^ //; s/ $//'
}

# A number of the server's own statistics.
count() {
    printf 'GET / HTTP/1.0\r\n\r\n' | openssl s_client -quiet -connect "127.0.0.1:$port" 2>/dev/null |
        grep -oE "[0-9]+ $1" | cut -d' ' -f1
}

# A request whose answer is read, so that a ticket has come.
request() {
    printf 'GET / HTTP/1.0\r\n\r\n'
    sleep 1
}

seen=$(
    echo "-reconnect, TLS 1.2: $(handshakes -reconnect -tls1_2 </dev/null)"
    echo "-reconnect, TLS 1.3: $(handshakes -reconnect -tls1_3 </dev/null)"
    request | handshakes -tls1_3 -sess_out session.pem >/dev/null
    echo "-sess_in, TLS 1.3: $(handshakes -tls1_3 -sess_in session.pem </dev/null)"
    finished=$(count 'server accepts that finished') resumed=$(count 'session cache hits')
    # It takes an answer of HTTP/1.0 for an error, after the handshake.
    h2load --h1 -n 10 -c 10 "https://127.0.0.1:$port/" >/dev/null 2>&1
    # Each look at the numbers is a handshake more: two since the first.
    finished=$(($(count 'server accepts that finished') - finished - 2))
    echo "h2load: $finished handshakes, $(($(count 'session cache hits') - resumed)) resumed"
)
expected='-reconnect, TLS 1.2: 1 New 5 Reused
-reconnect, TLS 1.3: 6 New
-sess_in, TLS 1.3: 1 Reused
h2load: 10 handshakes, 0 resumed'
printf '%s\n' "$seen"
if [[ $seen != "$expected" ]]; then
    echo "FAILED: it was seen otherwise" >&2
    exit 1
fi
