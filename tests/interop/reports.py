"""Public bug reports about servers of this kind, each with its number and the right value: what others
had to mend is asked of this one too."""

import re
import tempfile
from pathlib import Path

import reports_clients
import reports_http2
from harness import Server, expect, expect_equal, random_file
from raw_http import ask, get, ranged

# A file whose every byte is known, and how often it is repeated.
DIGITS = b"0123456789"


def checks(report, binary):
    """All checks of this group."""
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        site = Path(place) / "site"
        fill(site)
        (Path(place) / "secret").write_text("secret")
        with Server(binary, site, options=("--listing", "--demo")) as server:
            for name, check in ROWS:
                with report.check(name):
                    check(server.port)
            reports_http2.checks(report, server)
            reports_clients.checks(report, server)
            with report.check("the server is still there, and nothing was wrong with it"):
                expect_equal(server.terminate(), 0, "the exit code")
                expect("panicked" not in server.output(), server.output())


def fill(site):
    """The files that the checks ask for."""
    (site / "dir").mkdir(parents=True)
    (site / "evil.com").mkdir()
    (site / "odd").mkdir()
    (site / "hundred").write_bytes(DIGITS * 10)
    (site / "empty").write_bytes(b"")
    (site / "dir/x.txt").write_text("x")
    for name in ODD:
        (site / "odd" / name).write_text(name)
    for name, content in [("app.js", "plain"), ("app.js.gz", "gz"), ("app.js.br", "br"),
                          ("app.js.zst", "zst"), ("only.js.br", "br")]:
        (site / name).write_text(content)
    random_file(site / "large", 1 << 20)


# Names that were broken in somebody's listing.
ODD = ["a#b", "a?b", "%2e-name", "a b", "a&b", "a+b", "a;b", "90%", "a'b\"c", "<b>", "ä"]


def range_of(value, status, content_range=None, content=None, path="/hundred"):
    """A check of one Range."""
    def check(port):
        answer = get(port, path, ("Range", value))
        expect_equal(answer.status, status, "the status")
        expect_equal(answer.field("content-range"), content_range, "Content-Range")
        if content is not None:
            expect_equal(answer.content, content, "the content")
            expect_equal(answer.field("content-length"), str(len(content)), "Content-Length")
    return check


def same_head(path):
    """HEAD has the length and the type of GET, and no content."""
    def check(port):
        # The tag of a large file is a weak one until the file was sent whole once.
        get(port, path)
        whole, head = get(port, path), get(port, path, method="HEAD")
        for name in ("content-length", "content-type", "etag", "last-modified"):
            expect_equal(head.field(name), whole.field(name), name)
        expect_equal(head.content, b"", "the content of HEAD")
        expect(int(head.field("content-length")) > 0, "the length is 0")
    return check


def outside(*targets):
    """Nothing outside of the root is found, however it is spelled."""
    def check(port):
        for target in targets:
            answer = get(port, target)
            expect(answer.status in (400, 404), f"{target}: {answer.status}")
            expect(b"secret" not in answer.content and b"root:" not in answer.content, target)
    return check


def location(target, expected):
    """Checks the redirect of a directory's name."""
    def check(port):
        answer = get(port, target)
        expect(answer.status in (301, 302, 307, 308), f"the status is {answer.status}")
        expect_equal(answer.field("location"), expected, "Location")
    return check


def none_match(make, status):
    """The answer to a form of If-None-Match that is made from the file's tag."""
    def check(port):
        tag = get(port, "/hundred").field("etag")
        answer = get(port, "/hundred", ("If-None-Match", make(tag.removeprefix("W/"))))
        expect_equal(answer.status, status, "the status")
        expect_equal(answer.content == b"", status == 304, "whether it is empty")
    return check


def weak_if_match(port):
    """A weak tag never satisfies If-Match."""
    tag = get(port, "/hundred").field("etag").removeprefix("W/")
    expect_equal(get(port, "/hundred", ("If-Match", f"W/{tag}")).status, 412, "of a weak tag")
    expect_equal(get(port, "/hundred", ("If-Match", "*")).status, 200, "of *")


def smuggled(head, status=400):
    """A head that two servers read in two ways is refused, and what follows it never answered."""
    def check(port):
        text = ask(port, head.replace("\n", "\r\n").encode()
                   + b"0\r\n\r\nGET /hundred HTTP/1.1\r\nHost: a\r\n\r\n")
        statuses = [int(found) for found in re.findall(rb"HTTP/1\.1 (\d+)", text)]
        expect_equal(statuses, [status], "the statuses")
        expect(b"0123456789" not in text, "the request behind it was answered")
    return check


