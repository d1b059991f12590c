"""Peers that misbehave, each in one way, until the server ends their connection, which it must."""

import asyncio
import itertools
import logging
import random
from contextlib import suppress

from h2_client import CANCEL, INITIAL_WINDOW_SIZE, PING, WINDOW_UPDATE, tls_context
from idle import DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, RST_STREAM, SETTINGS, frame, \
    request

CONTINUATION, PRIORITY = 9, 2

# Seconds after the attack until whoever is left counts as spared: more than its deadlines in the
# soak, or the ten seconds that a request body is given whatever the options.
PATIENCE = 15.0

# Repetitions of a flood, and number of slow attackers at once.
PAUSE = 0.2
CROWD = 20

# Bytes of a flood, at most: more than every budget.
FLOOD = 8 << 20

START = PREFACE + frame(SETTINGS, 0, 0)
LARGE = "/10000000.bin"


def literal(path):
    """A GET for a path, as a header block of literals."""
    return b"\x82\x86\x41\x09localhost\x44" + bytes([len(path)]) + path.encode()


class Peer:
    """A connection that is not read from unless one says so."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        writer.transport.pause_reading()

    async def send(self, data):
        """Sends; raises `ConnectionError` once the server has closed."""
        if self.writer.transport.is_closing():
            raise ConnectionError
        self.writer.write(data)
        await asyncio.wait_for(self.writer.drain(), PATIENCE)
        # Others have their turn, and the transport hears of an end.
        await asyncio.sleep(0)

    async def flood(self, pieces, size=FLOOD):
        """Sends what `pieces` makes, again and again."""
        while size > 0:
            data = pieces()
            size -= len(data)
            await self.send(data)

    async def is_ended(self, patience):
        """True if the server ends the connection. Its earlier output is skipped."""
        self.writer.transport.resume_reading()
        try:
            async with asyncio.timeout(patience):
                while await self.reader.read(1 << 16):
                    pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True


def stream_ids():
    """Odd numbers, as a client counts."""
    number = -1
    while True:
        number += 2
        yield number


async def rapid_reset(peer):
    """CVE-2023-44487."""
    ids = stream_ids()
    await peer.send(START)
    await peer.flood(lambda: b"".join(
        frame(HEADERS, END_HEADERS | END_STREAM, number, request(False))
        + frame(RST_STREAM, 0, number, CANCEL.to_bytes(4, "big"))
        for number in (next(ids) for _ in range(50))))


async def provoked_reset(peer):
    """CVE-2025-8671: the server has to reset."""
    ids = stream_ids()
    await peer.send(START)
    await peer.flood(lambda: b"".join(
        frame(HEADERS, END_HEADERS | END_STREAM, number, literal(LARGE))
        + frame(WINDOW_UPDATE, 0, number, bytes(4))
        for number in (next(ids) for _ in range(50))))


async def ping_flood(peer):
    """CVE-2019-9512: PINGs, and none of the answers read."""
    await peer.send(START)
    await peer.flood(lambda: frame(PING, 0, 0, bytes(8)) * 500)


async def settings_flood(peer):
    """CVE-2019-9515."""
    await peer.send(START)
    await peer.flood(lambda: frame(SETTINGS, 0, 0) * 500)


async def empty_frames(peer):
    """CVE-2019-9518."""
    await peer.send(START + frame(HEADERS, END_HEADERS, 1, b"\x83\x86\x44\x05/echo\x41\x01a"))
    await peer.flood(lambda: frame(DATA, 0, 1) * 500)


async def continuation_flood(peer):
    """CVE-2024-27316."""
    await peer.send(START + frame(HEADERS, END_STREAM, 1, b"\x82\x86\x84"))
    await peer.flood(lambda: frame(CONTINUATION, 0, 1, b"\0\1a\1b" * 200))


async def hpack_bomb(peer):
    """CVE-2016-6581: one entry of 4 KB, thousands of references."""
    await peer.send(START)
    entry = b"\x40\x01a\x7f\xa1\x1e" + b"b" * 4_000
    ids = stream_ids()
    await peer.send(frame(HEADERS, END_HEADERS | END_STREAM, next(ids), b"\x82\x86\x84" + entry))
    await peer.flood(lambda: frame(HEADERS, END_HEADERS | END_STREAM, next(ids),
                                   b"\x82\x86\x84" + b"\xbe" * 16_000))


async def unknown_frames(peer):
    """Frames that mean nothing, and priorities of RFC 7540."""
    await peer.send(START)
    await peer.flood(lambda: frame(PRIORITY, 0, 5, b"\0\0\0\3\7") * 100
                     + frame(0xFA, 0, 0, bytes(4_000)))


async def garbage(peer):
    """Noise behind the preface."""
    await peer.send(START)
    await peer.flood(lambda: random.randbytes(2_000))


async def slow_reader(peer):
    """CVE-2016-1546: a hundred large responses, no window, and a heartbeat."""
    window = INITIAL_WINDOW_SIZE.to_bytes(2, "big") + bytes(4)
    await peer.send(PREFACE + frame(SETTINGS, 0, 0, window) + b"".join(
        frame(HEADERS, END_HEADERS | END_STREAM, number, literal(LARGE))
        for number in range(1, 200, 2)))
    for _ in range(int(PATIENCE)):
        await asyncio.sleep(1)
        await peer.send(frame(PING, 0, 0, bytes(8)))


async def deaf_reader(peer):
    """Windows as large as can be, and nothing read."""
    window = INITIAL_WINDOW_SIZE.to_bytes(2, "big") + b"\x7f\xff\xff\xff"
    await peer.send(PREFACE + frame(SETTINGS, 0, 0, window)
                    + frame(WINDOW_UPDATE, 0, 0, b"\x7f\x00\x00\x00") + b"".join(
                        frame(HEADERS, END_HEADERS | END_STREAM, number, literal(LARGE))
                        for number in range(1, 200, 2)))
    await asyncio.sleep(PATIENCE)


async def slow_preface(peer):
    """A byte of the preface now and then."""
    for byte in START:
        await peer.send(bytes([byte]))
        await asyncio.sleep(1)


async def silence(_peer):
    """Nothing at all."""
    await asyncio.sleep(PATIENCE / 2)


async def slow_header(peer):
    """Slowloris."""
    await peer.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
    for _ in range(int(PATIENCE)):
        await peer.send(b"X-a: b\r\n")
        await asyncio.sleep(1)


async def slow_body(peer):
    """R-U-Dead-Yet."""
    await peer.send(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(int(PATIENCE)):
        await peer.send(b"a")
        await asyncio.sleep(1)


async def deaf_pipeline(peer):
    """Ten thousand requests, and nothing read."""
    await peer.flood(lambda: b"GET /100000.bin HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100, 1 << 19)
    await asyncio.sleep(PATIENCE)


async def malformed(peer):
    """HTTP/1.1 that could be understood in two ways, or in none."""
    await peer.send(random.choice([
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET /%zz HTTP/1.1\r\nHost : a\r\n\r\n",
        b"\0" * 3_000,
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    ]))


async def broken_hello(peer):
    """Input that is no TLS."""
    await peer.send(b"\x16\x03\x01\x02\x00" + random.randbytes(512))


async def half_hello(peer):
    """A ClientHello that never ends."""
    await peer.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    await asyncio.sleep(PATIENCE / 2)


# Connection of each: the protocol by ALPN over TLS or in the clear, or below TLS.
H2_FLOODS = [rapid_reset, provoked_reset, ping_flood, settings_flood, empty_frames,
             continuation_flood, hpack_bomb, unknown_frames, garbage]
H2_SLOW = [slow_reader, deaf_reader, slow_preface, silence]
H1_FLOODS = [malformed]
H1_SLOW = [slow_header, slow_body, deaf_pipeline]


class Attack:
    """All kinds of attackers on a server, for a while."""

    def __init__(self, port, tls_port, seconds):
        self.port, self.tls_port, self.seconds = port, tls_port, seconds
        self.ended = 0
        self.failures = []

    async def run(self):
        """Attacks; returns how many were ended by the server, and what was wrong."""
        # That the server ended TLS while we still write is what it should do.
        logging.getLogger("asyncio").setLevel(logging.ERROR)
        floods, slow = [], []
        for port, h2, h1 in [(self.port, None, None),
                             (self.tls_port, tls_context("h2"), tls_context("http/1.1"))]:
            floods += [(kind, port, h2) for kind in H2_FLOODS]
            floods += [(kind, port, h1) for kind in H1_FLOODS]
            slow += [(kind, port, h2) for kind in H2_SLOW]
            slow += [(kind, port, h1) for kind in H1_SLOW]
        floods.append((broken_hello, self.tls_port, None))
        slow.append((half_hello, self.tls_port, None))
        await asyncio.gather(self._floods(floods),
                             *(self._later(*each) for each in slow for _ in range(CROWD)))
        return self.ended, self.failures

    async def _floods(self, floods):
        end = asyncio.get_running_loop().time() + self.seconds
        for each in itertools.cycle(floods):
            await self._one(*each)
            await asyncio.sleep(PAUSE)
            if asyncio.get_running_loop().time() >= end:
                break

    async def _later(self, *each):
        # Not all at the same moment.
        await asyncio.sleep(random.random() * self.seconds / 4)
        await self._one(*each)

    async def _one(self, kind, port, context):
        try:
            await self._attack(kind, port, context)
        except Exception as error:  # whatever it is, the server did not do what it should
            self.failures.append(f"{kind.__name__} {'TLS' if context else 'clear'}: {error!r}")
        else:
            self.ended += 1

    async def _attack(self, kind, port, context):
        source = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}.{random.randint(1, 254)}"
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context,
                                                       local_addr=(source, 0))
        peer = Peer(reader, writer)
        try:
            with suppress(ConnectionError):
                await kind(peer)
            if not await peer.is_ended(PATIENCE):
                raise AssertionError("the server lets it be")
        finally:
            writer.transport.abort()
