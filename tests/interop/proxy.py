"""Applications behind `--proxy`: gunicorn with a WSGI application, Node, Python's own server, driven by
curl and nghttp over HTTP/1.1, HTTP/2 and TLS."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import REPOSITORY, Server, accepts, expect, expect_equal, free_ports, run, wait_for

# .ci/run puts gunicorn there, unless it is installed.
PACKAGES = REPOSITORY / "target/python"

# Bytes of the long bodies.
LONG = 20 << 20

WSGI = '''
import hashlib, json, time

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/api/environ":
        seen = {name: value for name, value in environ.items() if isinstance(value, str)}
        body = json.dumps(seen).encode()
    elif path == "/api/sum":
        total, size = hashlib.sha256(), 0
        while piece := environ["wsgi.input"].read(65536):
            total.update(piece)
            size += len(piece)
        body = json.dumps({"size": size, "sum": total.hexdigest()}).encode()
    elif path == "/api/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (f"line {number}\\n".encode() for number in range(1000))
    elif path == "/api/short":
        start_response("200 OK", [("Content-Length", "1000")])
        return [b"less"]
    elif path == "/api/none":
        start_response("204 No Content", [])
        return []
    elif path == "/api/error":
        raise RuntimeError("on purpose")
    else:
        start_response("404 Not Found", [("Content-Length", "0")])
        return []
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
'''

NODE = '''
const http = require('http');
http.createServer((request, response) => {
  if (request.url === '/early') {
    response.writeEarlyHints({link: '</a.css>; rel=preload'});
  }
  if (request.url === '/long') {
    response.end(Buffer.alloc(%d, 'x'));
    return;
  }
  const parts = [];
  request.on('data', part => parts.push(part));
  request.on('end', () => {
    response.setHeader('x-method', request.method);
    response.addTrailers({});
    response.end(JSON.stringify({url: request.url, headers: request.headers,
                                 body: Buffer.concat(parts).toString()}));
  });
}).listen(Number(process.argv[2]), '127.0.0.1');
''' % LONG


class Application:
    """A process that serves on a port of its own, in a directory with its program."""

    def __init__(self, name, program, command):
        (self.port,) = free_ports(1)
        self.directory = tempfile.TemporaryDirectory(prefix="calmd-proxy-")
        place = Path(self.directory.name)
        (place / name).write_text(program)
        environment = {**os.environ, "PYTHONPATH": str(PACKAGES)}
        self.process = subprocess.Popen(
            [part.replace("PORT", str(self.port)) for part in command], cwd=place, env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: accepts(self.port), f"{command[0]} listens", seconds=30.0)

    @property
    def url(self):
        """Its address for `--proxy`."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()


def checks(report, binary):
    """All checks of this group."""
    gunicorn = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:PORT", "--threads", "4",
                "application:application"]
    with Application("application.py", WSGI, gunicorn) as application, \
            Server(binary, options=("--proxy", f"/api={application.url}")) as server:
        with report.check("proxy: gunicorn sees the client's request over HTTP/1.1, HTTP/2 and TLS"):
            environ(server)
        with report.check("proxy: gunicorn gets bodies whole, with a length and chunked"):
            bodies(server)
        with report.check("proxy: gunicorn's streams, 204, errors and short responses"):
            responses(server)
        with report.check("proxy: requests around gunicorn's idle time all succeed"):
            idle(server)
        with report.check("proxy: nghttp fetches twenty responses of gunicorn at once"):
            together(server)
    with Application("server.js", NODE, ["node", "server.js", "PORT"]) as application, \
            Server(binary, options=("--proxy", f"/={application.url}")) as server:
        with report.check("proxy: Node's early hints, echo and 20 MiB"):
            node(server)
    site = ["python3", "-m", "http.server", "--bind", "127.0.0.1", "PORT"]
    with Application("page.txt", "a page\n", site) as application, \
            Server(binary, options=("--proxy", f"/old={application.url}/")) as server:
        with report.check("proxy: Python's server of HTTP/1.0, its path in place of the prefix"):
            answer = curl(server.http + "/old/page.txt")
            expect_equal(answer, "a page\n", "the page")


