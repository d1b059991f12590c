"""Restarts under load: a newer process takes the listeners over by --control, and no request fails.

h2load does not connect anew after GOAWAY: it counts the requests that it has not sent yet as errored, and so
it does with every server. So its count is held against the access log: each request that came to a server has
come to its end at the client. curl connects anew, and none of its requests may fail.
"""

import os
import re
import subprocess
import tempfile
import threading
from pathlib import Path

from harness import Server, expect, expect_equal, free_ports, random_file, run, wait_for

# Restarts in a check: enough to meet each moment of a request some time.
RESTARTS = 10
MANY_RESTARTS = 50

# Size of a download that is under way during a restart.
BIG = 100_000_000

# Requests of one h2load: more than it can send before the restart that ends it.
MANY = 1_000_000

# Requests of one curl, all on one connection unless the server closes it.
REQUESTS = 5

# The name, the URL's scheme, the version in the access log, and the options of h2load. Over HTTP/1.1 it connects
# anew behind `connection: close`, so each of its requests has to succeed.
CLIENTS = [
    ("HTTP/2 in the clear", "http", "HTTP/2.0", ("-n", str(MANY), "-c", "8", "-m", "4")),
    ("HTTP/2 over TLS", "https", "HTTP/2.0", ("-n", str(MANY), "-c", "8", "-m", "4")),
    ("HTTP/1.1", "http", "HTTP/1.1", ("-n", "20000", "-c", "8", "--h1")),
]


def checks(report, binary):
    """All checks of this group."""
    restarts(report, binary, RESTARTS)
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        failures(report, binary, Path(place))


def long_checks(report, binary):
    """More restarts."""
    restarts(report, binary, MANY_RESTARTS)


class Service:
    """A server that is replaced by a newer process again and again."""

    def __init__(self, binary, place):
        self.place = place
        self.site = place / "site"
        self.site.mkdir()
        (self.site / "index.html").write_text("x" * 5000)
        random_file(self.site / "large", BIG)
        self.port, self.tls_port = free_ports(2)
        self.control = place / "control"
        self.binary = binary
        self.current = None
        self.ended = []

    @property
    def urls(self):
        """The URL of either listener."""
        return {"http": f"http://127.0.0.1:{self.port}", "https": f"https://127.0.0.1:{self.tls_port}"}

    def start(self, *options, binary=None):
        """Starts a process; it has taken over when the one before ends by itself."""
        log = open(self.place / "log", "ab")
        command = [binary or self.binary, self.site, "--listen", f"127.0.0.1:{self.port}",
                   "--listen-tls", f"127.0.0.1:{self.tls_port}", "--control", f"unix:{self.control}",
                   "--drain-timeout", "120s", "--access-log", self.place / "access", *options]
        return subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log,
                                stderr=log, env=os.environ | {"STATE_DIRECTORY": str(self.place / "certs")})

    def restart(self):
        """Replaces the process, and waits until the newer one serves."""
        before = self.marks()
        newer = self.start()
        wait_for(lambda: self.marks() > before or newer.poll() is not None, "the newer process serves", 30)
        expect(newer.poll() is None, f"the newer process has ended: {self.log()[-500:]}")
        if self.current:
            self.ended.append(self.current)
        self.current = newer

    def marks(self):
        """Number of processes that have said that they serve."""
        return self.log().count(" serves ")

    def answered(self, version):
        """Number of requests of h2load that were answered with the whole page."""
        return (self.place / "access").read_text().count(f'"GET /?load {version}" 200 5000 ')

    def log(self):
        """The messages of all processes."""
        path = self.place / "log"
        return path.read_text() if path.exists() else ""

    def __enter__(self):
        self.restart()
        return self

    def __exit__(self, *_):
        for process in [*self.ended, self.current]:
            process.kill()
            process.wait()


