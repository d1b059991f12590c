"""HAProxy in front of two and three servers: whose requests the log has, health checks, restarts under load.

HAProxy does what an operator's would: it checks the health of each server, sends nothing to one that says that it
stops, and retries no request that a server has lost.
"""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cable import namespace
from harness import expect, expect_equal, free_ports, run, wait_for

# Requests of a load, at least: it goes on until each server has restarted.
REQUESTS = 5_000
MANY_REQUESTS = 100_000

# Requests of one h2load of a load, and its clients. It connects anew behind `connection: close` unless it sends at a
# given rate, so there is none.
BATCH, CLIENTS = 1_000, 8

# From SIGTERM until then a server serves on while its checks fail. HAProxy looks every 100 ms, and believes the
# second failure.
DRAIN_DELAY = "600ms"

# An address of this machine that no process but curl uses.
CLIENT = "127.0.0.5"

PAGE = "x" * 2000

# The oldest that connections become in one of the checks, in seconds.
AGE = 1


class Way:
    """A way from HAProxy to its servers."""

    def __init__(self, name, mode, bind, server, check, load, listen, curl):
        self.name, self.mode, self.bind, self.server, self.check = name, mode, bind, server, check
        self.load, self.listen, self.curl = load, listen, curl

    @property
    def scheme(self):
        return "https" if self.mode == "tcp" else "http"


# Checks go to the listener for metrics, or by the way of requests. That of HTTP/2 in the clear asks for HTTP/2 in
# front as well, because HAProxy writes no reason phrase behind an HTTP/2 server, which h2load takes for a failure.
READY = "/readyz"
HEALTH = "/healthz"
WAYS = [
    Way("HTTP/1.1 with PROXY v1", "http", "", "send-proxy check-send-proxy", HEALTH, ["--h1"], "listen", ["--http1.1"]),
    Way("HTTP/2 in the clear with PROXY v2", "http", "proto h2", "proto h2 check-proto h1 send-proxy-v2", READY,
        ["-m", "4"], "listen", ["--http2-prior-knowledge"]),
    Way("TLS that passes through, with PROXY v2", "tcp", "", "send-proxy-v2", READY, ["--h1"], "listen-tls",
        ["--http2"]),
    Way("a Unix socket with PROXY v2", "http", "", "send-proxy-v2", READY, ["--h1"], "unix", ["--http1.1"]),
]

# Without PROXY headers, which make a connection the client's own, HAProxy uses connections again for other clients.
POOLED = Way("HTTP/2 in the clear", "http", "proto h2", "proto h2 check-proto h1", READY, ["-m", "4"], "listen",
             ["--http2-prior-knowledge"])
TRUSTED = Way("HTTP/1.1 with fields", "http", "", "", READY, ["--h1"], "listen", ["--http1.1"])


def checks(report, binary):
    """All checks of this group."""
    all_checks(report, binary, REQUESTS)


def long_checks(report, binary):
    """More requests."""
    all_checks(report, binary, MANY_REQUESTS)


def all_checks(report, binary, requests):
    for way in WAYS:
        with report.check(f"{requests} requests and more through HAProxy over {way.name}, while one of two servers restarts "
                          "again and again: none fails, the log has the client") as figure, \
                balanced(binary, way, 2) as group:
            names_the_client(group)
            figure.append(restarts_under_load(group, requests))
    with report.check("HAProxy's X-Forwarded-For and X-Request-Id are believed by --trusted-proxy"), \
            balanced(binary, TRUSTED, 1, ("--trusted-proxy", "127.0.0.1", "--request-id", "log")) as group:
        believes_fields(group)
    with report.check(f"{requests} requests and more while connections end at an age of a second: GOAWAY in two steps, "
                      "and none fails") as figure, \
            balanced(binary, POOLED, 2, ("--max-connection-age", f"{AGE}s")) as group:
        figure.append(ages_under_load(group, requests))
    with report.check(f"{requests} requests and more while three servers, each in a network of its own, restart one after "
                      "another: none fails") as figure, networks(3) as (hub, places), \
            balanced(binary, WAYS[0], 3, hub=hub, places=places) as group:
        figure.append(restarts_under_load(group, requests))


