"""HTTP/2 by hand: many idle connections, each after one request, and frames one by one."""

import resource
import socket
import ssl

SETTINGS, DATA, HEADERS, END_STREAM = 4, 0, 1, 1
# ip(7); Python has no name for it before 3.12.
BIND_ADDRESS_NO_PORT = 24


def frame(kind, flags, stream, payload=b""):
    """A frame (RFC 9113 §4.1)."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0)
SETTINGS_ACK = frame(SETTINGS, 1, 0)


def get(path, stream=1, priority=None):
    """A GET, as h2load writes it: fields with incremental indexing."""
    def literal(index, value):
        return bytes([0x40 | index, len(value)]) + value
    block = (b"\x82\x86" + literal(1, b"localhost") + literal(4, path.encode())
             + literal(58, b"idle/1.0"))
    if priority:
        block += b"\x40\x08priority" + bytes([len(priority)]) + priority
    return frame(HEADERS, 5, stream, block)


class Frames:
    """The frames that come on a connection."""

    def __init__(self, connection):
        self.connection = connection
        self.buffer = bytearray()

    def next(self):
        """The next frame: type, flags, stream, payload. SETTINGS are acknowledged."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            data = self.connection.recv(65536)
            if not data:
                raise ValueError("the server closed")
            self.buffer += data
        length, kind, flags = int.from_bytes(self.buffer[:3], "big"), self.buffer[3], self.buffer[4]
        stream = int.from_bytes(self.buffer[5:9], "big")
        payload = bytes(self.buffer[9:9 + length])
        del self.buffer[:9 + length]
        if kind == SETTINGS and not flags:
            self.connection.sendall(SETTINGS_ACK)
        return kind, flags, stream, payload

    def until_end(self, wanted):
        """Reads up to the end of a stream. Returns the number of DATA frames of others before it."""
        others = 0
        while True:
            kind, flags, stream, _ = self.next()
            if stream == wanted and kind in (DATA, HEADERS) and flags & END_STREAM:
                return others
            others += kind == DATA and stream != wanted

    def read(self, wanted, size):
        """Reads a number of bytes of a stream's content, or a little more."""
        while size > 0:
            kind, _, stream, payload = self.next()
            if kind == DATA and stream == wanted:
                size -= len(payload)


def connect(host, port, source):
    """A connection from this address, or from any. The port is chosen when the whole connection is known, so that
    each address has all ports."""
    connection = socket.socket()
    connection.settimeout(20)
    if source:
        connection.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
        connection.bind((source, 0))
    connection.connect((host, port))
    return connection


class Idle:
    """Opens the connections, and closes them at the end of a `with` block."""

    def __init__(self, host, port, count, tls, path, sources=("",)):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
        context = None
        if tls:
            context = ssl._create_unverified_context()
            context.set_alpn_protocols(["h2"])
        self.sockets = []
        for number in range(count):
            connection = connect(host, port, sources[number % len(sources)])
            if context:
                connection = context.wrap_socket(connection, server_hostname="localhost")
            connection.sendall(PREFACE + get(path))
            Frames(connection).until_end(1)
            self.sockets.append(connection)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.sockets:
            connection.close()
