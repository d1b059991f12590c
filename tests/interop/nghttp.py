"""nghttp: frames as an independent HTTP/2 client sees them."""

import hashlib
import re

from harness import Server, expect, expect_equal, mib, random_file, run

# Largest header block of a repeated small response, in bytes.
HEADER_BLOCK = 12

# Memory that 100 MB through /echo may add to the server: the windows, the output and the pages of
# code that it had not run before.
ECHO_MEMORY = 3 << 20

WINDOW_UPDATE = re.compile(r"recv WINDOW_UPDATE frame <length=4, flags=0x00, stream_id=(\d+)>")
DATA = re.compile(r"recv DATA frame <length=(\d+), flags=0x\w+, stream_id=(\d+)>")
HEADERS = re.compile(r"recv HEADERS frame <length=(\d+), ")


def checks(report, binary):
    """All checks of this group."""
    with Server(binary, options=("--demo",)) as server:
        for url in (server.http, server.https):
            pages(report, url)
        for url in (server.http, server.https):
            echo(report, server, url, 944_000)
        echo(report, server, server.http, 100_000_000)
        with report.check("the server is still there, and nothing was wrong with it"):
            expect_equal(server.terminate(), 0, "the exit code")
            expect("ERROR" not in server.output() and "panicked" not in server.output(),
                   server.output())
    upgrade(report, binary)


def nghttp(*arguments, timeout=60):
    """The output of nghttp. Fails if nghttp fails."""
    done = run("nghttp", *arguments, timeout=timeout)
    expect_equal(done.returncode, 0, f"the exit code of nghttp ({done.stderr[-300:]})")
    return done.stdout


def pages(report, url):
    """A page, and the same page again and again."""
    scheme = url.split(":")[0]
    with report.check(f"nghttp -nv {scheme}: status 200, SETTINGS both ways"):
        text = nghttp("-nv", f"{url}/").decode()
        expect(":status: 200" in text, text)
        expect("recv SETTINGS frame" in text and "; ACK" in text, text)
        expect("(0x09)" not in text, f"SETTINGS_NO_RFC7540_PRIORITIES is in {text}")
        if scheme == "https":
            expect("The negotiated protocol: h2" in text, text)
    with report.check(f"nghttp -nvm5 {scheme}: a repeated response has at most {HEADER_BLOCK} bytes"
                      " of header block") as figure:
        lengths = [int(n) for n in HEADERS.findall(nghttp("-nvm5", f"{url}/style.css").decode())]
        expect_equal(len(lengths), 5, "the number of responses")
        figure.append(f"{lengths} bytes")
        expect(max(lengths[2:]) <= HEADER_BLOCK, f"they have {lengths}")
    with report.check(f"nghttp -na {scheme}: a page with all that it links to"):
        text = nghttp("-nva", f"{url}/").decode()
        expect(text.count(":status: 200") >= 4, text)


def echo(report, server, url, size):
    """A body there and back: whole, with the windows opened on the way, and without being kept."""
    name = f"nghttp -d {size / 1e6:g} MB {url.split(':')[0]} /echo"
    body = random_file(server.place / "body", size)
    with open(body, "rb") as file:
        expected = hashlib.file_digest(file, "sha256").hexdigest()
    with report.check(f"{name}: the body comes back whole") as figure:
        returned = nghttp("-d", body, f"{url}/echo", timeout=120)
        expect_equal(len(returned), size, "its length")
        expect_equal(hashlib.sha256(returned).hexdigest(), expected, "its checksum")
        figure.append(f"sha256 {expected[:16]}…")
    with report.check(f"{name}: WINDOW_UPDATE on connection and stream, memory stays") as figure:
        server.reset_peak()
        before = server.peak_rss()
        text = nghttp("-nv", "-d", body, f"{url}/echo", timeout=180).decode()
        grown = server.peak_rss() - before
        data = DATA.findall(text)
        expect_equal(sum(int(length) for length, _ in data), size, "the sum of DATA received")
        updates = [int(stream) for stream in WINDOW_UPDATE.findall(text)]
        on_connection = updates.count(0)
        figure.append(f"{on_connection} on the connection, {len(updates) - on_connection} on the "
                      f"stream, peak memory +{mib(grown)}")
        # Beyond the first windows nothing could be sent without one.
        expect(on_connection > 0, "no WINDOW_UPDATE came on stream 0")
        expect(any(updates), "no WINDOW_UPDATE came on the stream")
        expect(grown <= ECHO_MEMORY, f"memory grew by {mib(grown)}, more than {mib(ECHO_MEMORY)}")
    body.unlink()


def upgrade(report, binary):
    """The upgrade of RFC 7540 §3.2: only when asked for."""
    with Server(binary, options=("--h2c-upgrade",)) as server:
        with report.check("nghttp -nvu with --h2c-upgrade: 101, then HTTP/2"):
            text = nghttp("-nvu", f"{server.http}/").decode()
            expect("HTTP Upgrade success" in text and ":status: 200" in text, text)
    with Server(binary) as server:
        with report.check("curl --http2 without --h2c-upgrade: stays with HTTP/1.1"):
            done = run("curl", "-sS", "--http2", "-o", "/dev/null", "-w",
                       "%{http_version} %{http_code}", f"{server.http}/")
            expect_equal(done.stdout, b"1.1 200", "version and status")
