"""A TLS peer that says what it likes: tlslite-ng, with its messages changed, cut, left out or doubled on
their way, and records of any content behind the handshake."""

import socket
import sys

from harness import REPOSITORY, expect

# .ci/run puts it there, unless it is installed.
sys.path.append(str(REPOSITORY / "target/python"))

# The types of records (RFC 8446 §5.1).
CCS, ALERT, HANDSHAKE, DATA, HEARTBEAT = 20, 21, 22, 23, 24

# Messages of the handshake by their numbers (RFC 8446 §4, RFC 5246 §7.4).
NAMES = {1: "hello", 16: "key exchange", 20: "finished"}

# A server that has said nothing for so long waits for more.
PATIENCE = 3

SERVED, CLOSED, ENDED, SILENT = "served", "closed", "close_notify", "silent"


def record(kind, content, version=0x0303):
    """A record as bytes, without encryption."""
    return bytes([kind]) + version.to_bytes(2, "big") + len(content).to_bytes(2, "big") + bytes(content)


def message(kind, content=b""):
    """A handshake message."""
    return bytes([kind]) + len(content).to_bytes(3, "big") + bytes(content)


def settings(version, **more):
    """The settings of the peer, which offers one version only."""
    from tlslite.api import HandshakeSettings  # pylint: disable=import-outside-toplevel
    these = HandshakeSettings()
    these.minVersion = these.maxVersion = version
    these.versions = [version]
    these.keyShares = ["x25519"] if version > (3, 3) else []
    these.eccCurves = ["x25519", "secp256r1", "secp384r1"]
    for name, value in more.items():
        expect(hasattr(these, name), name)
        setattr(these, name, value)
    return these


class Peer:
    """One connection of such a peer.

    `hello` is called with the ClientHello before it is sent, and changes it. `edit` is called with the
    name of each message of ours and its bytes; it returns what is sent in its place, `None` for no
    change: pairs of a record's type and content, which are sealed where there are keys, or bytes, which
    go out as they are. The transcript has the message as it was."""

    def __init__(self, port, version, hello=None, edit=None, session=None, **more):
        from tlslite.api import TLSConnection  # pylint: disable=import-outside-toplevel
        from tlslite.messages import Message  # pylint: disable=import-outside-toplevel
        self.message = Message
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = TLSConnection(self.socket)
        self.layer = self.tls._recordLayer  # pylint: disable=protected-access
        self.settings, self.session = settings(version, **more), session
        self.hello, self.edit = hello, edit
        self.send_message = self.tls._sendMsg  # pylint: disable=protected-access
        self.tls._sendMsg = self._send  # pylint: disable=protected-access

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _send(self, what, *arguments, **options):
        content = None
        if what.contentType == HANDSHAKE and what.write()[0] == 1 and self.hello:
            self.hello(what)
        if self.edit:
            content = bytes(what.write())
            name = NAMES.get(content[0]) if what.contentType == HANDSHAKE else what.contentType
            parts = self.edit(name, content)
            if parts is not None:
                if what.contentType == HANDSHAKE and options.get("update_hashes", True):
                    self.tls._handshake_hash.update(content)  # pylint: disable=protected-access
                for part in parts:
                    self.send(part)
                return
        yield from self.send_message(what, *arguments, **options)

    def send(self, *parts):
        """Records, sealed or as they are."""
        for part in parts:
            if isinstance(part, bytes):
                self.tls.sock.sendall(part)
            else:
                kind, content = part
                for _ in self.layer.sendRecord(self.message(kind, bytearray(content))):
                    pass

    def handshake(self):
        """Shakes hands."""
        self.tls.handshakeClientCert(session=self.session, settings=self.settings,
                                     serverName="localhost", alpn=[bytearray(b"http/1.1")])

    def ask(self):
        """Asks for the start page; what comes of it: served, or a status."""
        self.tls.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while part := self.tls.read(max=1 << 16, min=1):
            answer += part
        if not answer:
            return ENDED
        expect(answer.startswith(b"HTTP/1.1 "), answer[:200])
        return SERVED if answer.rstrip().endswith(b"</html>") else answer[9:12].decode()

    def outcome(self, after=None):
        """The end that it takes: served, a status, the name of an alert, or how the server left."""
        from tlslite import errors  # pylint: disable=import-outside-toplevel
        from tlslite.constants import AlertDescription  # pylint: disable=import-outside-toplevel
        try:
            self.handshake()
            if after:
                after(self)
            return self.ask()
        except errors.TLSRemoteAlert as alert:
            return AlertDescription.toRepr(alert.description) or str(alert.description)
        except errors.TLSAbruptCloseError:
            return CLOSED
        except TimeoutError:
            return SILENT
        except OSError:
            # It has left; its alert may have come before.
            return CLOSED


def bare(port, data):
    """Sends bytes without a session; what comes back: the name of the alert, or how the server left."""
    from tlslite.constants import AlertDescription  # pylint: disable=import-outside-toplevel
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        answer = b""
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(1 << 16):
                answer += part
        except TimeoutError:
            return SILENT
        except OSError:
            pass
    while len(answer) >= 5:
        kind, length = answer[0], int.from_bytes(answer[3:5], "big")
        content, answer = answer[5:5 + length], answer[5 + length:]
        if kind == ALERT:
            return AlertDescription.toRepr(content[1]) if length == 2 else "an alert under keys"
        if kind == HANDSHAKE:
            return "an answer"
    return CLOSED