def sidecar(accept, coding, content, path="/app.js"):
    """The answer to a request with the given Accept-Encoding."""
    def check(port):
        answer = get(port, path, *([("Accept-Encoding", accept)] if accept else []))
        expect_equal(answer.status, 200, "the status")
        expect_equal(answer.field("content-encoding"), coding, "Content-Encoding")
        expect_equal(answer.content, content, "the content")
        expect("javascript" in answer.field("content-type"), answer.field("content-type"))
        expect_equal(answer.field("vary").lower(), "accept-encoding", "Vary")
    return check


def only_compressed(port):
    """A sidecar without its original is no answer for who cannot decode it."""
    for accept in ("", "br", "gzip"):
        fields = [("Accept-Encoding", accept)] if accept else []
        answer = get(port, "/only.js", *fields)
        expect(answer.status == 404 or answer.field("content-encoding") == accept,
               f"{answer.status} for {accept!r}")


def listed(*names):
    """A listing's links lead to the files, whatever they are called."""
    def check(port):
        page = get(port, "/odd/").content.decode()
        links = re.findall(r'href="([^"]*)"', page)
        for name in names:
            found = [link for link in links
                     if get(port, absolute("/odd/", link)).content == name.encode()]
            expect(found, f"no link leads to {name!r}: {links}")
    return check


def absolute(base, link):
    """A link of a page as a request target."""
    return link if link.startswith("/") else base + link


def cookies(count):
    """A number of lines of Cookie."""
    def check(port):
        lines = [("Cookie", f"name{n}=value{n}") for n in range(count)]
        expect_equal(get(port, "/hundred", *lines).status, 200, "the status")
    return check


def long_target(length):
    """A target of this length is not too long, there is only nothing there."""
    def check(port):
        expect_equal(get(port, "/" + "a" * (length - 1)).status, 404, "the status")
    return check


