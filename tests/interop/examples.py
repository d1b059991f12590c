"""The library's examples, as they are built by `cargo test`: each is driven by the clients that people use."""

import hashlib
import json
import random
import socket
import subprocess
import tempfile
from pathlib import Path

from harness import REPOSITORY, expect, expect_equal, free_ports, random_file, run, wait_for
from hyper import Client

# The examples are built for tests, not for speed.
BUILT = REPOSITORY / "target/debug/examples"

# Bytes of the files that go both ways: several windows.
SIZE = 700_000

FUZZ_ROUNDS = 400


class Example:
    """An example under way, on a port of its own; ends with the `with` block."""

    def __init__(self, name, *arguments):
        self.port = free_ports(1)[0]
        self.command = [str(BUILT / name), f"127.0.0.1:{self.port}", *map(str, arguments)]
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        line = self.process.stdout.readline().decode()
        expect_equal(line, f"listening on 127.0.0.1:{self.port}\n", "the example's first line")
        return self

    def __exit__(self, kind, *_):
        died = self.process.poll()
        self.process.kill()
        rest, _ = self.process.communicate()
        if kind is None:
            expect(died is None and b"panicked" not in rest, rest.decode(errors="replace"))


def checks(report, _binary):
    """All checks of this group."""
    with report.check("the examples are built") as figure:
        made = run("cargo", "build", "--examples", "--quiet", cwd=REPOSITORY, timeout=600)
        expect(made.returncode == 0, made.stderr.decode(errors="replace"))
        built = sorted(path.stem for path in (REPOSITORY / "tests/examples").glob("*.rs"))
        expect(all((BUILT / name).is_file() for name in built), f"not all of {built}")
        figure.append(", ".join(built))
    with report.check("the page for those who know python-hyper has every name of it") as figure:
        figure.append(f"{names_of_hyper()} names")
    with tempfile.TemporaryDirectory(prefix="calmd-examples-") as place:
        place = Path(place)
        file = random_file(place / "file.bin", SIZE)
        with report.check("echo-blocking: the fields come back as JSON, to curl, nghttp and python-hyper"):
            fields(place)
        with report.check("files-mio: files under flow control, to curl, nghttp and python-hyper"):
            files(place, file)
        with report.check("echo-tokio: an upload comes back, from curl, python-hyper and client-blocking"):
            echo(file)
        with report.check("push-smol: a page comes with its style sheet"):
            push()
        with report.check("upgrade-blocking: curl and nghttp upgrade, HTTP/1.1 stays, HTTP/2 begins"):
            upgrade()
        with report.check("wsgi-threads: fifty blocking callables, four at a time"):
            wsgi()
        with report.check("tunnel-tokio: CONNECT carries bytes both ways and its end"):
            tunnel()
        with report.check("proxy-tokio: content, trailers and resets pass through it"):
            proxy(file)
        with report.check(f"fuzz: {FUZZ_ROUNDS} connections") as figure:
            done = run(BUILT / "fuzz", FUZZ_ROUNDS, timeout=120)
            expect_equal(done.returncode, 0, done.stderr.decode(errors="replace"))
            figure.append(done.stdout.decode().strip())


def names_of_hyper():
    """Looks for each public name of python-hyper in the page; their number."""
    # pylint: disable=import-outside-toplevel
    from h2 import config, connection, errors, events, exceptions, settings
    made = connection.H2Connection()
    names = {"ErrorCodes"} if errors.ErrorCodes else set()
    for thing in (connection.H2Connection, config.H2Configuration(), made):
        names |= {name for name in [*dir(thing), *vars(thing)] if not name.startswith("_")}
    names |= set(settings.SettingCodes.__members__) | {"ChangedSetting", "Settings"}
    for module in (events, exceptions):
        names |= {name for name, thing in vars(module).items()
                  if isinstance(thing, type) and thing.__module__ == module.__name__}
    for event in vars(events).values():
        if isinstance(event, type) and event.__module__ == events.__name__:
            names |= set(getattr(event, "__dataclass_fields__", {}))
    page = (REPOSITORY / "src/h2/guide/python_hyper.rs").read_text()
    # Words of another meaning elsewhere in the page would do as well: each stands as a name.
    missing = [name for name in sorted(names - {"Event"}) if f"`{name}`" not in page]
    expect(not missing, f"the page lacks {missing}")
    return len(names)


