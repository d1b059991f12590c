"""Public bug reports about HTTP/2, put to the server frame by frame."""

import socket
import sys

from harness import REPOSITORY, expect, expect_equal
from idle import ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, RST_STREAM, \
    SETTINGS, frame

# .ci/run puts python-hyper there, unless it is installed.
sys.path.append(str(REPOSITORY / "target/python"))

PRIORITY, PING, WINDOW_UPDATE, CONTINUATION = 2, 6, 8, 9
PROTOCOL_ERROR, FLOW_CONTROL_ERROR, REFUSED_STREAM, CALM = 1, 3, 7, 11
INITIAL_WINDOW_SIZE = 4


class Connection:
    """A connection in the clear, with prior knowledge."""

    def __init__(self, port, *settings):
        import hpack  # pylint: disable=import-outside-toplevel
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.socket.sendall(PREFACE + self.settings(*settings))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    @staticmethod
    def settings(*entries):
        """A SETTINGS frame."""
        return frame(SETTINGS, 0, 0, b"".join(
            kind.to_bytes(2, "big") + value.to_bytes(4, "big") for kind, value in entries))

    def send(self, *frames):
        """Sends frames."""
        self.socket.sendall(b"".join(frames))

    def block(self, method, path, *fields, authority="localhost"):
        """A request's field block."""
        own = [(":method", method), (":scheme", "http"), (":path", path)]
        if authority:
            own.append((":authority", authority))
        return self.encoder.encode(own + list(fields), huffman=False)

    def request(self, stream, method, path, *fields, flags=END_STREAM, authority="localhost"):
        """Sends HEADERS of a request."""
        block = self.block(method, path, *fields, authority=authority)
        self.send(frame(HEADERS, END_HEADERS | flags, stream, block))

    def next(self):
        """The next frame: type, flags, stream, payload; `None` at the end."""
        while len(self.received) < 9 or len(self.received) < 9 + self._length():
            try:
                part = self.socket.recv(1 << 16)
            except ConnectionResetError:
                part = b""
            if not part:
                return None
            self.received += part
        end = 9 + self._length()
        header, payload, self.received = \
            self.received[:9], self.received[9:end], self.received[end:]
        return header[3], header[4], int.from_bytes(header[5:9], "big") & 0x7fffffff, payload

    def _length(self):
        return int.from_bytes(self.received[:3], "big")

    def until(self, kind, stream=None):
        """Waits for a frame of a type, on a stream if one is given; acknowledges SETTINGS."""
        while True:
            got = self.next()
            expect(got, f"the server closed before frame {kind} of stream {stream}")
            if got[0] == SETTINGS and not got[1] & ACK:
                self.send(frame(SETTINGS, ACK, 0))
            elif got[0] == HEADERS and kind != HEADERS:
                self.decoder.decode(got[3])
            if got[0] == kind and stream in (None, got[2]):
                return got
            expect(got[0] != GOAWAY, f"GOAWAY: {got[3]!r}")

    def status(self, stream):
        """The status of the next head on a stream."""
        while True:
            _, _, at, payload = self.until(HEADERS)
            fields = dict(self.decoder.decode(payload))
            if at == stream:
                return int(fields[":status"])

    def content(self, stream, most=1 << 30):
        """The content of a stream up to its end, or so much of it."""
        content = b""
        while len(content) < most:
            _, flags, _, payload = self.until(DATA, stream)
            content += payload
            if flags & END_STREAM:
                break
        return content

    def pinged(self):
        """The frames up to the answer of a PING."""
        self.send(frame(PING, 0, 0, b"reports!"))
        frames = []
        while True:
            got = self.next()
            expect(got, f"the server closed: {frames}")
            if got[0] == PING and got[1] & ACK:
                return frames
            frames.append(got)

    def goaway(self):
        """The code of the GOAWAY that ends the connection."""
        while got := self.next():
            if got[0] == GOAWAY:
                return int.from_bytes(got[3][4:8], "big")
        raise AssertionError("the server closed without GOAWAY")

    def reset(self, stream):
        """The code of the RST_STREAM of a stream."""
        return int.from_bytes(self.until(RST_STREAM, stream)[3], "big")


def checks(report, server):
    """All checks of this kind."""
    for name, check in ROWS:
        with report.check(name):
            check(server.port)


