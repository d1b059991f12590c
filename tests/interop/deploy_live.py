"""Deployments beneath clients that are being served, and servers that have few descriptors or little memory:
nobody gets a mixture of two releases, a stale page, or a 503."""

import hashlib
import os
import re
import socket
import ssl
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness import Server, expect, expect_equal, mib, random_file, run, wait_for
from reports_http2 import INITIAL_WINDOW_SIZE, Connection

# Descriptors that the server may have, and what comes all the same.
DESCRIPTORS = 1024
CONNECTIONS, ROUNDS = 1200, 5
STREAMS, HOLDERS = 100, 4

# Longer than what is kept in memory.
LEN = 300_000

# A file that is rewritten while it is sent, so fast that it takes seconds.
LARGE, RATE = 20_000_000, "8M"
REWRITES = 3

# A change is seen after 20 ms; this is the promise with what curl needs to start.
FRESH = 0.1
CHANGES = 20

CHECKOUTS = 20

# A container of the smallest kind.
CGROUP = Path("/sys/fs/cgroup")
CGROUP_BYTES = 16 << 20
CROWD = 64
# Each makes 64 KiB wait: nearly twice what there is.
STALLED = 450


class LimitedServer(Server):
    """A server that a shell has put under a limit before."""

    def __init__(self, limit, *arguments, **options):
        super().__init__(*arguments, **options)
        self.command = ["sh", "-ec", f'{limit}; exec "$@"', "sh", *self.command]


