"""Chromium: the start page over TLS, as a person sees it."""

import re
import struct
import tempfile

from harness import KEPT, Server, expect, expect_equal, run

OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--ignore-certificate-errors", "--hide-scrollbars",
    # Nothing but the server under test can be reached, whatever the browser has in mind.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
]

WIDTH, HEIGHT = 1200, 1000


def checks(report, binary):
    """All checks of this group."""
    with Server(binary, options=("--access-log", "access.log")) as server:
        for url, says in [(server.https, "(h2), encrypted"),
                          (server.http, "(http/1.1), in cleartext")]:
            with report.check(f"Chromium's start page says {says}") as figure:
                page = chromium("--dump-dom", f"{url}/").stdout.decode()
                expect(says in page, f"it does not: {page[:3000]}")
                figure.append(f"{len(page)} characters")
        with report.check("Chromium draws it; the screenshot is kept") as figure:
            KEPT.mkdir(parents=True, exist_ok=True)
            path = KEPT / "start-page.png"
            path.unlink(missing_ok=True)
            chromium(f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={path}", f"{server.https}/")
            picture = path.read_bytes()
            expect_equal(struct.unpack(">II", picture[16:24]), (WIDTH, HEIGHT), "its size")
            # A blank page or an error page is far smaller.
            expect(len(picture) > 50_000, f"it has only {len(picture)} bytes")
            figure.append(str(path))
        with report.check("Without --demo the start page has no links to what is not there"):
            expect_equal(demo_links(server), [], "the links")
        server.terminate()
        with report.check("Chromium asked for nothing that is not there"):
            lines = (server.place / "access.log").read_text().splitlines()
            expect(len(lines) >= 8, f"the access log has only {lines}")
            # 204 is the answer to whether --demo is on.
            there = ['" 200 ', '" 204 ', '" 304 ']
            missing = [line for line in lines if not any(part in line for part in there)]
            expect(not missing, str(missing))
    with Server(binary, options=("--demo",)) as server:
        with report.check("With --demo the start page has links to what it mounts, which lead somewhere") as figure:
            links = demo_links(server)
            for path in ["/echo", "/json", "/html"]:
                expect(path in links, f"{path} is not among {links}")
            for path in links:
                status = run("curl", "-sko", "/dev/null", "-w", "%{http_code}", f"{server.http}{path}").stdout
                expect(status != b"404", f"{path} has the status {status}")
            figure.append(", ".join(links))


def demo_links(server):
    """The links that the start page's script makes of what --demo mounts."""
    page = chromium("--virtual-time-budget=5000", "--dump-dom", f"{server.http}/").stdout.decode()
    return re.findall(r'data-demo[^>]*><a href="([^"]*)"', page)


def chromium(*arguments):
    """Runs it once, with an empty profile of its own."""
    with tempfile.TemporaryDirectory(prefix="calmd-interop-", ignore_cleanup_errors=True) as place:
        done = run("chromium", *OPTIONS, f"--user-data-dir={place}", *arguments, timeout=120)
    expect_equal(done.returncode, 0, f"the exit code ({done.stderr[-500:]})")
    return done