def increment(stream, size):
    """WINDOW_UPDATE."""
    return frame(WINDOW_UPDATE, 0, stream, size.to_bytes(4, "big"))


def crumbs(count, fields, status):
    """A number of crumbs of cookies beside fields."""
    def check(port):
        with Connection(port) as connection:
            more = [("cookie", f"n{n}=v") for n in range(count)]
            more += [(f"x-field-{n}", "value") for n in range(fields)]
            connection.request(1, "GET", "/hundred", *more)
            expect_equal(connection.status(1), status, "the status")
            connection.request(3, "GET", "/hundred")
            expect_equal(connection.status(3), 200, "the next one")
    return check


def long_block(size, frames):
    """A field block of so many bytes, cut into frames."""
    def check(port):
        with Connection(port) as connection:
            block = connection.block("GET", "/hundred") \
                + b"".join(b"\x00\x01x\x7f\x80\x00" + b"v" * 127 for _ in range(size // 133))
            step = -(-len(block) // frames)
            parts = [block[at:at + step] for at in range(0, len(block), step)]
            last = len(parts) - 1
            for n, part in enumerate(parts):
                kind, flags = (HEADERS, END_STREAM) if n == 0 else (CONTINUATION, 0)
                connection.send(frame(kind, flags | (END_HEADERS if n == last else 0), 1, part))
            expect_equal(connection.status(1), 431, "the status")
            connection.request(3, "GET", "/hundred")
            expect_equal(connection.status(3), 200, "the next one")
    return check


def expects(value, path, before, after):
    """The statuses of an upload that expects something: before its content was sent, and after."""
    def check(port):
        with Connection(port) as connection:
            connection.request(1, "POST", path, ("expect", value), flags=0)
            expect_equal(connection.status(1), before, "the first status")
            if after:
                connection.send(frame(DATA, END_STREAM, 1, b"content"))
                expect_equal(connection.status(1), after, "the second status")
            else:
                # undici waits for the stream's end, which must not depend on the content.
                expect(connection.content(1) is not None, "no end")
    return check


def no_authority(port):
    """HAProxy's check of servers asks for no authority at all."""
    with Connection(port) as connection:
        connection.request(1, "OPTIONS", "/", authority=None)
        expect_equal(connection.status(1), 400, "the status")
        connection.request(3, "GET", "/hundred")
        expect_equal(connection.status(3), 200, "the next one")


def shrunk(port):
    """The window of a stream shrinks below what was sent, and opens again."""
    with Connection(port, (INITIAL_WINDOW_SIZE, 60_000)) as connection:
        connection.request(1, "GET", "/large")
        got = len(connection.content(1, 60_000))
        expect_equal(got, 60_000, "the first window")
        connection.send(connection.settings((INITIAL_WINDOW_SIZE, 16_000)), increment(0, 1 << 20),
                        increment(1, 44_000))
        frames = connection.pinged()
        expect(not any(kind == DATA for kind, *_ in frames), "DATA within a window of 0")
        connection.send(increment(1, 10_000))
        expect_equal(len(connection.content(1, 10_000)), 10_000, "the second window")


def raised(port):
    """SETTINGS widen the windows of streams that wait, and of the connection never."""
    with Connection(port, (INITIAL_WINDOW_SIZE, 0)) as connection:
        connection.request(1, "GET", "/large")
        expect_equal(connection.status(1), 200, "the status")
        connection.send(connection.settings((INITIAL_WINDOW_SIZE, 100_000)))
        got = len(connection.content(1, 65_535))
        expect_equal(got, 65_535, "what the connection's window allows")
        expect(not any(kind == DATA for kind, *_ in connection.pinged()),
               "DATA beyond the connection's window")


def overflow(stream, code):
    """A window past 2^31-1."""
    def check(port):
        with Connection(port, (INITIAL_WINDOW_SIZE, 1)) as connection:
            connection.request(1, "GET", "/large")
            connection.status(1)
            connection.send(increment(stream, (1 << 31) - 1), increment(stream, (1 << 31) - 1))
            found = connection.goaway() if stream == 0 else connection.reset(1)
            expect_equal(found, code, "the code")
    return check


def cut_settings(port):
    """SETTINGS and PING that come byte by byte mean what they mean in one piece."""
    with Connection(port) as connection:
        for byte in connection.settings((INITIAL_WINDOW_SIZE, 10), (5, 20_000)):
            connection.send(bytes([byte]))
        connection.request(1, "GET", "/hundred")
        expect_equal(len(connection.content(1, 10)), 10, "the window")
        for byte in frame(PING, 0, 0, b"in parts"):
            connection.send(bytes([byte]))
        connection.until(PING)


def flood(frames, code):
    """Input that ends a connection with the given code."""
    def check(port):
        with Connection(port) as connection:
            try:
                connection.send(*frames(connection))
            except OSError:
                pass
            expect_equal(connection.goaway(), code, "the code")
    return check


def preface(port):
    """A wrong preface that begins with PRI on a port that speaks both."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")
        answer = b""
        while part := connection.recv(4096):
            answer += part
    expect(answer.endswith(b"not the connection preface"), answer)
    expect(not answer.startswith(b"HTTP/1"), answer)


ROWS = [
    ("envoy #45483: 90 crumbs and 15 fields are a request", crumbs(90, 15, 200)),
    ("hitch #352: 64 cookies of Chrome are a request", crumbs(64, 12, 200)),
    ("mod_h2 #201: 120 crumbs beside 12 fields are a request", crumbs(120, 12, 200)),
    ("tempesta #1396: two crumbs are one field", crumbs(2, 0, 200)),
    ("HTTP/2 Bomb: more than 1,000 crumbs are 431", crumbs(1_100, 0, 431)),
    ("aspnetcore #44771: too many fields are 431, and the connection goes on",
     crumbs(0, 150, 431)),
    ("aspnetcore #33622: a block of 40 KB in three frames is 431", long_block(40_000, 3)),
    ("aspnetcore #17861: a block of 60 KB in eight frames is 431", long_block(60_000, 8)),
    ("CVE-2024-27316: CONTINUATION without end", flood(
        lambda connection: [frame(HEADERS, END_STREAM, 1, connection.block("GET", "/"))]
        + [frame(CONTINUATION, 0, 1, b"\x00\x01x\x01y" * 10)] * 50, CALM)),
    ("h2o #3306: 100-continue before the content", expects("100-continue", "/json", 100, 200)),
    ("jetty #902: 100-Continue is the same", expects("100-Continue", "/json", 100, 200)),
    ("undici #5465: a final status instead of 100 ends the stream",
     expects("100-continue", "/hundred", 405, None)),
    ("jetty #10956: neither waits for the content of who is refused",
     expects("100-continue", "/none", 404, None)),
    ("ratpack #852: an unknown expectation is 417",
     expects("100-continuation", "/json", 417, None)),
    ("HAProxy 2.6: OPTIONS without any authority is 400, not a reset", no_authority),
    ("h2o #3585: a window that became negative is tracked", shrunk),
    ("nghttp2 #1680: a window that shrank is no stall", shrunk),
    ("bun #41329: SETTINGS widen the windows of streams that wait", raised),
    ("httpcomponents-core #167: SETTINGS do not widen the connection's window", raised),
    ("haproxy #2719: a connection's window past 2^31-1", overflow(0, FLOW_CONTROL_ERROR)),
    ("nghttp2 #1095: a stream's window past 2^31-1", overflow(1, FLOW_CONTROL_ERROR)),
    ("nginx: SETTINGS that are cut lose nothing; HAProxy: nor does PING", cut_settings),
    ("CVE-2019-9512: PINGs without end", flood(
        lambda _: [frame(PING, 0, 0, b"floodfld")] * 1_000, CALM)),
    ("CVE-2019-9515: SETTINGS without end", flood(
        lambda _: [frame(SETTINGS, 0, 0)] * 1_000, CALM)),
    ("CVE-2019-9518: empty DATA without end", flood(
        lambda connection: [frame(HEADERS, END_HEADERS, 1, connection.block("POST", "/json"))]
        + [frame(DATA, 0, 1)] * 1_000, CALM)),
    ("CVE-2020-11080: SETTINGS of 2,400 entries", flood(
        lambda connection: [connection.settings(*[(0xbb, 0)] * 2_400)], CALM)),
    ("RFC 9113 §3.4: a wrong preface that begins with PRI is answered as HTTP/2", preface),
]
