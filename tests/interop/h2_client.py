"""An HTTP/2 client on asyncio that makes many requests at once, cancels some, and believes nothing:
every response is compared with what it should be."""

import asyncio
import random
import ssl
import sys

from harness import REPOSITORY, expect, expect_equal
from idle import ACK, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, RST_STREAM, SETTINGS, \
    DATA, frame

# .ci/run puts python-hyper there, unless it is installed.
sys.path.append(str(REPOSITORY / "target/python"))

PING, WINDOW_UPDATE = 6, 8
CANCEL = 8

# Settings (RFC 9113 §6.5.2).
ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 2, 3, 4

STREAM_WINDOW = 1 << 20
CONNECTION_WINDOW = 8 << 20
INITIAL_WINDOW = 65_535
FRAME = 16_384

# No answer takes this long, on whatever machine.
PATIENCE = 60


def tls_context(*protocols):
    """TLS with whatever certificate the server has made."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(protocols)
    return context


class Cancelled(Exception):
    """We have cancelled the request."""


class Stream:
    """A request under way."""

    def __init__(self, send_window):
        self.status = None
        self.content = bytearray()
        self.unacknowledged = 0
        self.send_window = send_window
        self.done = asyncio.get_running_loop().create_future()


class H2Client:
    """A connection; `await H2Client.open(...)`."""

    def __init__(self, reader, writer, authority):
        import hpack  # pylint: disable=import-outside-toplevel
        self.reader, self.writer, self.authority = reader, writer, authority
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.scheme = "https" if writer.get_extra_info("ssl_object") else "http"
        self.streams = {}
        self.next_stream = 1
        self.unacknowledged = 0
        self.send_window = INITIAL_WINDOW
        self.initial_send_window = INITIAL_WINDOW
        self.room = asyncio.Condition()
        self.slots = asyncio.Semaphore(100)
        self.ended = None
        self.block = b""
        settings = b"".join(kind.to_bytes(2, "big") + value.to_bytes(4, "big") for kind, value in
                            [(ENABLE_PUSH, 0), (INITIAL_WINDOW_SIZE, STREAM_WINDOW)])
        writer.write(PREFACE + frame(SETTINGS, 0, 0, settings)
                     + frame(WINDOW_UPDATE, 0, 0, (CONNECTION_WINDOW - INITIAL_WINDOW)
                             .to_bytes(4, "big")))
        self.task = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, port, context=None):
        """A connection to this machine, over TLS if there is a context."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        return cls(reader, writer, f"localhost:{port}")

    async def close(self):
        """Ends it; a GOAWAY of the server's before that is an error."""
        self.task.cancel()
        self.writer.close()
        await asyncio.gather(self.task, self.writer.wait_closed(), return_exceptions=True)
        if self.ended:
            raise self.ended

    async def get(self, path, content, cancel_after=None):
        """A request for a file, which must come whole; raises `Cancelled` if that was to be."""
        await self._exchange(path, "GET", None, content, cancel_after)

    async def echo(self, body, cancel_after=None):
        """An upload, which must come back whole."""
        await self._exchange("/echo", "POST", body, body, cancel_after)

    async def _exchange(self, path, method, body, content, cancel_after):
        async with self.slots:
            number, stream = self._begin(path, method, body)
            try:
                async with asyncio.timeout(PATIENCE if cancel_after is None else cancel_after):
                    if body is not None:
                        await self._upload(number, stream, body)
                    await asyncio.shield(stream.done)
            except TimeoutError:
                if cancel_after is None:
                    raise AssertionError(f"{path}: no answer within {PATIENCE} s") from None
                if not stream.done.done():
                    self._cancel(number)
                    raise Cancelled from None
        stream.done.result()
        expect_equal(stream.status, "200", f"the status of {path}")
        expect(stream.content == content,
               f"{path}: {len(stream.content)} bytes instead of {len(content)}, or others")

    def _begin(self, path, method, body):
        if self.ended:
            raise self.ended
        number, self.next_stream = self.next_stream, self.next_stream + 2
        fields = [(":method", method), (":scheme", self.scheme), (":path", path),
                  (":authority", self.authority), ("user-agent", "calmd-interop")]
        flags = END_HEADERS if body is not None else END_HEADERS | END_STREAM
        self.writer.write(frame(HEADERS, flags, number, self.encoder.encode(fields)))
        stream = self.streams[number] = Stream(self.initial_send_window)
        return number, stream

    def _cancel(self, number):
        stream = self.streams.pop(number)
        stream.done.cancel()
        self.writer.write(frame(RST_STREAM, 0, number, CANCEL.to_bytes(4, "big")))

    async def _upload(self, number, stream, body):
        sent = 0
        while sent < len(body) and not stream.done.done():
            size = min(len(body) - sent, FRAME, self.send_window, stream.send_window)
            if size <= 0:
                async with self.room:
                    await self.room.wait()
                continue
            self.send_window -= size
            stream.send_window -= size
            flags = END_STREAM if sent + size == len(body) else 0
            self.writer.write(frame(DATA, flags, number, body[sent:sent + size]))
            sent += size
            await self.writer.drain()

    async def _read(self):
        try:
            while True:
                head = await self.reader.readexactly(9)
                payload = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
                self._handle(head[3], head[4], int.from_bytes(head[5:], "big"), payload)
                if head[3] in (SETTINGS, WINDOW_UPDATE):
                    async with self.room:
                        self.room.notify_all()
        except Exception as error:  # whatever ends it, all requests must hear of it
            self.ended = error
            for stream in self.streams.values():
                if not stream.done.done():
                    stream.done.set_exception(error)
                    stream.done.exception()
            async with self.room:
                self.room.notify_all()

    def _handle(self, kind, flags, number, payload):
        if kind == SETTINGS and not flags & ACK:
            self._settings(payload)
        elif kind == HEADERS:
            expect(flags & END_HEADERS, "a CONTINUATION is announced")
            fields = dict(self.decoder.decode(payload))
            stream = self.streams.get(number)
            if stream and ":status" in fields:
                stream.status = fields[":status"]
            self._end_if(flags, number)
        elif kind == DATA:
            self._data(flags, number, payload)
        elif kind == RST_STREAM:
            stream = self.streams.pop(number, None)
            code = int.from_bytes(payload, "big")
            # After a whole response, NO_ERROR says that the rest of a request is not needed.
            if stream and not stream.done.done():
                stream.done.set_exception(AssertionError(f"RST_STREAM {code}"))
        elif kind == GOAWAY:
            raise AssertionError(f"GOAWAY {int.from_bytes(payload[4:8], 'big')} {payload[8:]}")
        elif kind == PING and not flags & ACK:
            self.writer.write(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE:
            increment = int.from_bytes(payload, "big")
            if number == 0:
                self.send_window += increment
            elif number in self.streams:
                self.streams[number].send_window += increment

    def _settings(self, payload):
        for at in range(0, len(payload), 6):
            kind = int.from_bytes(payload[at:at + 2], "big")
            value = int.from_bytes(payload[at + 2:at + 6], "big")
            if kind == INITIAL_WINDOW_SIZE:
                for stream in self.streams.values():
                    stream.send_window += value - self.initial_send_window
                self.initial_send_window = value
            elif kind == MAX_CONCURRENT_STREAMS:
                expect(value >= 100, f"only {value} requests are allowed at once")
        self.writer.write(frame(SETTINGS, ACK, 0))

    def _data(self, flags, number, payload):
        self.unacknowledged += len(payload)
        updates = b""
        if self.unacknowledged > CONNECTION_WINDOW // 2:
            updates += frame(WINDOW_UPDATE, 0, 0, self.unacknowledged.to_bytes(4, "big"))
            self.unacknowledged = 0
        if stream := self.streams.get(number):
            stream.content += payload
            stream.unacknowledged += len(payload)
            if stream.unacknowledged > STREAM_WINDOW // 2 and not flags & END_STREAM:
                updates += frame(WINDOW_UPDATE, 0, number, stream.unacknowledged.to_bytes(4, "big"))
                stream.unacknowledged = 0
        if updates:
            self.writer.write(updates)
        self._end_if(flags, number)

    def _end_if(self, flags, number):
        if flags & END_STREAM and (stream := self.streams.pop(number, None)):
            if not stream.done.done():
                stream.done.set_result(None)


class Tally:
    """Outcomes of requests."""

    def __init__(self):
        self.whole = 0
        self.cancelled = 0
        self.failures = []

    async def count(self, request):
        """Awaits a request and notes how it ended."""
        try:
            await request
            self.whole += 1
        except Cancelled:
            self.cancelled += 1
        except Exception as error:  # whatever it is, the request has failed
            self.failures.append(repr(error))

    def summary(self):
        """For the report; raises if a request failed."""
        expect(not self.failures, f"{len(self.failures)} requests failed: {self.failures[:3]}")
        return f"{self.whole} whole, {self.cancelled} cancelled"


def random_contents(seed, sizes):
    """Files of these sizes, by their paths."""
    noise = random.Random(seed)
    return {f"/{size}.bin": noise.randbytes(size) for size in sizes}
