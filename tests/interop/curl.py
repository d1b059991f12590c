"""curl: the site as HTTP/1.1 and HTTP/2 clients see it."""

import tempfile
from pathlib import Path

from harness import REPOSITORY, Server, expect, expect_equal, random_file, run

PAGE = REPOSITORY / "public/index.html"

# Clients: options of curl, the version that must result, over TLS or not.
VERSIONS = [
    ("--http1.1 in cleartext", ("--http1.1",), "1.1", False),
    ("--http1.1 over TLS", ("--http1.1",), "1.1", True),
    # A server answers in its own version (RFC 9110 §6.2).
    ("--http1.0", ("--http1.0",), "1.1", False),
    ("--no-alpn over TLS", ("--no-alpn",), "1.1", True),
    ("--http2 over TLS", ("--http2",), "2", True),
    ("--tls-max 1.2", ("--http2", "--tls-max", "1.2"), "2", True),
    ("--http2-prior-knowledge", ("--http2-prior-knowledge",), "2", False),
]

# The versions that the semantics of RFC 9110 are tried over.
BOTH = [("HTTP/1.1", "--http1.1", False), ("HTTP/2", "--http2", True)]


def checks(report, binary):
    """All checks of this group."""
    with Server(binary, options=("--demo",)) as server:
        versions(report, server)
        for name, version, tls in BOTH:
            url = server.https if tls else server.http
            conditional(report, name, version, url)
            ranges(report, name, version, url)
            errors(report, name, version, url)
            uploads(report, name, version, url, server)
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        options(report, binary, Path(place))


class Answer:
    """A response: status, version, fields by lowercase name, content."""

    def __init__(self, done):
        expect_equal(done.returncode, 0, f"the exit code of curl ({done.stderr.decode()})")
        head, self.content = done.stdout, b""
        # Interim responses come first.
        while True:
            head, _, rest = head.partition(b"\r\n\r\n")
            status_line, *lines = head.decode("latin-1").split("\r\n")
            self.version, status, *_ = status_line.split(" ")
            self.status = int(status)
            if self.status >= 200:
                break
            head = rest
        self.content = rest
        self.fields = {}
        for line in lines:
            name, _, value = line.partition(":")
            self.fields[name.lower()] = value.strip()

    def __repr__(self):
        return f"{self.version} {self.status} {self.fields} {self.content[:100]!r}"


def get(*arguments):
    """The response to one request."""
    return Answer(run("curl", "-sSki", "--max-time", "30", *arguments))


def versions(report, server):
    """Every way to speak to it gets the same page."""
    for name, arguments, version, tls in VERSIONS:
        with report.check(f"curl {name}: HTTP/{version}, the page whole") as figure:
            answer = get(*arguments, server.https if tls else server.http)
            figure.append(f"{answer.version} {answer.status}")
            expect_equal(answer.version, f"HTTP/{version}", "the version")
            expect_equal(answer.status, 200, "the status")
            expect(answer.content == PAGE.read_bytes(), "the content differs")
            expect_equal(answer.fields["content-type"], "text/html; charset=utf-8", "the type")
            expect_equal(answer.fields["x-content-type-options"], "nosniff", "nosniff")
    for version in ("--http1.1", "--http2"):
        with report.check(f"curl {version}: ten requests, one connection"):
            urls = [part for _ in range(10) for part in ("-o", "/dev/null", server.https)]
            done = run("curl", "-sSk", version, "-w", "%{num_connects} %{http_code}\n", *urls)
            expect_equal(done.stdout.decode().split("\n")[:-1], ["1 200"] + ["0 200"] * 9,
                         "connections and status")


def conditional(report, name, version, url):
    """RFC 9110 §13: 304 and 412."""
    page = get(version, url)
    etag, modified = page.fields.get("etag", ""), page.fields.get("last-modified", "")
    cases = [
        ("If-None-Match", etag, 304),
        ("If-None-Match", '"other"', 200),
        ("If-None-Match", "*", 304),
        ("If-Modified-Since", modified, 304),
        ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT", 200),
        ("If-Match", '"other"', 412),
        ("If-Match", etag, 200),
        ("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT", 412),
    ]
    for field, value, status in cases:
        what = {etag: "the ETag", modified: "Last-Modified"}.get(value, value)
        with report.check(f"{name} {field}: {what} → {status}"):
            answer = get(version, "-H", f"{field}: {value}", url)
            expect_equal(answer.status, status, "the status")
            if status == 304:
                expect_equal(answer.content, b"", "the content")
                expect_equal(answer.fields.get("etag"), etag, "the validator")


def ranges(report, name, version, url):
    """RFC 9110 §14: one range, several, none that fits."""
    page = PAGE.read_bytes()
    with report.check(f"{name} range 5-14 → 206"):
        answer = get(version, "-r", "5-14", url)
        expect_equal((answer.status, answer.content), (206, page[5:15]), "the answer")
        expect_equal(answer.fields["content-range"], f"bytes 5-14/{len(page)}", "Content-Range")
    with report.check(f"{name} suffix range -10 → 206"):
        answer = get(version, "-r", "-10", url)
        expect_equal((answer.status, answer.content), (206, page[-10:]), "the answer")
    with report.check(f"{name} ranges 0-1,400-401 → 206 in parts"):
        answer = get(version, "-r", "0-1,400-401", url)
        expect_equal(answer.status, 206, "the status")
        kind = answer.fields["content-type"]
        expect(kind.startswith("multipart/byteranges; boundary="), kind)
        boundary = kind.partition("=")[2].strip('"').encode()
        expect_equal(answer.content.count(b"--" + boundary), 3, "the number of boundaries")
        for part in (page[0:2], page[400:402]):
            expect(b"\r\n\r\n" + part + b"\r\n" in answer.content, f"{part} is missing")
        expect_equal(len(answer.content), int(answer.fields["content-length"]), "the length")
    with report.check(f"{name} range beyond the end → 416"):
        answer = get(version, "-r", f"{len(page)}-", url)
        expect_equal(answer.status, 416, "the status")
        expect_equal(answer.fields["content-range"], f"bytes */{len(page)}", "Content-Range")
    with report.check(f"{name} If-Range of another version → 200"):
        answer = get(version, "-r", "0-1", "-H", 'If-Range: "other"', url)
        expect_equal((answer.status, answer.content), (200, page), "the answer")