class Host:
    """The network that a process runs in: this machine's, or one of its own."""

    def __init__(self, address="127.0.0.1", space=None):
        self.address, self.space = address, space

    def command(self, *command):
        """The command that runs this one there."""
        command = [str(part) for part in command]
        return self.space.command(*command) if self.space else command


class Backend:
    """A server behind HAProxy, that is started again and again."""

    def __init__(self, binary, way, place, host, options):
        self.place, self.host, self.way = place, host, way
        place.mkdir()
        self.port, self.ready_port = free_ports(2)
        self.socket, self.metrics_socket = place / "socket", place / "metrics"
        self.log = place / "access"
        own = "unix" if way.listen == "unix" else "127.0.0.0/8" if host.space is None else "198.51.100.0/24"
        introduced = f",proxy={own}" if "send-proxy" in way.server else ""
        listener = {
            "listen": ["--listen", f"{host.address}:{self.port}{introduced}"],
            "listen-tls": ["--listen-tls", f"{host.address}:{self.port}{introduced}"],
            "unix": ["--listen", f"unix:{self.socket}{introduced}"],
        }[way.listen]
        self.command = [binary, place.parent / "site", *listener, "--metrics", f"{host.address}:{self.ready_port}",
                        "--metrics", f"unix:{self.metrics_socket}", "--health", HEALTH, "--drain-delay", DRAIN_DELAY,
                        "--access-log", self.log, "--log-format", "json", *options]
        self.process, self.starts, self.counted = None, 0, {}
        self.messages = place / "messages"

    @property
    def target(self):
        """Its address, as HAProxy's configuration has it, with that of its health checks."""
        address = f"unix@{self.socket}" if self.way.listen == "unix" else f"{self.host.address}:{self.port}"
        own_port = f"addr {self.host.address} port {self.ready_port} " if self.way.check == READY else ""
        return f"{address} {self.way.server} check {own_port}"

    def start(self):
        """Starts it, and waits until it serves."""
        self.starts += 1
        with open(self.messages, "ab") as messages:
            self.process = subprocess.Popen(
                self.host.command(*self.command), stdin=subprocess.DEVNULL, stdout=messages, stderr=messages,
                env={**os.environ, "STATE_DIRECTORY": str(self.place / "certs")})
        wait_for(lambda: self.said().count(" serves ") >= self.starts or self.process.poll() is not None,
                 "a server serves", 30)
        expect(self.process.poll() is None, f"a server has ended: {self.said()[-500:]}")

    def said(self):
        """The messages of all its processes."""
        return self.messages.read_text(errors="replace")

    def stop(self):
        """Ends it as an operator does."""
        self.count()
        self.process.send_signal(signal.SIGTERM)
        expect_equal(self.process.wait(60), 0, "the exit code of a server")

    def count(self):
        """Adds the counts of the process that is about to end to those before."""
        for name, value in self.metrics():
            self.counted[name] = self.counted.get(name, 0) + value

    def metrics(self):
        """The counts of connections, requests and GOAWAY frames."""
        with socket.socket(socket.AF_UNIX) as scraper:
            scraper.connect(str(self.metrics_socket))
            scraper.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            text = b"".join(iter(lambda: scraper.recv(1 << 16), b"")).decode()
        for name in "calmd_connections_accepted_total", "calmd_http_requests_total", "calmd_h2_goaways_total":
            for labels, value in re.findall(rf"^{name}(\S*) (\S+)$", text, re.MULTILINE):
                if 'by="peer"' not in labels:
                    yield name.split("_")[-2], float(value)

    def lines(self):
        """The lines of its access log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


class Group:
    """HAProxy and its servers."""

    def __init__(self, binary, way, place, hub, places, options):
        self.way, self.place, self.hub = way, place, hub
        (place / "site").mkdir()
        (place / "site/index.html").write_text(PAGE)
        self.backends = [Backend(binary, way, place / f"s{number}", host, options)
                         for number, host in enumerate(places)]
        (self.port,) = free_ports(1)
        self.control = place / "haproxy.sock"
        self.haproxy = None

    @property
    def url(self):
        return f"{self.way.scheme}://127.0.0.1:{self.port}/"

    def configuration(self):
        """HAProxy's configuration file. It has no `retry-on`: a request that a server loses is lost."""
        servers = "\n".join(f"    server s{number} {backend.target}" for number, backend in enumerate(self.backends))
        fields = "" if self.way is not TRUSTED else \
            "    option forwardfor\n    http-request set-header X-Request-Id from-haproxy.%[rand(1000000)]\n"
        return f"""
global
    stats socket {self.control} level admin
    maxconn 500
defaults
    mode {self.way.mode}
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    option redispatch
frontend front
    bind 127.0.0.1:{self.port} {self.way.bind}
    default_backend back
backend back
    balance roundrobin
    option httpchk
    http-check send meth GET uri {self.way.check} ver HTTP/1.1 hdr host localhost
    default-server inter 100ms fastinter 100ms downinter 100ms fall 2 rise 1
{fields}{servers}
"""

    def __enter__(self):
        for backend in self.backends:
            backend.start()
        path = self.place / "haproxy.cfg"
        path.write_text(self.configuration())
        with open(self.place / "haproxy.log", "wb") as log:
            self.haproxy = subprocess.Popen(self.hub.command("haproxy", "-f", path), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        wait_for(lambda: self.control.exists() or self.haproxy.poll() is not None, "HAProxy runs")
        expect(self.haproxy.poll() is None, f"HAProxy: {(self.place / 'haproxy.log').read_text()}")
        for number in range(len(self.backends)):
            self.await_state(number, "UP")
        return self

    def __exit__(self, *_):
        for process in [self.haproxy, *(backend.process for backend in self.backends)]:
            if process is not None:
                process.kill()
                process.wait()

    def stat(self):
        """HAProxy's rows of statistics, by their names."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.control))
            client.sendall(b"show stat\n")
            text = b"".join(iter(lambda: client.recv(1 << 16), b"")).decode()
        head, *rows = [line.split(",") for line in text.removeprefix("# ").splitlines() if line]
        return {row[1]: dict(zip(head, row)) for row in rows}

    def await_state(self, number, state):
        """Waits until HAProxy's checks have seen the state of a server: it says UP from the start."""
        def is_so():
            row = self.stat()[f"s{number}"]
            return row["status"] == state and row["check_status"] not in ("", "INI")
        wait_for(is_so, f"HAProxy finds s{number} {state}", 20)

    def restart(self, number):
        """Restarts a server; the next one can follow, because HAProxy has seen this one serve again."""
        self.backends[number].stop()
        self.await_state(number, "DOWN")
        self.backends[number].start()
        self.await_state(number, "UP")

    def counts(self):
        """Connections, requests and GOAWAY frames of all servers, since the start of each."""
        for backend in self.backends:
            backend.count()
        names = {name for backend in self.backends for name in backend.counted}
        return {name: int(sum(backend.counted.get(name, 0) for backend in self.backends)) for name in names}


@contextmanager
def balanced(binary, way, number, options=(), hub=None, places=None):
    """HAProxy in front of a number of servers."""
    with tempfile.TemporaryDirectory(prefix="calmd-balancer-") as place, \
            Group(binary, way, Path(place), hub or Host(), places or [Host()] * number, options) as group:
        yield group


@contextmanager
def networks(number):
    """A network for HAProxy, and one behind a cable for each server. All processes know it as 127.0.0.1 there, and
    HAProxy alone reaches the others."""
    with ExitStack() as stack:
        hub = stack.enter_context(namespace())
        hub.ip("link", "set", "lo", "up")
        places = []
        for other in range(number):
            space = stack.enter_context(namespace(hub))
            near, far = f"198.51.100.{4 * other + 1}", f"198.51.100.{4 * other + 2}"
            hub.ip("link", "add", f"v{other}", "type", "veth", "peer", "name", "far", "netns", str(space.process.pid))
            for end, name, address in (hub, f"v{other}", near), (space, "far", far):
                end.ip("address", "add", f"{address}/30", "dev", name)
                end.ip("link", "set", name, "up")
            places.append(Host(far, space))
        yield Host(space=hub), places


def names_the_client(group):
    """The log has curl's address, and the version that it spoke with whom it reached."""
    done = run("curl", "-sSk", "--fail", "--interface", CLIENT, *group.way.curl, "-w", "%{http_version}", group.url)
    version = "2" if "--http1.1" not in group.way.curl else "1.1"
    expect_equal(done.stdout.decode(), PAGE + version, f"the answer ({done.stderr.decode()})")
    def lines():
        return [line for backend in group.backends for line in backend.lines() if line["remote"] == CLIENT]
    (line,) = wait_for(lines, "a line of the log with the client's address")
    expect_equal((line["version"], line["status"]), ("HTTP/2.0" if version == "2" else "HTTP/1.1", 200), "the line")


def believes_fields(group):
    """The client's address and the identifier of its request are HAProxy's words."""
    run("curl", "-sS", "--fail", "--interface", CLIENT, "-H", "X-Forwarded-For: 192.0.2.66", group.url)
    (line,) = wait_for(group.backends[0].lines, "a line of the log")
    expect_equal(line["remote"], CLIENT, "the address in the log")
    expect(line["request_id"].startswith("from-haproxy."), f"the identifier is {line['request_id']}")


class Load:
    """h2load again and again, until there were enough requests and nothing else is to happen under them."""

    def __init__(self, group, requests):
        self.command = group.hub.command("h2load", "-n", BATCH, "-c", CLIENTS, *group.way.load, group.url)
        self.requests, self.done, self.failures = requests, 0, []
        self.may_end = threading.Event()
        self.thread = threading.Thread(target=self.loop)

    def loop(self):
        while self.is_short() or not self.may_end.is_set():
            said = run(*self.command, timeout=120).stdout.decode()
            self.done += BATCH
            whole = f"{BATCH} total, {BATCH} started, {BATCH} done, {BATCH} succeeded, 0 failed, 0 errored, 0 timeout"
            if whole not in said or f"status codes: {BATCH} 2xx" not in said:
                self.failures.append(" ".join(re.findall(r"^requests:.*|^status codes:.*", said, re.MULTILINE)) or said)

    def is_short(self):
        """True while there were too few requests."""
        return self.done < self.requests and not self.failures

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.may_end.set()
        self.thread.join()
        expect(not self.failures, f"h2load says {self.failures[:2]}")


def restarts_under_load(group, requests):
    """A load during which one server after another restarts, each once at least."""
    done = 0
    with Load(group, requests) as load:
        while done < len(group.backends) or load.is_short():
            group.restart(done % len(group.backends))
            done += 1
    if group.way.mode == "http":
        row = group.stat()["BACKEND"]
        expect_equal((row["hrsp_5xx"], row["eresp"]), ("0", "0"), "responses that HAProxy missed")
    counts = group.counts()
    return f"{done} restarts, {load.done} requests, {counts['accepted']} connections to the servers"


def ages_under_load(group, requests):
    """A load during which connections grow old and are replaced."""
    with Load(group, requests):
        time.sleep(3 * AGE)
    counts = group.counts()
    # In two steps for each connection that has ended, and a connection has many requests.
    expect(counts["goaways"] >= 4, f"{counts}: no connection has ended for its age")
    expect(counts["accepted"] < counts["requests"] / 20, f"{counts}: connections are not used again")
    return f"{counts['requests']} requests on {counts['accepted']} connections, {counts['goaways']} GOAWAY frames"
