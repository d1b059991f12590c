"""Rows of `compare` that need files, a method or a client of their own."""

import os
import random
import re
import subprocess
import time
from pathlib import Path

from shared import CLIENT_CORE, Row, h2load, run

# The working set beyond the cache: files of these lengths in equal numbers, 77 MB in all.
LENGTHS = [1 << 10, 4 << 10, 16 << 10, 40 << 10]
FILES = 5_000

# Assets of a web page in KiB; a quarter of that with Brotli, a third with gzip: 1.8 MB together.
ASSETS = [200, 150, 120, 100, 90, 80, 70, 60, 50, 45, 40, 35, 30, 25, 20, 18, 15, 12, 8, 5]
ACCEPTS = ["-H", "accept-encoding: br;q=1, gzip;q=0.8"]

# Seconds for which openssl opens connections that resume its session.
RESUMING_SECONDS = 3


def prepare_files(directory):
    """The 5,000 files and a random order of them, as paths for h2load."""
    site = directory / "site"
    if (site / "many").exists():
        return
    content = os.urandom(1 << 20)
    chance = random.Random(17)
    for at in range(FILES):
        folder = site / "many" / f"d{at % 50}"
        folder.mkdir(parents=True, exist_ok=True)
        start = chance.randrange(len(content) - max(LENGTHS))
        (folder / f"f{at}.png").write_bytes(content[start:start + LENGTHS[at % len(LENGTHS)]])
    order = [at for _ in range(4) for at in chance.sample(range(FILES), FILES)]
    (directory / "many.paths").write_text(
        "".join(f"/many/d{at % 50}/f{at}.png\n" for at in order))
    age(site / "many")


