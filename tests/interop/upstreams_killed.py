"""Upstreams that are killed at random under `--proxy`: no wrong answer, none cut short that looks whole, and no request
that is not idempotent sent twice."""

import asyncio
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from harness import Server, accepts, expect, free_ports, wait_for

# Requests, as many as these minutes take.
REQUESTS, MINUTES = 1_000_000, 8

# Connections of clients, servers of the upstream, and the time between two kills, in seconds.
CLIENTS, SERVERS, PAUSE = 32, 4, 0.15

# An upstream of HTTP/1.1. It notes the number of each POST before it answers, and misbehaves by the request's number:
# it ends, hangs or lies in ways that a client must be able to tell from an answer.
UPSTREAM = r'''
import asyncio, os, sys

async def serve(reader, writer):
    log = os.open("posts", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b"\r\n")[0].split(b" ")
            number = int(target.rsplit(b"/", 1)[1])
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            body = await reader.readexactly(length)
            if method == b"POST":
                # One write, so that lines of several processes do not mix.
                os.write(log, b"%d\n" % number)
            answer = (b"%d:" % number) * (1 + number % 997) + body
            whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer
            kind = number % 211
            if kind == 1:
                return
            if kind == 2:
                writer.write(whole[:-1])
                return await writer.drain()
            if kind == 3:
                writer.write(b"garbage\r\n\r\n" + answer)
                return await writer.drain()
            if kind == 4:
                await asyncio.sleep(30)
            if kind == 5:
                writer.write(whole + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
                await writer.drain()
                continue
            if kind == 6:
                for place in range(0, len(whole), 400):
                    writer.write(whole[place:place + 400])
                    await writer.drain()
                    await asyncio.sleep(0.005)
                continue
            if kind == 7:
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                writer.write(b"%x\r\n" % len(answer) + answer + b"\r\n")
                return await writer.drain()
            if kind == 8:
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                writer.write(b"%x\r\n" % len(answer) + answer + b"\r\n0\r\n\r\n")
            else:
                writer.write(whole)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        os.close(log)
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), reuse_address=True)
    await server.serve_forever()

asyncio.run(main())
'''


def long_checks(report, binary):
    """All checks of this group."""
    with report.check(f"proxy: upstreams killed at random for {REQUESTS} requests, or {MINUTES} minutes") as figure:
        killed(binary, figure, REQUESTS, 60 * MINUTES)


def killed(binary, figure, most, seconds):
    """Clients ask while upstreams are killed, and each answer is judged."""
    with tempfile.TemporaryDirectory(prefix="calmd-upstreams-") as place:
        ports = free_ports(SERVERS)
        (Path(place) / "upstream.py").write_text(UPSTREAM)
        options = [part for port in ports for part in ("--proxy", f"/=http://127.0.0.1:{port}")]
        with Server(binary, options=(*options, "--proxy-timeout", "1s"), tls=False) as server:
            counts = asyncio.run(together(server, ports, place, most, seconds))
        posts = (Path(place) / "posts").read_bytes().split()
        expect(len(posts) == len(set(posts)), "an upstream has seen a POST twice")
        counts["posts seen"] = len(posts)
        expect(counts["kills"] > 0 and counts["whole"] > counts["asked"] // 2, counts)
        for kind in ("refused", "cut off", "POSTs"):
            expect(counts[kind] > 0, counts)
        figure.append(f"{counts} in {counts.pop('seconds')} s")


class Asker:
    """The clients' common state."""

    def __init__(self, server, most, seconds):
        self.port = server.port
        self.most = most
        self.until = time.monotonic() + seconds
        self.next = 0
        self.counts = {"asked": 0, "whole": 0, "refused": 0, "cut off": 0, "POSTs": 0, "kills": 0}

    def number(self):
        """The number of the next request; none if there were enough."""
        if self.next >= self.most or time.monotonic() > self.until:
            return None
        self.next += 1
        return self.next

    async def run(self):
        """One client: a request after another, on a new connection where the last was closed."""
        reader = writer = None
        while (number := self.number()) is not None:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            if not await self.ask(reader, writer, number):
                writer.close()
                writer = None

    async def ask(self, reader, writer, number):
        """One request; false if the connection is over."""
        method, body = ("POST", b"x" * (number % 300)) if number % 3 == 0 else ("GET", b"")
        self.counts["asked"] += 1
        self.counts["POSTs"] += method == "POST"
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        writer.write(f"{method} /n/{number} HTTP/1.1\r\nHost: h\r\n{length}\r\n".encode() + body)
        wanted = (b"%d:" % number) * (1 + number % 997) + body
        try:
            async with asyncio.timeout(60):
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                status = int(head.split(b" ")[1])
                if b"content-length: " in head:
                    size = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
                    got = await reader.readexactly(size)
                else:
                    got = await chunks(reader)
        except TimeoutError:
            raise AssertionError(f"request {number} has no answer") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            self.counts["cut off"] += 1
            return False
        if status == 200:
            expect(got == wanted, f"request {number} has a wrong answer of {len(got)} bytes")
            self.counts["whole"] += 1
        else:
            expect(status in (502, 503, 504), f"request {number}: {status}")
            self.counts["refused"] += 1
        return b"connection: close" not in head


async def chunks(reader):
    """Content in chunks."""
    content = b""
    while True:
        size = int(await reader.readuntil(b"\r\n"), 16)
        content += await reader.readexactly(size)
        await reader.readexactly(2)
        if size == 0:
            return content


async def together(server, ports, place, most, seconds):
    """The clients and the upstreams, and the killer of these."""
    processes = {}

    async def start(port):
        processes[port] = await asyncio.create_subprocess_exec(sys.executable, "upstream.py", str(port), cwd=place)

    async def kill(counts):
        moments = random.Random(14)
        try:
            while True:
                await asyncio.sleep(moments.uniform(0, 2 * PAUSE))
                port = moments.choice(ports)
                processes[port].send_signal(signal.SIGKILL)
                await processes[port].wait()
                counts["kills"] += 1
                await asyncio.sleep(moments.uniform(0, 2 * PAUSE))
                await start(port)
        finally:
            for process in processes.values():
                if process.returncode is None:
                    process.kill()

    for port in ports:
        await start(port)
    await asyncio.to_thread(lambda: [wait_for(lambda: accepts(port), "an upstream") for port in ports])
    asker = Asker(server, most, seconds)
    began = time.monotonic()
    killer = asyncio.create_task(kill(asker.counts))
    try:
        await asyncio.gather(*(asker.run() for _ in range(CLIENTS)))
    finally:
        killer.cancel()
        await asyncio.gather(killer, return_exceptions=True)
        for process in processes.values():
            await process.wait()
    asker.counts["seconds"] = round(time.monotonic() - began)
    return asker.counts
