"""Slow readers beside nginx, a server that is stopped, and downloads under a small memory limit."""

import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from harness import Server, expect, expect_equal, free_ports, random_file, run, wait_for, accepts

# Bytes a second, and for how long.
RATES = [2_000, 4_000, 10_000]
SECONDS = 120

# Much more than is read slowly; the rest comes at full speed.
LEN = 20 << 20

REQUEST = b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

# The server is stopped for so long, which is longer than most of its timeouts.
STOPPED = 60
WAITING = 600


def checks(report, binary):
    """All checks of this group."""
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        site = Path(place)
        random_file(site / "large", LEN)
        (site / "index.html").write_bytes(b"calm")
        slow_readers(report, binary, site)
        stopped(report, binary, site)
        small_memory(report, binary, site)
        small_windows(report, binary, site)


def slow_readers(report, binary, site):
    """Readers of a few kilobytes a second, of calmd in the clear and over TLS, and of nginx."""
    with Server(binary, site=site) as server, nginx(site) as port:
        readers = [SlowReader(f"{name}, {rate // 1000} KB/s", target, tls, rate)
                   for rate in RATES
                   for name, target, tls in [("calmd", server.port, False),
                                             ("calmd over TLS", server.tls_port, True),
                                             ("nginx", port, False)]]
        readers += [SlowReader("calmd, a pause", server.port, False, 0)]
        for reader in readers:
            reader.start()
        # What nginx does is told beside: its own timeout of 60 s may pass between two lumps of a window.
        for reader in [reader for reader in readers if reader.port == port]:
            reader.join()
            print(f"     {reader.name} for {SECONDS} s: {reader.total} bytes of {LEN}", flush=True)
        for reader in [reader for reader in readers if reader.port != port]:
            with report.check(f"slow reader for {SECONDS} s: {reader.name}: all of the file") as figure:
                reader.join()
                expect(reader.error is None, reader.error)
                figure.append(f"{reader.slowly} bytes slowly, {reader.total} in all")
                expect_equal(reader.total, LEN, "the length of the content")
        with report.check(f"curl --limit-rate 10k for {SECONDS} s is not cut off") as figure:
            process = subprocess.Popen(["curl", "-sS", "--limit-rate", "10k", "-o", "/dev/null",
                                        "-w", "%{size_download}", f"{server.http}/large"],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            try:
                process.wait(SECONDS)
                raise AssertionError(f"it ended: {process.stderr.read().decode()}")
            except subprocess.TimeoutExpired:
                figure.append("it goes on")
            finally:
                process.kill()
                process.wait()


class SlowReader(threading.Thread):
    """Reads a little every tenth of a second, or nothing, and then the rest."""

    def __init__(self, name, port, tls, rate):
        super().__init__()
        self.name, self.port, self.tls, self.rate = name, port, tls, rate
        self.error = None
        self.slowly = self.total = 0

    def run(self):
        try:
            self.read()
        except OSError as error:
            self.error = f"{error} after {self.total} bytes"

    def read(self):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
        connection.settimeout(SECONDS)
        connection.connect(("127.0.0.1", self.port))
        if self.tls:
            connection = insecure().wrap_socket(connection)
        connection.sendall(REQUEST)
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(1)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            if self.rate:
                self.slowly += len(connection.recv(self.rate // 10))
            time.sleep(0.1)
        self.total = self.slowly
        while part := connection.recv(1 << 16):
            self.total += len(part)


def insecure():
    """A context that trusts everybody."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def nginx(site):
    """An nginx that serves the site; yields its port."""
    expect(shutil.which("nginx"), "nginx is not on the PATH; .ci/run installs it")
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="calmd-nginx-") as place:
        site.chmod(0o755)
        configuration = Path(place) / "nginx.conf"
        configuration.write_text(
            f"daemon off; pid {place}/pid; error_log {place}/log; events {{}}\n"
            f"http {{ access_log off; server {{ listen 127.0.0.1:{port}; root {site}; }} }}\n")
        process = subprocess.Popen(["nginx", "-c", str(configuration), "-e", f"{place}/log"])
        try:
            wait_for(lambda: accepts(port), "nginx listens")
            yield port
        finally:
            process.terminate()
            process.wait()


def stopped(report, binary, site):
    """SIGSTOP for a minute: whoever asked meanwhile is served after SIGCONT."""
    with report.check(f"SIGSTOP for {STOPPED} s: {WAITING} requests that wait are served") as figure, \
            Server(binary, site=site) as server:
        connections = [socket.create_connection(("127.0.0.1", server.port), timeout=30)
                       for _ in range(WAITING)]
        # Half of them have asked before.
        for connection in connections[::2]:
            ask(connection)
            expect(answered(connection), "an answer before")
        server.signal(signal.SIGSTOP)
        for connection in connections:
            ask(connection)
        time.sleep(STOPPED)
        server.signal(signal.SIGCONT)
        served = sum(map(answered, connections))
        figure.append(f"{served} served")
        expect_equal(served, WAITING, "the number of those served")


def ask(connection):
    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")


def answered(connection):
    """True if a whole answer comes."""
    answer = b""
    try:
        while not answer.endswith(b"calm"):
            part = connection.recv(1 << 16)
            if not part:
                return False
            answer += part
    except OSError:
        return False
    return answer.startswith(b"HTTP/1.1 200 ")


def small_memory(report, binary, site):
    """64 clients of 20 downloads each, under a limit of 4 MiB."""
    with report.check("--memory-limit 4M: 64 clients of 20 downloads each, none fails") as figure, \
            Server(binary, site=site, options=("--memory-limit", "4M")) as server:
        (site / "megabyte").write_bytes(bytes(1 << 20))
        done = run("h2load", "-n", 1280, "-c", 64, "-m", 4, f"{server.https}/megabyte", timeout=180)
        figure.append(done.stdout.decode().split("requests: ")[1].split("\n")[0])
        expect("1280 succeeded, 0 failed" in figure[0], figure[0])
        figure.append(f"{server.pss() >> 10} KiB")


def small_windows(report, binary, site):
    """Windows that are far too small slow a response down, and do not end it."""
    with Server(binary, site=site) as server:
        (site / "page").write_bytes(bytes(2_000))
        for bits in 1, 4, 6, 9:
            with report.check(f"h2load -w {bits} gets a page of 2,000 bytes") as figure:
                done = run("h2load", "-n", 2, "-c", 1, "-w", bits, f"{server.http}/page", timeout=120)
                figure.append(done.stdout.decode().split("requests: ")[1].split("\n")[0])
                expect("2 succeeded, 0 failed" in figure[0], figure[0])
