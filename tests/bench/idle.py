"""Many idle HTTP/2 connections, each after one request."""

import resource
import socket
import ssl

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
SETTINGS_ACK = b"\0\0\0\x04\x01\0\0\0\0"
SETTINGS, HEADERS, END_STREAM = 4, 1, 1


def get(path):
    """A GET on stream 1, as h2load writes it: fields with incremental indexing."""
    def literal(index, value):
        return bytes([0x40 | index, len(value)]) + value
    block = (b"\x82\x86" + literal(1, b"localhost") + literal(4, path.encode())
             + literal(58, b"idle/1.0"))
    return len(block).to_bytes(3, "big") + bytes([HEADERS, 5]) + (1).to_bytes(4, "big") + block


class Idle:
    """Opens the connections, and closes them at the end of a `with` block."""

    def __init__(self, host, port, count, tls, path):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
        context = None
        if tls:
            context = ssl._create_unverified_context()
            context.set_alpn_protocols(["h2"])
        self.sockets = []
        for _ in range(count):
            connection = socket.create_connection((host, port), 20)
            if context:
                connection = context.wrap_socket(connection, server_hostname="localhost")
            connection.sendall(PREFACE + get(path))
            self.finish(connection)
            self.sockets.append(connection)

    @staticmethod
    def finish(connection):
        """Reads the response, and acknowledges the server's SETTINGS."""
        buffer = b""
        while True:
            while len(buffer) < 9 or len(buffer) < 9 + int.from_bytes(buffer[:3], "big"):
                data = connection.recv(65536)
                if not data:
                    raise ValueError("the server closed")
                buffer += data
            length, kind, flags = int.from_bytes(buffer[:3], "big"), buffer[3], buffer[4]
            stream = int.from_bytes(buffer[5:9], "big")
            buffer = buffer[9 + length:]
            if kind == SETTINGS and not flags:
                connection.sendall(SETTINGS_ACK)
            if stream == 1 and kind in (0, 1) and flags & END_STREAM:
                return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.sockets:
            connection.close()
