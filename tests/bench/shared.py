"""Helpers of the benchmarks: the rows, a server that is measured, its files, h2load."""

import os
import re
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Different ones, where there are two.
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = str(CORES[0]), str(CORES[-1])


class Row:
    """One measured situation: h2load's arguments, and the unit of the figure."""

    def __init__(self, name, tls, path, requests, clients, streams, unit, extra=()):
        self.name, self.tls, self.path = name, tls, path
        self.requests, self.clients, self.streams = requests, clients, streams
        self.unit, self.extra = unit, list(extra)


SIZES = {"1k": 1024, "100k": 100_000, "10m": 10_000_000}
ROWS = [
    Row("h2c 1k 100x32", False, "/1k", 600_000, 100, 32, "request"),
    Row("tls 1k 100x32", True, "/1k", 600_000, 100, 32, "request"),
    Row("tls 1k 100x1", True, "/1k", 100_000, 100, 1, "request"),
    Row("h1 1k 100", False, "/1k", 150_000, 100, 1, "request", ["--h1"]),
    Row("h2c 100k", False, "/100k", 30_000, 10, 10, "GB"),
    Row("tls 100k", True, "/100k", 20_000, 10, 10, "GB"),
    Row("h2c 10m", False, "/10m", 400, 4, 4, "GB"),
    Row("tls 10m", True, "/10m", 300, 4, 4, "GB"),
]


def run(command, **options):
    return subprocess.run(command, check=True, text=True, capture_output=True, **options)


class Server:
    """A running server: its processes' CPU time and memory."""

    def __init__(self, name, command, env=None, output=subprocess.DEVNULL):
        self.name = name
        self.process = subprocess.Popen(
            ["taskset", "-c", SERVER_CORE, *command],
            stdout=output, stderr=subprocess.DEVNULL, env=env, start_new_session=True)

    def pids(self):
        found, queue = [], [self.process.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                queue += [int(child) for child in children.read_text().split()]
        return found

    def cpu(self):
        """User and system time so far, in seconds, from the scheduler's nanoseconds."""
        total = 0
        for pid in self.pids():
            for stat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                total += int(stat.read_text().split()[0])
        return total / 1e9

    def pss(self):
        """Proportional set size in KiB."""
        total = 0
        for pid in self.pids():
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))
        return total

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


def prepare(directory):
    """The files, and a certificate for localhost."""
    site = directory / "site"
    site.mkdir()
    for name, size in SIZES.items():
        (site / name).write_bytes(os.urandom(size))
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "30",
         "-subj", "/CN=localhost"], cwd=directory)
    (directory / "both.pem").write_text(
        (directory / "key.pem").read_text() + (directory / "cert.pem").read_text())
    # Workers drop to another user.
    for path in [directory, site, *directory.iterdir(), *site.iterdir()]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def start_calmd(d, plain, tls, before=(), options=(), env=None, binary=ROOT / "target/release/calmd",
                output=subprocess.DEVNULL):
    """calmd on the given ports, run under the command `before`."""
    return Server("calmd", [
        *before, str(binary), str(d / "site"), "--cert", str(d / "cert.pem"),
        "--key", str(d / "key.pem"), "--listen", f"127.0.0.1:{plain}",
        "--listen-tls", f"127.0.0.1:{tls}", *options], env, output)


def insist_on_tls_13(text):
    """Refuses a run of h2load in another version: a session of TLS 1.2 is resumed without a key exchange, and one of
    TLS 1.3 with one, so that their times say nothing of each other."""
    version = re.search(r"TLS Protocol: (\S+)", text)
    if not version or version.group(1) != "TLSv1.3":
        raise ValueError(f"TLS 1.3 was not spoken, but {version and version.group(1)}")


def h2load(row, port, requests, told=(), status="2xx"):
    """Sends the requests, which must all be answered with the status. `told` may name the URLs."""
    scheme = "https" if row.tls else "http"
    paths = [row.path] if isinstance(row.path, str) else row.path
    urls = [] if "-i" in told else [f"{scheme}://127.0.0.1:{port}{path}" for path in paths]
    command = ["taskset", "-c", CLIENT_CORE, "h2load", "-n", str(requests), "-c",
               str(row.clients), "-m", str(row.streams), *row.extra, *told, *urls]
    text = run(command).stdout
    answered = int(re.search(rf"status codes:.*?(\d+) {status}", text).group(1))
    errored = int(re.search(r"(\d+) errored", text).group(1))
    if errored or answered != requests:
        raise ValueError(f"{answered} of {requests} were answered with {status}, {errored} failed")
    if row.tls:
        insist_on_tls_13(text)
    headers = re.search(r"traffic: .*? headers \((\d+)\)|, [\d.]+[KMG]?B \((\d+)\) headers", text)
    return int(next(g for g in headers.groups() if g)) / requests