def first_line(line, *statuses):
    """The answer to a request line."""
    def check(port):
        text = ask(port, f"{line}\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        found = re.match(rb"HTTP/1\.1 (\d+)", text)
        expect(found and int(found[1]) in statuses, f"{text[:60]!r}, not {statuses}")
    return check


BOTH = "POST / HTTP/1.1\nHost: a\n"

ROWS = [
    ("Azure/static-web-apps #1675: a range of an empty file is 200",
     range_of("bytes=0-", 200, content=b"", path="/empty")),
    ("helidon #12259: a suffix of an empty file is 200",
     range_of("bytes=-1", 200, content=b"", path="/empty")),
    ("elixir-plug/plug #1317: a range behind the end is 416 with the length",
     range_of("bytes=200-300", 416, "bytes */100")),
    ("vertx-web #428: a range that begins at the end is 416, not 500",
     range_of("bytes=100-", 416, "bytes */100")),
    ("static-web-server #306: a range that ends behind the end is cut",
     range_of("bytes=50-99999", 206, "bytes 50-99/100", DIGITS * 5)),
    ("denoland/std #3354: a suffix is the last bytes",
     range_of("bytes=-10", 206, "bytes 90-99/100", DIGITS)),
    ("node-static #212: 0-524287 of a small file is the file",
     range_of("bytes=0-524287", 206, "bytes 0-99/100", DIGITS * 10)),
    ("helidon #12259: a suffix longer than the file is the file",
     ranged("bytes=-99999", DIGITS * 10)),
    ("node-static #209: 'bytes: 0-22' is no range, and the file is sent",
     range_of("bytes: 0-22", 200, content=DIGITS * 10)),
    ("nbluis/static-server #23: what is no range does not end the server",
     range_of("bytes=abc", 200, content=DIGITS * 10)),
    ("simple-http-server #137: HEAD has the length of GET", same_head("/hundred")),
    ("node-static #33: HEAD has the type of GET", same_head("/app.js")),
    ("connect #418: HEAD from the cache has the length", same_head("/hundred")),
    ("fastify-static #447: HEAD of a large file has the length", same_head("/large")),
    ("turbo #57: %2e%2e is ..",
     outside("/%2e%2e/secret", "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd")),
    ("connect #198: .. is looked for once it is decoded", outside("/dir/%2e%2e/%2e%2e/secret")),
    ("facil.io #170: a target that begins with ../", outside("../secret")),
    ("raven #458: a backslash is no separator", outside("/..%5csecret", "/..\\secret")),
    ("Agents-Anywhere #26: %2f is no way out", outside("/..%2fsecret", "/dir/..%2f..%2fsecret")),
    ("sans #46: /../../..", outside("/../../../../../etc/passwd", "/../secret")),
    ("esbuild #3208: //directory leads to no other host",
     location("//evil.com", "/evil.com/")),
    ("fresh #2313: ///directory neither", location("///evil.com", "/evil.com/")),
    ("dvc.org #2749: //evil.com/ is no redirect",
     lambda port: expect_equal(get(port, "//evil.com/").status, 200, "the status")),
    ("static-web-server #523: the redirect keeps the query",
     location("/dir?param=123", "/dir/?param=123")),
    ("static-web-server #703: the redirect keeps any query",
     location("/dir?a=b&c=%2F%20d", "/dir/?a=b&c=%2F%20d")),
    ("helidon #2764: the redirect keeps the parameters", location("/dir?a", "/dir/?a")),
    ("starlette #2298: If-None-Match compares weakly", none_match(lambda tag: f"W/{tag}", 304)),
    ("llama.cpp #23849: a tag that a proxy made weak is the same",
     none_match(lambda tag: f'"other", W/{tag}', 304)),
    ("sirv #177: lists of tags", none_match(lambda tag: f'"a,b", {tag}, "c"', 304)),
    ("vite #23104: * is any tag", none_match(lambda tag: "*", 304)),
    ("vinext #2710: commas within a tag", none_match(lambda tag: f'"x,{tag[1:-1]},y"', 200)),
    ("keryx #390: what is no tag is 200", none_match(lambda tag: tag[1:-1], 200)),
    ("static-web-server #679: a weak tag never matches If-Match", weak_if_match),
    ("hyper #3860: Transfer-Encoding with Content-Length is refused",
     smuggled(BOTH + "Transfer-Encoding: chunked\nContent-Length: 5\n\n")),
    ("hyper #4123: Content-Length first",
     smuggled(BOTH + "Content-Length: 5\nTransfer-Encoding: chunked\n\n")),
    ("openlitespeed #392: Content-Length of 0",
     smuggled(BOTH + "Content-Length: 0\nTransfer-Encoding: chunked\n\n")),
    ("Starlet #34: a length that is none", smuggled(BOTH + "Content-Length: +5\n\n")),
    ("fluxzy #671: lengths that differ",
     smuggled(BOTH + "Content-Length: 5\nContent-Length: 6\n\n")),
    ("http-core #879: Transfer-Encoding in HTTP/1.0",
     smuggled("POST / HTTP/1.0\nHost: a\nTransfer-Encoding: chunked\n\n")),
    ("static-web-server #451: a .zst file is zstd", sidecar("zstd", "zstd", b"zst")),
    ("tapir #2929: a sidecar has the type of the file", sidecar("gzip", "gzip", b"gz")),
    ("filebrowser #5750: identity is sent as it is", sidecar("identity", None, b"plain")),
    ("caddy #1289: Vary is Accept-Encoding", sidecar("br, gzip", "br", b"br")),
    ("caddy #5116: a sidecar alone is for nobody who cannot decode it", only_compressed),
    ("h2o #560: links to ?, # and %", listed("a?b", "a#b", "%2e-name")),
    ("thecoshman/http #60: a link to #", listed("a#b")),
    ("weborf #7: links to ? and %", listed("a?b", "90%")),
    ("ecstatic #155: links to what URLs reserve", listed("a&b", "a+b", "a;b", "a b")),
    ("httpwg/http-extensions #2804: several lines of Cookie", cookies(2)),
    ("RFC 9113 §8.2.3: 150 crumbs that a proxy passed on as lines of Cookie", cookies(150)),
    ("RFC 9112 §3: targets of 8,000 bytes are not too long", long_target(8_000)),
    ("RFC 9110 §2.5: HTTP/1.2 is answered as 1.1", first_line("GET /hundred HTTP/1.2", 200)),
    ("RFC 9110 §9.1: a method that nobody knows is 501", first_line("BREW / HTTP/1.1", 501)),
    ("RFC 9110 §15.5.5: POST to what is not there is 404", first_line("POST /none HTTP/1.1", 404)),
]