def curl(*arguments):
    """The output of curl, which must succeed."""
    done = run("curl", "-sSk", "--max-time", "50", *arguments)
    expect_equal(done.returncode, 0, f"curl's end ({done.stderr.decode()})")
    return done.stdout.decode()


def environ(server):
    """The environment that a WSGI application gets."""
    for base, options, version in [(server.http, ["--http1.1"], "1.1"),
                                   (server.http, ["--http2-prior-knowledge"], "2"),
                                   (server.https, ["--http2"], "2")]:
        seen = json.loads(curl(*options, "-H", "X-Forwarded-For: 6.6.6.6", "-b", "a=b; c=d",
                               base + "/api/environ?q=%20"))
        host = base.split("//")[1]
        for name, value in [("REQUEST_METHOD", "GET"), ("QUERY_STRING", "q=%20"), ("HTTP_HOST", host),
                            ("HTTP_COOKIE", "a=b; c=d"), ("HTTP_VIA", f"{version} calmd"),
                            ("HTTP_X_FORWARDED_PROTO", base.split(":")[0]),
                            ("HTTP_X_FORWARDED_HOST", host)]:
            expect_equal(seen.get(name), value, name)
        expect(seen["HTTP_X_FORWARDED_FOR"] in ("127.0.0.1", "::1"), seen["HTTP_X_FORWARDED_FOR"])


def bodies(server):
    """Uploads through the proxy."""
    content = os.urandom(LONG)
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        expected = {"size": LONG, "sum": hashlib.sha256(content).hexdigest()}
        for base, options in [(server.http, ["--http1.1"]), (server.https, ["--http2"]),
                              (server.http, ["--http1.1", "-H", "Transfer-Encoding: chunked"])]:
            seen = json.loads(curl(*options, "--data-binary", f"@{file.name}", base + "/api/sum"))
            expect_equal(seen, expected, f"the body of {options}")


def responses(server):
    """Responses of each kind."""
    for options in (["--http1.1"], ["--http2-prior-knowledge"]):
        lines = curl(*options, server.http + "/api/stream").splitlines()
        expect_equal((len(lines), lines[-1]), (1000, "line 999"), "the stream")
        show = ["-o", "/dev/null", "-w", "%{http_code}"]
        for path, status in [("none", "204"), ("error", "500"), ("nothing", "404")]:
            expect_equal(curl(*options, *show, f"{server.http}/api/{path}"), status, path)
        short = run("curl", "-sS", "--max-time", "50", *options, server.http + "/api/short")
        expect(short.returncode in (18, 92, 56), f"curl ends with {short.returncode}")
    expect("calmd" in curl(server.http + "/"), "the site is served beside")


def idle(server):
    """Requests just before and after the two seconds of gunicorn's keep-alive."""
    for pause in ("1.4", "1.5", "1.9", "2.0", "2.1", "2.2"):
        run("sleep", pause)
        curl("-X", "POST", "-d", "x=y", server.http + "/api/sum")


def together(server):
    """Twenty streams of one connection."""
    done = run("nghttp", "-ns", *[f"{server.http}/api/environ?{number}" for number in range(20)])
    expect_equal(done.returncode, 0, "nghttp's end")
    lines = [line for line in done.stdout.decode().splitlines() if "/api/environ?" in line]
    expect_equal(len([line for line in lines if " 200 " in line]), 20, "responses")


def node(server):
    """Node behind the proxy."""
    for options in (["--http1.1"], ["--http2-prior-knowledge"]):
        heads = curl(*options, "-i", server.http + "/early")
        expect(" 103" in heads and "</a.css>" in heads, heads)
        echo = json.loads(curl(*options, "-T", "-", "-X", "PUT", server.http + "/echo") or "{}")
        expect_equal((echo["url"], echo["body"]), ("/echo", ""), "the echo")
        size = curl(*options, "-o", "/dev/null", "-w", "%{size_download}", server.http + "/long")
        expect_equal(size, str(LONG), "the long body")
