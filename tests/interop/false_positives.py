"""Good clients in a hurry: they cancel, abort, reload and leave, and never meet a limit."""

import asyncio
import base64
import random
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from devtools import Chromium
from h2_client import H2Client, Tally, random_contents, tls_context
from harness import Server, expect, expect_equal, run

# Small ones, and such as take a while.
SIZES = [1_000, 16_384, 100_000, 400_000]

STREAMS = 1_000

# Shares of requests that are to be cancelled, those of a browser and more; after how many seconds at
# least and at most.
SHARES = [0.1, 0.3]
CANCEL_AFTER = (0.002, 0.02)

IMAGES = 300
VISITS = 100

# curl's exit code for --max-time.
TIMED_OUT = "28"

# More than any transfer here takes in.
LARGE = 1 << 30

# A transparent pixel. What follows its end is skipped.
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6"
                         "kgAAAABJRU5ErkJggg==")


def checks(report, binary):
    """All checks of this group."""
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        site = Path(place)
        contents = random_contents(0, SIZES)
        for path, content in contents.items():
            (site / path[1:]).write_bytes(content)
        with open(site / "large.bin", "wb") as large:
            large.truncate(LARGE)
        with unlimited(report, binary, site, "cancelled requests") as server:
            cancelled(report, server, contents)
        with unlimited(report, binary, site, "h2load, cut off") as server:
            cut_off(report, server)
        with unlimited(report, binary, site, "curl with aborts") as server:
            aborted(report, server)
        with unlimited(report, binary, site, "nghttp's uploads") as server:
            uploaded(report, server, site)
        gallery(site)
        # Its requests for the next page may overtake its resets of what was left of the last one. Those
        # that are refused it sends again.
        with unlimited(report, binary, site, "Chromium", but="max-concurrent-streams") as server:
            visited(report, server)


@contextmanager
def unlimited(report, binary, site, who, but=None):
    """A server that tells at its end that no limit fired, `but` one perhaps."""
    with Server(binary, site=site, options=("--demo", "--cache", "**=no-store")) as server:
        yield server
        with report.check(f"{who}: no limit fired") as figure:
            expect_equal(server.terminate(40), 0, "the exit code")
            limits = [line for line in server.output().splitlines()
                      if "limit" in line and (but is None or but not in line)]
            expect_equal(limits, [], "what the server says")
            figure.append("none")


def cancelled(report, server, contents):
    """A thousand requests on a connection, some of them cancelled at a random moment."""
    for scheme, context in (("http", None), ("https", tls_context("h2"))):
        for share in SHARES:
            with report.check(f"{STREAMS} requests on one {scheme} connection, {share:.0%} of them "
                              "to be cancelled: all others are whole") as figure:
                tally = Tally()
                asyncio.run(some_cancelled(server.port_of(scheme), context, contents, share, tally))
                figure.append(tally.summary())
                expect(tally.cancelled > STREAMS * share / 5, f"too few cancelled: {figure[0]}")


async def some_cancelled(port, context, contents, share, tally):
    """One connection's requests."""
    client = await H2Client.open(port, context)

    def request():
        cancel = random.uniform(*CANCEL_AFTER) if random.random() < share else None
        path = random.choice(list(contents))
        return tally.count(client.get(path, contents[path], cancel))
    await asyncio.gather(*(request() for _ in range(STREAMS)))
    await client.close()


def cut_off(report, server):
    """h2load, ended in the middle of a hundred requests on each of its connections."""
    for url in (server.http, server.https):
        with report.check(f"h2load -c 10 -m 100 {url.split(':')[0]}, ended five times"):
            for _ in range(5):
                with subprocess.Popen(["h2load", "-D", "60", "-c", "10", "-m", "100",
                                       f"{url}/400000.bin"], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL) as process:
                    time.sleep(0.2 + random.random() * 0.5)
                    expect(process.poll() is None, "it ended by itself")
                    process.send_signal(signal.SIGINT)


def aborted(report, server):
    """curl --parallel, which gives up on its large transfers."""
    # Debian's curl fails with prior knowledge when it shares a connection, with nghttpd as well.
    for version, url in (("--http1.1", server.http), ("--http1.1", server.https),
                         ("--http2", server.https)):
        with report.check(f"curl --parallel {version} {url.split(':')[0]} with aborts") as figure:
            aborts = whole = 0
            for attempt in range(10):
                command = ["curl", "--parallel"]
                for index in range(20):
                    path, seconds = ("/large.bin", (attempt + 1) / 20) if index % 2 else \
                        ("/16384.bin", 60)
                    command += ["--next"] if index else []
                    command += ["-sk", version, "--max-time", seconds, "-o", "/dev/null",
                                "-w", "%{exitcode} %{size_download} %{url} %{errormsg}\n", url + path]
                for line in run(*command).stdout.decode().splitlines():
                    code, size, path, *_ = line.split()
                    if path.endswith("/large.bin"):
                        aborts += code == TIMED_OUT
                    else:
                        whole += 1
                        expect_equal((code, size), ("0", "16384"), line)
            figure.append(f"{aborts} aborted, {whole} whole")
            expect_equal(whole, 100, "the number of whole transfers")
            expect(aborts >= 30, figure[0])


def uploaded(report, server, site):
    """nghttp's uploads, several at a time."""
    body = site / "400000.bin"
    for url in (server.http, server.https):
        with report.check(f"nghttp -d, twenty uploads at once, {url.split(':')[0]}"):
            done = run("nghttp", "-ns", "-m", "20", "-d", body, f"{url}/echo")
            expect_equal(done.returncode, 0, f"the exit code ({done.stderr[-300:]})")
            lines = [line for line in done.stdout.decode().splitlines() if line.endswith("/echo")]
            expect_equal(len(lines), 20, f"the number of answers of {done.stdout[-2000:]}")
            expect(all(" 200 " in line for line in lines), str(lines))


def gallery(site):
    """A page of many images."""
    noise = random.Random(0)
    for index in range(IMAGES):
        (site / f"{index}.png").write_bytes(PIXEL + noise.randbytes(noise.randint(500, 30_000)))
    images = "".join(f'<img src="{index}.png">' for index in range(IMAGES))
    for name in ("one", "two"):
        (site / f"{name}.html").write_text(f"<!doctype html><title>{name}</title>{images}")


def visited(report, server):
    """A page of images, reloaded and left in the middle, again and again."""
    with Chromium() as page, \
            report.check(f"Chromium: {IMAGES} images, left in the middle {VISITS} times") \
            as figure:
        chance = random.Random(1)
        for visit in range(VISITS):
            if visit % 2:
                page.reload()
            else:
                page.call("Page.navigate", url=f"{server.https}/{chance.choice(['one', 'two'])}.html")
            page.watch(chance.random() * 0.3)
        page.load(f"{server.https}/one.html")
        whole = page.evaluate("[...document.images].filter(i => i.naturalWidth == 1).length")
        expect_equal(whole, IMAGES, "the number of images that have loaded")
        figure.append(f"{page.asked} requests, {page.finished} whole")
        expect_equal(page.failures[:5], [], "what failed")
        expect(page.asked - page.finished > VISITS, f"hardly any was left: {figure[0]}")
