"""HTTP/2 connections that make one request each and then stay: a client of a few lines."""

import select
import socket
import ssl
import struct

from harness import expect, raise_descriptor_limit

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind, flags, stream, payload=b""):
    """A frame (RFC 9113 §4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def request(tls):
    """GET / of localhost, as a header block: indexed fields and one literal (RFC 7541 §6)."""
    return b"\x82" + (b"\x87" if tls else b"\x86") + b"\x84" + b"\x41\x09localhost"


class IdleConnections:
    """A number of connections to a server, open within the `with` block."""

    def __init__(self, server, kind, count):
        self.tls = kind == "TLS"
        self.port = server.tls_port if self.tls else server.port
        self.count = count
        self.connections = []
        self.context = ssl.create_default_context()
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        self.context.set_alpn_protocols(["h2"])

    def __enter__(self):
        raise_descriptor_limit()
        try:
            for _ in range(self.count):
                self.connections.append(self.open())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for connection in self.connections:
            connection.close()
        self.connections.clear()

    def open(self):
        """One connection, after one request and its whole response."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            connection = self.context.wrap_socket(connection, server_hostname="localhost")
            expect(connection.selected_alpn_protocol() == "h2", "ALPN did not choose h2")
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0)
                           + frame(HEADERS, END_STREAM | END_HEADERS, 1, request(self.tls)))
        received = b""
        settings = acknowledged = ended = False
        while not (settings and acknowledged and ended):
            part = connection.recv(65536)
            expect(part, "the server closed the connection")
            received += part
            while len(received) >= 9:
                length = int.from_bytes(received[:3], "big")
                if len(received) < 9 + length:
                    break
                kind, flags = received[3], received[4]
                received = received[9 + length:]
                expect(kind not in (RST_STREAM, GOAWAY), f"the server sent a frame of type {kind}")
                if kind == SETTINGS and flags & ACK:
                    acknowledged = True
                elif kind == SETTINGS:
                    settings = True
                    connection.sendall(frame(SETTINGS, ACK, 0))
                elif kind in (DATA, HEADERS) and flags & END_STREAM:
                    ended = True
        return connection

    def alive(self):
        """Number of connections that the server has neither closed nor sent anything more on."""
        poll = select.poll()
        for connection in self.connections:
            poll.register(connection, select.POLLIN)
        return self.count - len(poll.poll(0))