def errors(report, name, version, url):
    """Names that are not served."""
    with report.check(f"{name} missing page → 404 with the site's own page"):
        answer = get(version, f"{url}/missing")
        expect_equal(answer.status, 404, "the status")
        expect(b"Nothing here but calm water" in answer.content, repr(answer))
    with report.check(f"{name} HEAD has the fields of GET and no content"):
        answer = get(version, "-I", url)
        expect_equal((answer.status, answer.content), (200, b""), "the answer")
        expect_equal(answer.fields["content-length"], str(PAGE.stat().st_size), "the length")
    with report.check(f"{name} DELETE → 405 with Allow"):
        answer = get(version, "-X", "DELETE", url)
        expect_equal(answer.status, 405, "the status")
        expect("GET" in answer.fields["allow"], repr(answer))
    for path in ("/../Cargo.toml", "/%2e%2e/Cargo.toml", "/..%2fCargo.toml", "/.git/config"):
        with report.check(f"{name} {path} stays inside"):
            answer = get(version, "--path-as-is", url + path)
            expect(answer.status in (400, 403, 404), repr(answer))


def uploads(report, name, version, url, server):
    """Request bodies to the demo handlers."""
    body = random_file(server.place / "upload", 944_000)
    for how, arguments in [("Content-Length", ("--data-binary", f"@{body}")),
                           ("unknown length", ("-X", "POST", "-T", "-")),
                           ("Expect", ("--data-binary", f"@{body}", "-H", "Expect: 100-continue"))]:
        with report.check(f"{name} /echo, {how}"):
            with open(body, "rb") as stdin:
                answer = Answer(run("curl", "-sSki", "--max-time", "30", version, *arguments,
                                    f"{url}/echo", stdin=stdin))
            expect_equal(answer.status, 200, "the status")
            expect(answer.content == body.read_bytes(), f"{len(answer.content)} bytes differ")
    with report.check(f"{name} /json tells what came"):
        answer = get(version, "-d", "12345", f"{url}/json?a=b")
        expect_equal(answer.fields["content-type"], "application/json; charset=utf-8", "the type")
        expect(b"POST" in answer.content and b"/json?a=b" in answer.content, repr(answer))


def options(report, binary, place):
    """Redirects, listings, sidecars, caching, and a change on disk."""
    site = place / "site"
    (site / "assets").mkdir(parents=True)
    (site / "assets/app.js").write_text("let a = 1;\n")
    (site / "assets/app.js.gz").write_bytes(b"gz of app.js")
    (site / "assets/app.js.br").write_bytes(b"br of app.js")
    (site / "assets/<b>.txt").write_text("escaped?")
    (site / "index.html").write_text("first")
    arguments = ("--listing", "--cache", "assets/**=1y,immutable", "--header", "X-Test: yes")
    with Server(binary, site=site, options=arguments) as server:
        with report.check("a directory without its slash is redirected on the same host"):
            answer = get(f"{server.http}/assets")
            expect_equal(answer.status, 301, "the status")
            expect(b'<a href="/assets/">' in answer.content, repr(answer))
            expect_equal(answer.fields["location"], "/assets/", "Location")
            location = get("--path-as-is", f"{server.http}//evil.example/..").fields.get("location")
            expect(not (location or "/").startswith("//"), f"redirected to {location}")
        with report.check("--listing lists, escaped"):
            answer = get(f"{server.http}/assets/")
            expect_equal(answer.status, 200, "the status")
            expect(b"app.js" in answer.content and b"<b>" not in answer.content, repr(answer))
        with report.check("--cache and --header"):
            fields = get(f"{server.http}/assets/app.js").fields
            expect_equal(fields["cache-control"], "max-age=31536000, immutable", "Cache-Control")
            expect_equal(fields["x-test"], "yes", "the extra field")
        for accepted, content in [("gzip", b"gz of app.js"), ("gzip, br", b"br of app.js"),
                                  ("identity", b"let a = 1;\n"), ("br;q=0", b"let a = 1;\n")]:
            with report.check(f"sidecar by Accept-Encoding: {accepted}"):
                answer = get("-H", f"Accept-Encoding: {accepted}", f"{server.http}/assets/app.js")
                expect_equal(answer.content, content, "the content")
                expect("accept-encoding" in answer.fields["vary"].lower(), repr(answer))
        with report.check("a change on disk is served within a second") as figure:
            expect_equal(get(server.http).content, b"first", "the content")
            (site / "index.html").write_text("second")
            done = run("sh", "-c", "sleep 1.05")
            expect_equal(done.returncode, 0, "sleep")
            expect_equal(get(server.http).content, b"second", "the content")
            figure.append("after 1.05 s")
    with Server(binary, site=site, options=("--spa",)) as server:
        with report.check("--spa answers a route of the browser with /index.html"):
            answer = get("-H", "Accept: text/html", f"{server.http}/some/route")
            expect_equal((answer.status, answer.content), (200, b"second"), "the answer")
    with Server(binary, site=site) as server:
        with report.check("without --listing a directory without index is not shown"):
            answer = get(f"{server.http}/assets/")
            expect(answer.status in (403, 404), repr(answer))
