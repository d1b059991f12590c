"""Signals: draining, reloading certificates, reopening logs; and what the access log holds."""

import http.client
import json
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

from harness import (Server, accepts, expect, expect_equal, random_file, run, wait_for)

COMBINED = re.compile(r'(127\.0\.0\.1|::1) - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] '
                      r'"(\S+) (\S+) (HTTP/[\d.]+)" (\d{3}) (\d+) "[^"]*" "[^"]*"')

# Seconds that an act of a second or two may take on a busy machine. The other outcome is far longer:
# without a limit of its own a download of 20 MB at 100 KB/s would take the 30 s of the drain
# timeout.
LATE = 10


def checks(report, binary):
    """All checks of this group."""
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        place = Path(place)
        site = place / "site"
        site.mkdir()
        random_file(site / "large", 20_000_000)
        (site / "index.html").write_text("small")
        draining(report, binary, site)
        reloading(report, binary, site, place)
    logs(report, binary)


def download(url, rate, to):
    """A download at this rate, while other things happen."""
    return subprocess.Popen(
        ["curl", "-sSk", "--max-time", "60", "--limit-rate", rate, "-o", str(to),
         "-w", "%{http_code} %{size_download}", f"{url}/large"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def under_way(server, to):
    """Waits until the first bytes of a download have come."""
    wait_for(lambda: to.exists() and to.stat().st_size > 0, "the download begins")
    expect(server.process.poll() is None, f"the server has ended: {server.output()}")


def draining(report, binary, site):
    """SIGTERM and SIGINT let what is under way finish, up to a time; a second one does not."""
    for number, tls in [(signal.SIGTERM, True), (signal.SIGTERM, False), (signal.SIGINT, True)]:
        over = "HTTP/2 over TLS" if tls else "HTTP/1.1"
        with report.check(f"{number.name}: a response over {over} is finished, nothing new is "
                          "accepted, exit code 0"):
            with Server(binary, site=site) as server:
                to = server.place / "download"
                with download(server.https if tls else server.http, "8M", to) as client:
                    under_way(server, to)
                    server.signal(number)
                    wait_for(lambda: not accepts(server.port), "new connections are refused", LATE)
                    said = client.communicate(timeout=30)[0].decode()
                expect_equal(said, "200 20000000", "what the client got")
                expect_equal(server.ends(LATE), 0, "the exit code")
    with report.check("--drain-timeout 1s cuts what takes longer, exit code 0") as figure:
        with Server(binary, site=site, options=("--drain-timeout", "1s")) as server:
            seconds = ended_within(server, 1, LATE)
            figure.append(f"{seconds:.1f} s")
            expect(seconds >= 0.9, f"it was cut after {seconds:.1f} s already")
            expect_equal(server.process.returncode, 0, "the exit code")
    with report.check("a second SIGTERM ends it at once") as figure:
        with Server(binary, site=site) as server:
            figure.append(f"{ended_within(server, 2, LATE):.1f} s")


def ended_within(server, signals, seconds):
    """Time that the server took to end during a slow download after a number of SIGTERM."""
    to = server.place / "download"
    with download(server.https, "100K", to) as client:
        try:
            under_way(server, to)
            start = time.monotonic()
            server.signal(signal.SIGTERM)
            for _ in range(signals - 1):
                time.sleep(0.3)
                expect(server.process.poll() is None, "it did not wait for the download")
                server.signal(signal.SIGTERM)
            server.ends(seconds)
            return time.monotonic() - start
        finally:
            client.kill()


def reloading(report, binary, site, place):
    """SIGHUP: a new certificate for new connections; a bad one changes nothing."""
    pairs = []
    for _ in range(2):
        with Server(binary, site=site) as server:
            kept = place / f"certs{len(pairs)}"
            shutil.copytree(server.place / "certs", kept)
            pairs.append(kept)
    chain, key = place / "chain.pem", place / "key.pem"

    def install(pair):
        shutil.copy(pair / "localhost.pem", chain)
        shutil.copy(pair / "localhost.key", key)

    install(pairs[0])
    with Server(binary, site=site, options=("--cert", chain, "--key", key)) as server:
        def served():
            return ssl.get_server_certificate(("127.0.0.1", server.tls_port), timeout=5).strip()

        def expected(pair):
            text = (pair / "localhost.pem").read_text()
            return text[text.index("-----BEGIN"):].strip()

        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        old = http.client.HTTPSConnection("127.0.0.1", server.tls_port, timeout=5, context=context)
        with report.check("--cert and --key are served"):
            old.request("GET", "/")
            expect_equal(old.getresponse().read(), b"small", "the content")
            expect_equal(served(), expected(pairs[0]), "the certificate")
        with report.check("SIGHUP serves the new certificate, and old connections go on"):
            install(pairs[1])
            server.signal(signal.SIGHUP)
            wait_for(lambda: served() == expected(pairs[1]), "the new certificate is served", LATE)
            old.request("GET", "/")
            expect_equal(old.getresponse().read(), b"small", "the content")
        with report.check("SIGHUP with a bad pair keeps the old one and says so"):
            shutil.copy(pairs[0] / "localhost.key", key)
            server.signal(signal.SIGHUP)
            wait_for(lambda: "does not belong to" in server.output(), "the message", LATE)
            expect_equal(served(), expected(pairs[1]), "the certificate")
        old.close()


def logs(report, binary):
    """The access log in both forms, and SIGUSR1."""
    with Server(binary, options=("--access-log", "access.log")) as server:
        log, moved = server.place / "access.log", server.place / "access.log.1"
        size = (server.site / "style.css").stat().st_size
        with report.check("--access-log has a line in the combined format within seconds") \
                as figure:
            run("curl", "-sSk", "--http2", "-o", "/dev/null", f"{server.https}/style.css?one")
            wait_for(lambda: log.stat().st_size > 0, "the line is written", LATE)
            line = log.read_text().splitlines()[0]
            fields = COMBINED.fullmatch(line)
            expect(fields, f"{line!r} is not in the combined format")
            expect_equal(fields.groups()[1:],
                         ("GET", "/style.css?one", "HTTP/2.0", "200", str(size)), "the line")
            figure.append(line)
        with report.check("SIGUSR1 opens the file anew"):
            log.rename(moved)
            server.signal(signal.SIGUSR1)
            wait_for(log.exists, "the new file")
            run("curl", "-sS", "-o", "/dev/null", f"{server.http}/style.css?two")
            wait_for(lambda: "?two" in log.read_text(), "the line in the new file", LATE)
            expect("?two" not in moved.read_text(), "the line is in the old file too")
    with report.check("--access-log - --log-format json: an object on standard output") as figure:
        with Server(binary, options=("--access-log", "-", "--log-format", "json")) as server:
            run("curl", "-sS", "-o", "/dev/null", "-A", 'a"b', f"{server.http}/missing")
            wait_for(lambda: "/missing" in server.output(), "the line is written", LATE)
            line = next(line for line in server.output().splitlines() if "/missing" in line)
            entry = json.loads(line)
            expect_equal((entry["method"], entry["path"], entry["version"], entry["status"],
                          entry["user_agent"]),
                         ("GET", "/missing", "HTTP/1.1", 404, 'a"b'), "the entry")
            figure.append(line)