def few_descriptors(report, binary, place):
    """More connections than descriptors, and streams that hold files without reading them."""
    for number in range(STREAMS * HOLDERS + 100):
        (place / f"{number}.bin").write_bytes(number.to_bytes(4, "big") * (LEN // 4))
    with LimitedServer(f"ulimit -n {DESCRIPTORS}", binary, site=place, tls=False) as server:
        with report.check(f"ulimit -n {DESCRIPTORS}: {CONNECTIONS} connections with {ROUNDS} requests each, "
                          "none is 503") as figure:
            figure.append(crowd(server.port))
        with report.check(f"ulimit -n {DESCRIPTORS}: the log says for how many there is room, and who went") \
                as figure:
            found = [line for line in server.output().splitlines() if "limit of open files" in line]
            expect_equal(len(found), 1, f"the number of warnings in {server.output()[-2000:]}")
            gone = [line for line in server.output().splitlines() if "limit: " in line]
            expect(gone, "no line tells of those who had to go")
            figure += [found[0].split("] ")[-1], gone[0].split("] ")[-1]]
    with LimitedServer(f"ulimit -n {DESCRIPTORS}", binary, site=place, tls=False) as server, \
            ExitStack() as stack, \
            report.check(f"ulimit -n {DESCRIPTORS}: {STREAMS * HOLDERS} streams with window 0 hold files, others "
                         "are served") as figure:
        for holder in range(HOLDERS):
            connection = stack.enter_context(Connection(server.port, (INITIAL_WINDOW_SIZE, 0)))
            for index in range(STREAMS):
                connection.request(2 * index + 1, "GET", f"/{holder * STREAMS + index}.bin")
            for index in range(STREAMS):
                expect_equal(connection.status(2 * index + 1), 200, "the status of what waits")
        for number in range(STREAMS * HOLDERS, STREAMS * HOLDERS + 100):
            status, content = fetch(f"{server.http}/{number}.bin")
            expect_equal((status, content), (200, (place / f"{number}.bin").read_bytes()), f"/{number}.bin")
        figure.append(f"{server.descriptors()} descriptors")


def crowd(port):
    """A crowd's requests, on connections that are opened anew when they were closed."""
    connections, again, statuses = {}, 0, {}
    for turn in range(ROUNDS):
        for number in range(CONNECTIONS):
            for _ in range(3):
                connection = connections.get(number)
                if connection is None:
                    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
                    connections[number] = connection
                status = asked(connection, f"/{(number * 7 + turn) % (STREAMS * HOLDERS)}.bin")
                if status:
                    break
                # It was idle, and its place was needed.
                connection.close()
                connections[number] = None
                again += 1
            statuses[status] = statuses.get(status, 0) + 1
    for connection in connections.values():
        if connection:
            connection.close()
    expect_equal(statuses, {"200": CONNECTIONS * ROUNDS}, "the statuses")
    return f"{CONNECTIONS * ROUNDS} times 200, {again} connections opened again"


def asked(connection, path):
    """The status of a whole answer, or `None` where the connection has ended before."""
    answer = b""
    try:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        while b"\r\n\r\n" not in answer:
            part = connection.recv(1 << 16)
            if not part:
                expect(not answer, "an answer that ends in its head")
                return None
            answer += part
        head, _, content = answer.partition(b"\r\n\r\n")
        left = int(re.search(rb"content-length: (\d+)", head)[1]) - len(content)
        while left > 0:
            part = connection.recv(min(left, 1 << 18))
            expect(part, "an answer that is cut")
            left -= len(part)
        return head[9:12].decode()
    except (BrokenPipeError, ConnectionResetError):
        expect(not answer, "an answer that is cut")
        return None


def fetch(url, *options):
    """The status and the bytes of an answer."""
    status, content, _ = fetched(url, *options)
    return status, content


def fetched(url, *options):
    """The status, the bytes, and the exit code of curl, which is 0 where the answer is whole."""
    done = run("curl", "-sk", "--max-time", "30", *options, "-w", "\n%{http_code}", url)
    content, _, status = done.stdout.rpartition(b"\n")
    return int(status or 0), content, done.returncode


def rewritten_in_place(report, binary, place):
    """rsync --inplace while curl reads: what comes is one version, or is cut."""
    source, site = place / "source", place / "site"
    source.mkdir()
    site.mkdir()
    versions = [letter * LARGE for letter in (b"a", b"b")]
    digests = {hashlib.sha256(version).hexdigest() for version in versions}

    def deploy(version):
        (source / "large").write_bytes(versions[version])
        done = run("rsync", "-a", "--inplace", "--ignore-times", f"{source}/", site)
        expect_equal(done.returncode, 0, done.stderr.decode())

    with Server(binary, site=site) as server:
        for name, url, option in [("HTTP/1.1", server.http, "--http1.1"),
                                  ("HTTP/1.1 over TLS", server.https, "--http1.1"),
                                  ("HTTP/2 over TLS", server.https, "--http2"),
                                  ("HTTP/2", server.http, "--http2-prior-knowledge")]:
            with report.check(f"rsync --inplace while curl reads over {name}: never a whole answer of two "
                              "versions") as figure:
                whole = 0
                for attempt in range(REWRITES):
                    deploy(attempt % 2)
                    to = place / "download"
                    to.unlink(missing_ok=True)
                    with subprocess.Popen(["curl", "-sSk", option, "--limit-rate", RATE, "--max-time", "60",
                                           "-o", to, f"{url}/large"],
                                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as client:
                        wait_for(lambda: to.exists() and to.stat().st_size > LARGE // 50,
                                 "the download begins")
                        expect(client.poll() is None, "the download was over before the file was rewritten")
                        deploy((attempt + 1) % 2)
                        client.communicate(timeout=70)
                    one = hashlib.sha256(to.read_bytes()).hexdigest() in digests
                    expect(one or client.returncode != 0,
                           f"curl is content with {to.stat().st_size} bytes of both versions")
                    whole += one
                figure.append(f"{REWRITES - whole} cut, {whole} whole")
            with report.check(f"and then the new version comes over {name}"):
                expect_equal(fetch(f"{url}/large", option), (200, versions[REWRITES % 2]), "what comes")


def git_under_way(report, binary, place):
    """git moves a working tree while clients read from it."""
    def git(*arguments):
        done = run("git", "-c", "user.name=deploy", "-c", "user.email=deploy@localhost",
                   "-c", "init.defaultBranch=main", *arguments, cwd=place)
        expect_equal(done.returncode, 0, f"git {arguments[0]}: {done.stderr.decode()}")

    git("init", "-q")
    contents = {}
    for name in ("one", "two"):
        for size in 1_000, 200_000:
            contents[name, size] = (name * size).encode()
            (place / f"{size}.txt").write_bytes(contents[name, size])
        git("add", ".")
        git("commit", "-qm", name)
        git("tag", name)
    with Server(binary, site=place) as server, \
            report.check(f"git checkout, {CHECKOUTS} times, while two clients read: each answer is of one commit") \
            as figure:
        readers = [Reader(f"{server.http}/1000.txt", [contents[name, 1_000] for name in ("one", "two")]),
                   Reader(f"{server.https}/200000.txt", [contents[name, 200_000] for name in ("one", "two")])]
        for turn in range(CHECKOUTS):
            name = ("one", "two")[turn % 2]
            git("checkout", "-q", name)
            time.sleep(FRESH)
            for size, url in ((1_000, server.http), (200_000, server.https)):
                expect_equal(fetch(f"{url}/{size}.txt"), (200, contents[name, size]), "what comes afterwards")
        for reader in readers:
            figure.append(reader.result())


def kind(status, content, code, versions):
    """A word for an answer: a whole one has to be a version, or as much of it as git has written."""
    if status == 404:
        return "not there"
    if status != 200:
        return "wrong"
    if code != 0:
        # curl saw that bytes are missing, so nobody takes it for a file.
        return "cut" if len(content) < len(versions[0]) else "wrong"
    if content in versions:
        return "whole"
    return "begun" if any(version.startswith(content) for version in versions) else "wrong"


class Reader(threading.Thread):
    """Asks for a file over and over; every answer has to be one of the versions as it lies there."""

    def __init__(self, url, versions):
        super().__init__(daemon=True)
        self.url, self.versions = url, versions
        self.ended = threading.Event()
        self.seen, self.wrong = {}, []
        self.start()

    def run(self):
        while not self.ended.is_set():
            status, content, code = fetched(self.url)
            what = kind(status, content, code, self.versions)
            if what == "wrong":
                self.wrong.append((status, len(content), content[:20]))
            self.seen[what] = self.seen.get(what, 0) + 1

    def result(self):
        """The numbers of answers by kind; raises if one was wrong."""
        self.ended.set()
        self.join()
        expect(not self.wrong, f"{self.url}: {self.wrong[:5]}")
        expect(self.seen.get("whole"), f"{self.url}: {self.seen}")
        return ", ".join(f"{count} {what}" for what, count in self.seen.items())


def freshness(report, binary, place):
    """A page that is asked for all the time is new right after its change, and gone when it is gone."""
    page = place / "index.html"
    page.write_text("version 0")
    with Server(binary, site=place) as server:
        for name, url, option in [("HTTP/1.1", server.http, "--http1.1"), ("HTTP/2", server.https, "--http2")]:
            with report.check(f"{CHANGES} changes of a hot page over {name} are served after {FRESH * 1000:.0f} ms"):
                for change in range(CHANGES):
                    # Hot, and just looked at.
                    for _ in range(2):
                        expect_equal(fetch(f"{url}/", option)[0], 200, "the status")
                    # The same length and the same second: nothing but the content tells them apart.
                    beside = place / ".new"
                    beside.write_text(f"version {change % 10}")
                    os.replace(beside, page)
                    time.sleep(FRESH)
                    expect_equal(fetch(f"{url}/", option), (200, b"version %d" % (change % 10)),
                                 f"change {change}")
            with report.check(f"what is deleted is gone over {name} after {FRESH * 1000:.0f} ms"):
                for _ in range(CHANGES):
                    gone = place / "gone.css"
                    gone.write_text("body {}")
                    time.sleep(FRESH)
                    expect_equal(fetch(f"{url}/gone.css", option)[0], 200, "the status before")
                    gone.unlink()
                    time.sleep(FRESH)
                    expect_equal(fetch(f"{url}/gone.css", option)[0], 404, "the status behind")


@contextmanager
def stalled(port):
    """A download over TLS that is not read behind its begin, which is yielded: nothing where the server had
    no place for it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 10)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", port))
        with context.wrap_socket(connection) as reader:
            reader.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
            yield reader.recv(100)


@contextmanager
def memory_cgroup():
    """A cgroup of 16 MiB; yields what a shell does to enter it, and how to read its peak."""
    unified = (CGROUP / "cgroup.controllers").exists()
    directory = CGROUP / ("" if unified else "memory") / f"calmd-interop-{os.getpid()}"
    directory.mkdir()
    try:
        limit = "memory.max" if unified else "memory.limit_in_bytes"
        (directory / limit).write_text(str(CGROUP_BYTES))
        peak = directory / ("memory.peak" if unified else "memory.max_usage_in_bytes")
        yield f"echo $$ > {directory}/cgroup.procs", lambda: int(peak.read_text())
    finally:
        directory.rmdir()


def small_container(report, binary, place):
    """A cgroup of 16 MiB, and the memory limit that the server has by itself."""
    random_file(place / "megabyte", 1 << 20)
    random_file(place / "large", LARGE)
    with memory_cgroup() as (enter, peak), \
            LimitedServer(enter, binary, site=place, options=("--demo",)) as server, ExitStack() as stack:
        with report.check(f"a cgroup of {mib(CGROUP_BYTES)}: {STALLED} readers over TLS that do not go on end "
                          "nobody but themselves") as figure:
            begun = 0
            for _ in range(STALLED):
                begun += stack.enter_context(stalled(server.tls_port)).startswith(b"HTTP/1.1 200")
                expect(server.process.poll() is None, f"the server ended: {server.process.returncode}")
            figure.append(f"{begun} were answered, {mib(peak())} at most, {mib(server.anonymous())} anonymous")
            expect(begun >= STALLED // 2, f"{begun} of {STALLED} were answered")
            expect("control group" in server.output(), "the log does not tell of the group's limit")
        with report.check(f"a cgroup of {mib(CGROUP_BYTES)}: {CROWD} clients of 20 downloads each, none fails") \
                as figure:
            done = run("h2load", "-n", CROWD * 20, "-c", CROWD, "-m", 4, f"{server.https}/megabyte", timeout=300)
            figure.append(done.stdout.decode().split("requests: ")[1].split("\n")[0])
            expect(f"{CROWD * 20} succeeded, 0 failed" in figure[0], figure[0])
            figure.append(f"{mib(peak())} at most, {mib(server.anonymous())} anonymous")
        with report.check(f"a cgroup of {mib(CGROUP_BYTES)}: {CROWD} uploads of a megabyte at once, none fails") \
                as figure:
            done = run("h2load", "-n", CROWD, "-c", CROWD, "-d", place / "megabyte", f"{server.https}/echo",
                       timeout=300)
            figure.append(done.stdout.decode().split("requests: ")[1].split("\n")[0])
            expect(f"{CROWD} succeeded, 0 failed" in figure[0], figure[0])
            figure.append(f"{mib(peak())} at most")
        stack.close()
        with report.check("it is still the same process, and ends with exit code 0"):
            expect_equal(server.terminate(), 0, "the exit code")


PARTS = [few_descriptors, rewritten_in_place, git_under_way, freshness, small_container]