def curl(*arguments):
    """The output of curl with HTTP/2 from the first byte."""
    done = run("curl", "-sS", "--max-time", "30", "--http2-prior-knowledge", *arguments)
    expect_equal(done.returncode, 0, f"curl's exit code ({done.stderr.decode(errors='replace')})")
    return done.stdout


def nghttp(*arguments):
    """The output of nghttp."""
    done = run("nghttp", *arguments)
    expect_equal(done.returncode, 0, f"nghttp's exit code ({done.stderr.decode(errors='replace')})")
    return done.stdout


def response(client, stream):
    """The whole content of a response of python-hyper's."""
    client.until(lambda: stream in client.ended or stream in client.reset, "the response")
    expect(stream not in client.reset, f"{stream} was reset: {client.reset}")
    return client.bodies.get(stream, b"")


def post(client, path, content, padding=None, trailers=()):
    """A POST under flow control; its stream."""
    stream = client.get(path, "POST", end_stream=False)
    while content:
        room = min(client.h2.local_flow_control_window(stream), client.h2.max_outbound_frame_size) - 256
        if room <= 0:
            client.until(lambda: client.h2.local_flow_control_window(stream) > 256, "a window")
            continue
        client.h2.send_data(stream, content[:room], pad_length=padding)
        content = content[room:]
        client.flush()
    if trailers:
        client.h2.send_headers(stream, trailers, end_stream=True)
    else:
        client.h2.end_stream(stream)
    client.flush()
    return stream


def fields(place):
    """The echo of fields."""
    with Example("echo-blocking") as example:
        answer = json.loads(curl("-H", 'x-odd: "\\', f"{example.url}/a?b"))
        expect([":path", "/a?b"] in answer and ["x-odd", '"\\'] in answer, answer)
        answer = json.loads(nghttp(f"{example.url}/c", "-H", "x-long: " + "y" * 9_000))
        expect(["x-long", "y" * 9_000] in answer, answer)
        # Content is taken and not looked at.
        data = random_file(place / "data.bin", 300_000)
        answer = json.loads(curl("--data-binary", f"@{data}", f"{example.url}/d"))
        expect([":method", "POST"] in answer, answer)
        client = Client(example)
        streams = [client.get(f"/{n}") for n in range(100)]
        for number, stream in enumerate(streams):
            expect([":path", f"/{number}"] in json.loads(response(client, stream)), "its own path")
        client.close()
        done = run(BUILT / "client-blocking", f"127.0.0.1:{example.port}", "/client")
        expect([":path", "/client"] in json.loads(done.stdout), done.stderr)


def files(place, file):
    """The directory."""
    content = file.read_bytes()
    with Example("files-mio", place) as example:
        expect_equal(hashlib.sha256(curl(f"{example.url}/file.bin")).hexdigest(),
                     hashlib.sha256(content).hexdigest(), "curl's file")
        # Windows of 4 KiB.
        text = nghttp("-w", "12", "-W", "12", f"{example.url}/file.bin")
        expect(text == content, "nghttp's file")
        expect_equal(curl("-o", "/dev/null", "-w", "%{http_code}", f"{example.url}/../x", "--path-as-is"),
                     b"404", "the status outside the directory")
        client = Client(example)
        streams = [client.get("/file.bin") for _ in range(5)]
        client.h2.reset_stream(streams[2], 8)
        client.reset[streams[2]] = 8
        client.flush()
        for stream in streams[:2] + streams[3:]:
            expect(response(client, stream) == content, "the file")
        client.close()


def echo(file):
    """The echo of content."""
    content = file.read_bytes()
    with Example("echo-tokio") as example:
        expect(curl("--data-binary", f"@{file}", f"{example.url}/") == content, "curl's echo")
        done = run(BUILT / "client-blocking", f"127.0.0.1:{example.port}", "/", file)
        expect(done.stdout == content, f"client-blocking's echo ({done.stderr})")
        client = Client(example)
        stream = post(client, "/", content, padding=99, trailers=[("x-checksum", "none")])
        expect(response(client, stream) == content, "python-hyper's echo")
        client.close()


