"""Helpers of all checks: the report, a server of its own for each, and its memory."""

import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

# A shell that runs this in the background has it ignored, and the clients that are ended by it would
# inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parents[2]

# The directory for what is worth looking at: screenshots.
KEPT = REPOSITORY / "target/interop"

TOOLS = ["nghttp", "h2load", "curl", "chromium", "slowhttptest", "testssl", "ip", "haproxy", "java", "node",
         "wget", "lftp", "zsync", "zckdl", "createrepo_c", "prometheus", "promtool"]

# Descriptors for 2,000 connections on either side, and some more.
DESCRIPTORS = 4096


class Report:
    """Counts the checks and prints one line for each."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def fail(self, name, error):
        """Counts and prints a failure."""
        self.failed += 1
        reason = " ".join(str(error).split()) or type(error).__name__
        print(f"FAIL {name}: {reason[:1000]}", flush=True)

    @contextmanager
    def check(self, name):
        """A check: fails by any exception. What is appended to the list that it yields is printed
        beside the name, as the figure that was measured."""
        figures = []
        try:
            yield figures
        except Exception as error:  # a check that breaks in whatever way has failed
            self.fail(name, error)
        else:
            self.passed += 1
            figure = f": {', '.join(figures)}" if figures else ""
            print(f"ok   {name}{figure}", flush=True)


def require_tools(report):
    """A client that is missing is a failure that names it, never a check left out."""
    for tool in TOOLS:
        with report.check(f"{tool} is installed") as figure:
            path = shutil.which(tool)
            expect(path, f"{tool} is not on the PATH; .ci/run installs it")
            figure.append(path)


def expect(condition, message):
    """Ends the check unless the condition holds."""
    if not condition:
        raise AssertionError(message)


def expect_equal(actual, expected, what):
    """Ends the check unless both are the same."""
    expect(actual == expected, f"{what} is {actual!r}, not {expected!r}")


def run(*command, timeout=60, **options):
    """Runs a client to its end, within a time."""
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([str(part) for part in command], capture_output=True, timeout=timeout,
                          check=False, **options)


def free_ports(count):
    """Ports that nobody listens on, in IPv4 nor IPv6."""
    sockets = []
    try:
        for _ in range(count):
            listener = socket.socket(socket.AF_INET6)
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.bind(("::", 0))
            sockets.append(listener)
        return [listener.getsockname()[1] for listener in sockets]
    finally:
        for listener in sockets:
            listener.close()


def wait_for(condition, what, seconds=10.0):
    """Waits until the condition holds; returns its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds:g} s")


def accepts(port):
    """True if a process listens on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class Server:
    """A calmd of one's own, on free ports, in a directory of its own; ends with the `with` block."""

    def __init__(self, binary, site=None, options=(), tls=True, environment=None):
        self.place = Path(tempfile.mkdtemp(prefix="calmd-interop-"))
        self.site = site or REPOSITORY / "public"
        self.port, self.tls_port = free_ports(2)
        self.ports = [self.port, self.tls_port] if tls else [self.port]
        self.command = [str(binary), str(self.site), "--listen", f":{self.port}"]
        if tls:
            self.command += ["--listen-tls", f":{self.tls_port}"]
        self.command += [str(option) for option in options]
        # Certificates are made in this place.
        self.environment = {"STATE_DIRECTORY": str(self.place / "certs"), **(environment or {})}
        self.output_path = self.place / "output"
        self.process = None

    @property
    def http(self):
        return f"http://localhost:{self.port}"

    @property
    def https(self):
        return f"https://localhost:{self.tls_port}"

    def port_of(self, scheme):
        """The port that it listens on for http or https."""
        return {"http": self.port, "https": self.tls_port}[scheme]

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        """Starts it, or after its end starts it again in the same place."""
        with open(self.output_path, "wb") as output:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                cwd=self.place, env={**os.environ, **self.environment},
                preexec_fn=raise_descriptor_limit)
        wait_for(lambda: self.process.poll() is not None or self.listens(), "the server listens")
        expect(self.process.poll() is None,
               f"the server ended with {self.process.returncode}: {self.output()}")

    def listens(self):
        """True if it has begun to."""
        return all(map(accepts, self.ports))

    def __exit__(self, *_):
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
        shutil.rmtree(self.place, ignore_errors=True)

    def output(self):
        """The server's output so far, of both streams."""
        return self.output_path.read_text(errors="replace")

    def signal(self, number):
        """Sends it a signal."""
        self.process.send_signal(number)

    def ends(self, seconds):
        """Its exit code, once it has ended by itself."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server still runs after {seconds:g} s") from None

    def terminate(self, seconds=10):
        """Ends it as an operator does; its exit code."""
        self.signal(signal.SIGTERM)
        return self.ends(seconds)

    def pss(self):
        """Its share of memory in bytes."""
        return self._proc_value("smaps_rollup", "Pss:")

    def anonymous(self):
        """Its memory that is no file's, in bytes: what connections take is all there."""
        return self._proc_value("smaps_rollup", "Anonymous:")

    def descriptors(self):
        """Number of descriptors that it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def peak_rss(self):
        """The most memory that it has had resident since `reset_peak`, in bytes."""
        return self._proc_value("status", "VmHWM:")

    def reset_peak(self):
        """Starts to count the peak anew."""
        (Path("/proc") / str(self.process.pid) / "clear_refs").write_text("5")

    def _proc_value(self, file, label):
        path = Path("/proc") / str(self.process.pid) / file
        for line in path.read_text().splitlines():
            if line.startswith(label):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"{path} has no {label}")


def raise_descriptor_limit():
    """As many descriptors as the checks need, where the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < DESCRIPTORS:
        wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def random_file(path, size):
    """A file that nothing can compress away."""
    with open(path, "wb") as file:
        while size > 0:
            part = min(size, 1 << 20)
            file.write(os.urandom(part))
            size -= part
    return path


def mib(size):
    """A size for people."""
    return f"{size / (1 << 20):.2f} MiB"