class Curls:
    """curl in a loop: new connections, each with a few requests."""

    def __init__(self, url):
        self.url = url
        self.failures, self.requests = [], 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.loop)

    def loop(self):
        while not self.stopped.is_set():
            urls = [f"{self.url}/?{number}" for number in range(REQUESTS)]
            outputs = [part for _ in urls for part in ("-o", "/dev/null")]
            done = run("curl", "-sSk", "--fail", "--max-time", "60", *outputs, "-w", "%{http_code}\n", *urls)
            self.requests += REQUESTS
            if done.returncode or done.stdout.decode().split() != ["200"] * REQUESTS:
                self.failures.append((done.returncode, done.stdout, done.stderr))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()


def download(url, rate, to):
    """A download that outlasts some restarts."""
    return subprocess.Popen(["curl", "-sSk", "--max-time", "300", "--limit-rate", rate, "-o", str(to),
                             "-w", "%{http_code} %{size_download}", f"{url}/large"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def restarts(report, binary, number):
    """A number of restarts under load."""
    for name, scheme, version, options in CLIENTS:
        with report.check(f"{number} restarts under h2load over {name} and curl in a loop: no request fails, "
                          "a download goes on to its end") as figure:
            with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
                with Service(binary, Path(place)) as service:
                    figure.append(under_load(service, number, service.urls[scheme], version, options))


def under_load(service, number, url, version, options):
    """The restarts, and what the clients say in the end."""
    to = service.place / "download"
    with Curls(url) as curls, download(url, "20M", to) as client:
        wait_for(lambda: to.exists() and to.stat().st_size > 0, "the download begins")
        succeeded = 0
        for _ in range(number):
            load = subprocess.Popen(["h2load", *options, f"{url}/?load"],
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            logged = service.answered(version)
            wait_for(lambda logged=logged: service.answered(version) > logged, "h2load is answered", 30)
            service.restart()
            succeeded += successes(load.communicate(timeout=120)[0].decode(), version)
        expect_equal(client.communicate(timeout=300)[0].decode(), f"200 {BIG}", "what the download got")
        expect(to.read_bytes() == (service.site / "large").read_bytes(), "the download differs")
    expect(not curls.failures, f"of {curls.requests} requests of curl failed {curls.failures[:3]}")
    for process in service.ended:
        expect_equal(process.wait(timeout=130), 0, "the exit code of a process that was replaced")
    # The process that serves writes its last lines a moment later.
    wait_for(lambda: service.answered(version) >= succeeded, f"{succeeded} lines of the access log")
    expect_equal(service.answered(version), succeeded, "the number of requests that were answered, by the access log")
    return f"{succeeded} requests of h2load, {curls.requests} of curl"


def successes(said, version):
    """The number of requests of h2load that have succeeded. Over HTTP/2 the others were not sent."""
    told = re.search(r"(\d+) total.* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", said)
    expect(told, f"h2load says {said}")
    total, succeeded, failed, errored, timeout = map(int, told.groups())
    expect(succeeded + errored == total and failed == errored and timeout == 0, f"h2load says {told.group()}")
    expect(version == "HTTP/2.0" or errored == 0, f"h2load says {told.group()}")
    return succeeded


def failures(report, binary, place):
    """A newer process that cannot serve changes nothing."""
    broken = place / "broken"
    broken.write_text("#!/bin/sh\nkill -SEGV $$\n")
    broken.chmod(0o755)
    with Service(binary, place) as service:
        cases = [
            ("a binary that crashes", (), broken),
            ("a wrong option", ("--idle-timeout", "soon"), None),
            ("a missing certificate", ("--cert", place / "missing", "--key", place / "missing"), None),
            ("an address of another machine", ("--listen", "192.0.2.1:80"), None),
        ]
        for name, options, other in cases:
            with report.check(f"a newer process with {name} leaves the older one as it is"):
                with Curls(service.urls["http"]) as curls:
                    newer = service.start(*options, binary=other)
                    expect(newer.wait(timeout=30) != 0, "it has not failed")
                expect(service.current.poll() is None, "the older one has ended")
                expect(not curls.failures, f"curl: {curls.failures[:3]}")
        with report.check("a good one takes over behind them"):
            service.restart()
            expect_equal(service.ended[-1].wait(timeout=60), 0, "the exit code of the older one")