def prepare_assets(directory):
    """The assets of a page with their sidecars."""
    site = directory / "site" / "page"
    if site.exists():
        return
    site.mkdir()
    for at, size in enumerate(ASSETS):
        path = site / f"a{at}.{['js', 'css', 'html', 'svg', 'json'][at % 5]}"
        path.write_bytes(os.urandom(size << 10))
        Path(f"{path}.br").write_bytes(os.urandom((size << 10) // 4))
        Path(f"{path}.gz").write_bytes(os.urandom((size << 10) // 3))
    names = sorted(path.name for path in site.iterdir() if path.suffix not in (".br", ".gz"))
    (directory / "page.paths").write_text("".join(f"/page/{name}\n" for name in names))
    age(site)


def prepare_listings(directory):
    """Directories of 1,000 and of 10,000 names."""
    for count in (1_000, 10_000):
        folder = directory / "site" / f"names{count}"
        if not folder.exists():
            folder.mkdir()
            for at in range(count):
                (folder / f"file-{at:05}.txt").touch()
            age(folder)


def age(folder):
    """Makes files readable for workers of another user, and as old as those that have lain there."""
    then = time.time() - 3600
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (then, then))


def condition(port, path):
    """The precondition that a client has which knows the file: its tag, or else its date."""
    head = run(["curl", "-s", "--http2-prior-knowledge", "-D", "-", "-o", "/dev/null",
                f"http://127.0.0.1:{port}{path}"]).stdout
    for name, asked in [("etag", "if-none-match"), ("last-modified", "if-modified-since")]:
        if found := re.search(rf"^{name}:\s*(.*?)\r?$", head, re.I | re.M):
            return f"{asked}: {found.group(1)}"
    raise ValueError(f"no validator from {path}")


class Situation(Row):
    """A row with files of its own, and perhaps with an answer that is not a 200."""

    def __init__(self, *row, prepare=None, paths=None, status="2xx", tagged=False, only=None,
                 options=(), memory=False, **more):
        super().__init__(*row, **more)
        self.prepare, self.paths, self.status = prepare, paths, status
        self.tagged, self.only, self.options, self.memory = tagged, only, list(options), memory

    def arguments(self, directory, port):
        """Arguments of h2load beside those of the row."""
        told = []
        if self.tagged:
            told += ["-H", condition(port, self.path)]
        if self.paths:
            scheme = "https" if self.tls else "http"
            lines = (directory / self.paths).read_text().splitlines()
            list_of = directory / "uris"
            list_of.write_text("".join(f"{scheme}://127.0.0.1:{port}{line}\n" for line in lines))
            told += ["-i", str(list_of)]
        return told

    def measure(self, server, directory, ports, scale):
        requests = max(self.clients * self.streams, int(self.requests * scale))
        plain, port = ports[0], ports[1] if self.tls else ports[0]
        told = self.arguments(directory, plain if self.tagged else port)
        warming = requests // 3 if self.paths else requests // 10
        h2load(self, port, max(self.clients, warming), told, self.status)
        before = server.cpu()
        h2load(self, port, requests, told, self.status)
        spent = server.cpu() - before
        return spent / requests * 1e6


class Echo(Situation):
    """A request body of 10 MB that comes back; the figure is for a GB of it."""

    LEN = 10_000_000

    def measure(self, server, directory, ports, scale):
        body = directory / "body"
        if not body.exists():
            body.write_bytes(os.urandom(self.LEN))
        requests = max(self.clients, int(self.requests * scale))
        port = ports[1] if self.tls else ports[0]
        before = server.cpu()
        h2load(self, port, requests, ["-d", str(body)], self.status)
        return (server.cpu() - before) / (requests * self.LEN / 1e9)


class Resuming(Situation):
    """New connections of TLS 1.3 that resume a session, each with one request."""

    def measure(self, server, directory, ports, scale):
        before = server.cpu()
        text = run(["taskset", "-c", CLIENT_CORE, "openssl", "s_time", "-connect",
                    f"127.0.0.1:{ports[1]}", "-www", self.path, "-reuse", "-tls1_3",
                    "-time", str(RESUMING_SECONDS)]).stdout
        spent = server.cpu() - before
        count = int(re.search(r"(\d+) connections in \d+ real seconds", text).group(1))
        if not count:
            raise ValueError("no session was resumed")
        return spent / count * 1e6


SITUATIONS = [
    Situation("h2c 5000 files", False, "/", 300_000, 50, 32, "request",
              prepare=prepare_files, paths="many.paths", memory=True),
    Situation("h1 5000 files", False, "/", 150_000, 50, 1, "request", extra=["--h1"],
              prepare=prepare_files, paths="many.paths", memory=True),
    Situation("tls 5000 files", True, "/", 200_000, 50, 32, "request",
              prepare=prepare_files, paths="many.paths", memory=True),
    Situation("tls page br", True, "/", 100_000, 256, 32, "request", extra=ACCEPTS,
              prepare=prepare_assets, paths="page.paths", memory=True),
    Situation("h2c 304", False, "/1k", 400_000, 100, 32, "request", tagged=True, status="3xx"),
    Situation("h2c 404", False, "/none", 300_000, 100, 32, "request", status="4xx"),
    Situation("h2c range 1k", False, "/10m", 300_000, 100, 32, "request",
              extra=["-H", "range: bytes=5000000-5001023"]),
    Situation("h2c redirect", False, "/names1000", 300_000, 100, 32, "request",
              prepare=prepare_listings, status="3xx"),
    Situation("h1 list 1000", False, "/names1000/", 2_000, 4, 1, "request", extra=["--h1"],
              prepare=prepare_listings, only=["calmd", "nginx"], options=["--listing"]),
    Situation("h1 list 10000", False, "/names10000/", 200, 4, 1, "request", extra=["--h1"],
              prepare=prepare_listings, only=["calmd", "nginx"], options=["--listing"]),
    Echo("h2c echo 10m", False, "/echo", 100, 4, 4, "GB", only=["calmd", "nghttpd"],
         options=["--demo"]),
    Echo("tls echo 10m", True, "/echo", 60, 4, 4, "GB", only=["calmd", "nghttpd"],
         options=["--demo"]),
    Resuming("tls resumed", True, "/1k", 0, 1, 1, "connection"),
]


def spent_by(command):
    """User and system time of a program, in seconds."""
    child = subprocess.Popen(["taskset", "-c", CLIENT_CORE, *command],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    if status:
        raise ValueError(f"{command[0]} ended with {status}")
    return usage.ru_utime + usage.ru_stime


def measure_clients(port, binary, requests):
    """CPU in microseconds for a request of `calmd get` and of h2load, to one server."""
    url = f"http://127.0.0.1:{port}/1k"
    ours = spent_by([str(binary), "get", "-n", str(requests), "-m", "50", url])
    theirs = spent_by(["h2load", "-n", str(requests), "-c", "1", "-m", "50", url])
    return ours / requests * 1e6, theirs / requests * 1e6