def push():
    """Pushed responses."""
    with Example("push-smol") as example:
        text = nghttp("-v", f"{example.url}/").decode()
        expect("recv PUSH_PROMISE" in text and "color: green" in text, text)
        expect(b"pushed" in curl(f"{example.url}/"), "curl takes no pushes and gets its page")
        client = Client(example)
        stream = client.get("/")
        client.until(lambda: {stream, 2} <= client.ended, "the page and its style sheet")
        expect(b"color: green" in client.bodies[2], client.bodies)
        client.close()


def upgrade():
    """Three ways to begin."""
    with Example("upgrade-blocking") as example:
        for option, version in (("--http2", b"2"), ("--http1.1", b"1.1"), ("--http2-prior-knowledge", b"2")):
            done = run("curl", "-sS", "--max-time", "30", option, "-w", "%{http_version}", f"{example.url}/")
            expect_equal(done.stdout, b"hello\n" + version, f"the answer to {option}")
        text = nghttp("-v", "--upgrade", f"{example.url}/").decode()
        expect("HTTP Upgrade success" in text or "101 Switching" in text, text)
        expect("hello" in text, text)
        client = Client(example)
        expect_equal(response(client, client.get("/")), b"hello\n", "python-hyper's answer")
        client.close()


def wsgi():
    """The application."""
    with Example("wsgi-threads") as example:
        expect_equal(curl("-d", "three short words", f"{example.url}/count"), b"3 words\n", "the count")
        expect_equal(curl("-o", "/dev/null", "-w", "%{http_code}", f"{example.url}/other"), b"404", "the status")
        expect(b"0 words" in nghttp(f"{example.url}/count"), "nghttp's count")
        client = Client(example)
        streams = [post(client, "/count", b"word " * number) for number in range(50)]
        for number, stream in enumerate(streams):
            expect_equal(response(client, stream), f"{number} words\n".encode(), "the count")
        client.close()


def tunnel():
    """CONNECT by curl, through the tunnel to another example, and by python-hyper to a socket."""
    with Example("tunnel-tokio") as example:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        client = Client(example)
        stream = client.h2.get_next_available_stream_id()
        client.h2.send_headers(stream, [(":method", "CONNECT"), (":authority", f"127.0.0.1:{port}")])
        client.flush()
        server, _ = listener.accept()
        server.settimeout(20)
        client.until(lambda: stream in client.heads, "the tunnel")
        expect_equal(client.heads[stream][":status"], "200", "the status")
        content = random.Random(2).randbytes(60_000)
        for part in range(0, len(content), 10_000):
            client.h2.send_data(stream, content[part:part + 10_000])
        client.h2.end_stream(stream)
        client.flush()
        received = b""
        while data := server.recv(65_536):
            received += data
        expect(received == content, "what went through the tunnel")
        server.sendall(content)
        server.close()
        client.until(lambda: stream in client.ended, "the end of the tunnel")
        expect(client.bodies[stream] == content, "what came back")
        stream = client.h2.get_next_available_stream_id()
        closed = free_ports(1)[0]
        client.h2.send_headers(stream, [(":method", "CONNECT"), (":authority", f"127.0.0.1:{closed}")])
        client.flush()
        client.until(lambda: stream in client.reset, "the refusal")
        expect_equal(int(client.reset[stream]), 10, "CONNECT_ERROR")
        client.close()
        text = run("nghttp", "-v", "-H", ":method: GET", f"{example.url}/").stdout.decode()
        expect(":status: 403" in text, text)


def proxy(file):
    """The reverse proxy in front of the echo, and in front of nothing."""
    content = file.read_bytes()
    with Example("echo-tokio") as behind, Example("proxy-tokio", f"127.0.0.1:{behind.port}") as example:
        expect(curl("--data-binary", f"@{file}", f"{example.url}/") == content, "curl's echo")
        expect(nghttp("-d", str(file), f"{example.url}/") == content, "nghttp's echo")
        client = Client(example)
        reset = client.get("/", "POST", end_stream=False)
        stream = post(client, "/", content, padding=9, trailers=[("x-checksum", "none")])
        client.h2.reset_stream(reset, 8)
        client.flush()
        expect(response(client, stream) == content, "python-hyper's echo")
        client.close()
        wait_for(lambda: curl("-d", "again", f"{example.url}/") == b"again", "the proxy goes on")
