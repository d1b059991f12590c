"""Traffic of good clients, all of it at once: pages, large files, cancellations and uploads, over
HTTP/1.1 and HTTP/2, in the clear and over TLS."""

import asyncio
import random

from h2_client import H2Client, Tally, tls_context
from harness import expect

SIZES = [1_000, 16_384, 100_000, 1_000_000, 10_000_000]

# Share of each size among the requests.
WEIGHTS = [50, 30, 15, 4, 1]

# Connections of each kind at a time.
WORKERS = 3

# A share of requests that is cancelled, and after how many seconds at most.
CANCELLED, CANCEL_AFTER = 0.1, 0.05

UPLOADS = 0.1
UPLOAD_BYTES = 300_000

# No client takes this long.
TIMEOUT = 60


class GoodTraffic:
    """Good clients of a server, for a while."""

    def __init__(self, binary, port, tls_port, contents, place, seconds):
        self.binary, self.port, self.tls_port = binary, port, tls_port
        self.contents, self.place, self.seconds = contents, place, seconds
        self.tally = Tally()

    async def run(self):
        """Their requests; returns how many were whole and cancelled, and what failed."""
        workers = []
        for port, h2, h1 in [(self.port, None, None),
                             (self.tls_port, tls_context("h2"), tls_context("http/1.1"))]:
            workers += [self._repeat(self._h2, port, h2), self._repeat(self._h1, port, h1)] * WORKERS
        workers = [worker() for worker in workers]
        await asyncio.gather(*workers, *(self._repeat(self._program, command)()
                                         for command in self._programs()))
        return self.tally.whole, self.tally.cancelled, self.tally.failures

    def _repeat(self, act, *arguments):
        end = asyncio.get_running_loop().time() + self.seconds

        async def repeat():
            while asyncio.get_running_loop().time() < end:
                try:
                    await act(*arguments)
                except Exception as error:  # whatever it is, a good client was not served
                    self.tally.failures.append(f"{act.__name__}: {error!r}")
                await asyncio.sleep(0.05)
        return repeat

    def _some_path(self):
        return random.choices(list(self.contents), WEIGHTS)[0]

    async def _h2(self, port, context):
        """A connection with a page's worth of requests at once, a few times."""
        client = await H2Client.open(port, context)
        try:
            for _ in range(random.randint(1, 4)):
                await asyncio.gather(*(self.tally.count(self._h2_request(client))
                                       for _ in range(random.randint(1, 30))))
        finally:
            await client.close()

    def _h2_request(self, client):
        cancel = random.random() * CANCEL_AFTER if random.random() < CANCELLED else None
        if random.random() < UPLOADS:
            return client.echo(random.randbytes(random.randint(0, UPLOAD_BYTES)), cancel)
        path = self._some_path()
        return client.get(path, self.contents[path], cancel)

    async def _h1(self, port, context):
        """A connection that is kept alive for some requests."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        try:
            for _ in range(random.randint(1, 20)):
                await asyncio.wait_for(self.tally.count(self._h1_request(reader, writer)), TIMEOUT)
        finally:
            writer.close()

    async def _h1_request(self, reader, writer):
        body = None
        if random.random() < UPLOADS:
            content = body = random.randbytes(random.randint(0, UPLOAD_BYTES))
            head = f"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        else:
            path = self._some_path()
            content = self.contents[path]
            head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"

        async def send():
            writer.write(head.encode() + (body or b""))
            await writer.drain()
        sending = asyncio.create_task(send())
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        expect(answer.startswith("http/1.1 200 "), answer)
        expect(f"content-length: {len(content)}\r\n" in answer, answer)
        expect(await reader.readexactly(len(content)) == content, "the content differs")
        await sending

    def _programs(self):
        """Clients that people use."""
        clear, tls = f"http://localhost:{self.port}", f"https://localhost:{self.tls_port}"
        upload = self.place / "100000.bin"
        return [
            ("h2load", "-D", "2", "-c", "5", "-m", "20", f"{clear}/1000.bin", f"{clear}/16384.bin"),
            ("h2load", "-D", "2", "-c", "5", "-m", "20", f"{tls}/1000.bin", f"{tls}/16384.bin"),
            ("h2load", "--h1", "-n", "500", "-c", "5", f"{clear}/1000.bin"),
            ("curl", "-skf", "--parallel", "--http2", *[f"{tls}/1000000.bin", "-o", "/dev/null"] * 5),
            ("curl", "-sf", "--http2-prior-knowledge", "-T", upload, f"{clear}/echo",
             "-o", "/dev/null"),
            ("nghttp", "-n", "-d", upload, f"{clear}/echo", f"{tls}/echo"),
            (self.binary, "get", "--insecure", "--fail", "-n", "200",
             f"{tls}/16384.bin"),
        ]

    async def _program(self, command):
        process = await asyncio.create_subprocess_exec(
            *map(str, command), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        output, _ = await asyncio.wait_for(process.communicate(), TIMEOUT)
        text = output.decode(errors="replace")
        expect(process.returncode == 0, f"{command[0]} ended with {process.returncode}: {text[-300:]}")
        if "h2load" in command:
            expect(" 0 failed, 0 errored, 0 timeout" in text, text[-600:])
        self.tally.whole += 1
        await asyncio.sleep(1)
