#!/usr/bin/env bash
# tlslite-ng 0.8.2, client, with OpenSSL: a declined ticket of TLS 1.2 ends the handshake.
#
# A server that does not know a ticket shakes hands in full and may promise a new one, by an empty
# SessionTicket extension in its ServerHello (RFC 5077 §3.2). tlslite-ng takes that extension for a sign that
# its ticket was taken, and answers the server's Certificate with unexpected_message. So a client's sessions
# end with the restart of a server.
#
# Needs python3 and pip. Fails if tlslite-ng does otherwise.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$place/packages" \
    tlslite-ng==0.8.2 pyOpenSSL==26.4.0 cryptography==50.0.2
seen=$(PYTHONPATH="$place/packages" python3 - <<'PYTHON'
import datetime
import socket
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL, crypto
from tlslite.api import HandshakeSettings, TLSConnection
from tlslite.errors import TLSLocalAlert

key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
now = datetime.datetime.now(datetime.timezone.utc)
certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
               .serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(1))
               .sign(key, hashes.SHA256()))


def server():
    """A server with keys for tickets of its own; its port."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.use_privatekey(crypto.PKey.from_cryptography_key(key))
    context.use_certificate(crypto.X509.from_cryptography(certificate))
    context.set_session_id(b"one")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            connection = SSL.Connection(context, listener.accept()[0])
            connection.set_accept_state()
            try:
                connection.do_handshake()
                connection.recv(1)
            except SSL.Error:
                pass
    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def session(port, before=None):
    """Shakes hands; what comes of it, and the session."""
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = (3, 3)
    settings.versions, settings.keyShares = [(3, 3)], []
    client = TLSConnection(socket.create_connection(("127.0.0.1", port), timeout=10))
    try:
        client.handshakeClientCert(session=before, settings=settings)
    except TLSLocalAlert as alert:
        return str(alert), None
    return "resumed" if client.resumed else "in full", client.session


first, second = server(), server()
what, ticket = session(first)
print("without a ticket:", what)
print("with its ticket:", session(first, ticket)[0])
print("with a ticket of another server:", session(second, ticket)[0])
PYTHON
)
expected='without a ticket: in full
with its ticket: resumed
with a ticket of another server: unexpected_message: Expecting new_session_ticket, got certificate'
printf '%s\n' "$seen"
if [[ $seen != "$expected" ]]; then
    echo "FAILED: it was seen otherwise" >&2
    exit 1
fi
