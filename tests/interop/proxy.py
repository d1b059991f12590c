"""Applications behind `--proxy`: gunicorn with a WSGI application, Node, Python's own server, a service of gRPC,
driven by curl, nghttp and gRPC's client over HTTP/1.1, HTTP/2 and TLS."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import proxy_apps
from harness import REPOSITORY, Server, accepts, expect, expect_equal, free_ports, run, wait_for

# .ci/run puts gunicorn, grpcio and uvicorn there, unless it is installed.
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


GRPC_SERVICE = '''
import sys
from concurrent import futures
import grpc

def unary(request, context):
    if request == b"missing":
        context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")
    context.set_trailing_metadata((("x-sum", str(len(request))),))
    return request[::-1]

def count(request, context):
    for number in range(int(request)):
        yield b"%d" % number

def total(requests, context):
    return b"%d" % sum(len(request) for request in requests)

def chat(requests, context):
    for request in requests:
        yield request.upper()

def wait(request, context):
    import time
    while context.is_active():
        time.sleep(0.01)
    open("cancelled", "w").close()
    return b""

handlers = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Total": grpc.stream_unary_rpc_method_handler(total),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
    "Wait": grpc.unary_unary_rpc_method_handler(wait),
}
server = grpc.server(futures.ThreadPoolExecutor(max_workers=8),
                     options=[("grpc.max_connection_age_ms", 700), ("grpc.max_connection_age_grace_ms", 60000)])
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Service", handlers)])
server.add_insecure_port("127.0.0.1:" + sys.argv[1])
server.start()
server.wait_for_termination()
'''

GRPC_CLIENT = '''
import queue, sys, time
import grpc

target, certificate = sys.argv[1], sys.argv[2]
if certificate:
    roots = grpc.ssl_channel_credentials(open(certificate, "rb").read())
    channel = grpc.secure_channel(target, roots)
else:
    channel = grpc.insecure_channel(target)
service = "/test.Service/"
unary = channel.unary_unary(service + "Unary")
answer, call = unary.with_call(b"abc", timeout=20)
assert answer == b"cba", answer
assert ("x-sum", "3") in [tuple(pair) for pair in call.trailing_metadata()], call.trailing_metadata()
# A deadline of the client's, and the server hears of it. The connection is young, and not about to be closed.
try:
    channel.unary_unary(service + "Wait")(b"", timeout=0.3)
    raise SystemExit("an error is missing")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
try:
    unary(b"missing", timeout=20)
    raise SystemExit("an error is missing")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.NOT_FOUND and error.details() == "no such thing", error
try:
    channel.unary_unary(service + "Nothing")(b"", timeout=20)
    raise SystemExit("an error is missing")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
numbers = list(channel.unary_stream(service + "Count")(b"2000", timeout=20))
assert numbers == [b"%d" % number for number in range(2000)], len(numbers)
pieces = [bytes([number]) * 50000 for number in range(100)]
assert channel.stream_unary(service + "Total")(iter(pieces), timeout=20) == b"5000000"
# Both sides speak in turns.
words = queue.Queue()
replies = channel.stream_stream(service + "Chat")(iter(words.get, None), timeout=20)
for word in (b"one", b"two", b"x" * 300000, b"three"):
    words.put(word)
    assert next(replies) == word.upper(), word
words.put(None)
assert list(replies) == [] and replies.code() == grpc.StatusCode.OK, replies.code()
# Many at a time.
calls = [unary.future(b"%d" % number, timeout=20) for number in range(100)]
assert [call.result() for call in calls] == [(b"%d" % number)[::-1] for number in range(100)]
# The server's connections grow old meanwhile: no call is lost.
end = time.monotonic() + 2
while time.monotonic() < end:
    assert unary(b"again", timeout=20) == b"niaga"
print("all calls are right")
'''


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
    grpc(report, binary)
    proxy_apps.checks(report, binary, Application)


def grpc(report, binary):
    """Calls of gRPC of all kinds."""
    command = [sys.executable, "service.py", "PORT"]
    with Application("service.py", GRPC_SERVICE, command) as service, \
            Server(binary, options=("--proxy", f"/test.Service=h2c://127.0.0.1:{service.port}")) as server:
        certificate = server.place / "certs/localhost.pem"
        for name, url, roots in [("clear text", server.http, ""), ("TLS", server.https, certificate)]:
            with report.check(f"proxy: gRPC of all four kinds over {name}, errors, deadlines, old connections"):
                done = run(sys.executable, "-c", GRPC_CLIENT, url.split("//")[1], roots,
                           env={**os.environ, "PYTHONPATH": str(PACKAGES)})
                expect_equal(done.stdout.decode(), "all calls are right\n", done.stderr.decode())


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
