"""`calmd get` against a server on python-hyper's h2, which refuses whatever is not HTTP/2: random cuts,
padding, settings, refusals and leaving."""

import random
import socket
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

from harness import REPOSITORY, expect, expect_equal, random_file, run

# .ci/run puts it there, unless it is installed.
sys.path.append(str(REPOSITORY / "target/python"))

PREFACE = 24

# Sizes of what is served: around windows and frames.
SIZES = [0, 1, 1_000, 16_383, 16_384, 16_385, 65_535, 65_536, 300_000]

UPLOAD = 1_500_000

SEEDS = 12

# The window of uploads, most of the time.
WIDE = 1 << 20

# Error codes (RFC 9113 §7).
REFUSED_STREAM = 7

HINTS = [(":status", "103"), ("link", "</style.css>; rel=preload")]


def checks(report, binary):
    """All checks of this group."""
    import h2  # pylint: disable=import-outside-toplevel,unused-import
    with tempfile.TemporaryDirectory(prefix="calmd-hyper-") as place:
        upload = random_file(Path(place) / "upload", UPLOAD)
        with report.check("calmd get from python-hyper: every size, random cuts, settings") as figure:
            figure.append(f"{SEEDS} seeds")
            for seed in range(SEEDS):
                sizes(binary, seed)
        with report.check("calmd get to python-hyper: an upload under changing windows"):
            for seed in range(SEEDS):
                echo(binary, upload, seed)
        with report.check("calmd get from python-hyper: 300 requests, 30 at a time"):
            together(binary)
        with report.check("calmd get from python-hyper: refused streams are tried again"):
            refused(binary)
        with report.check("calmd get from python-hyper: a server that leaves after each response"):
            leaving(binary)
        with report.check("calmd get from python-hyper: 1xx, trailers and a push"):
            extras(binary)


def content(size):
    """The file of a size."""
    return random.Random(size).randbytes(size)


def get(binary, *arguments, succeeds=True):
    """Runs the client to its end."""
    done = run(binary, "get", "--max-time", "50s", *arguments)
    expect(not succeeds or done.returncode == 0, f"{done.returncode}: {done.stderr.decode()[-500:]}")
    return done


class Handler:
    """Answers whole requests. What is random about a connection comes from its seed; without one
    nothing is."""

    seed = None

    def __init__(self):
        self.connections = 0
        self.failures = []

    def answer(self, peer, stream):
        """A file of the size that the path says, or what was sent."""
        path = peer.requests[stream][":path"]
        body = peer.bodies[stream] if path == "/echo" else content(int(path[1:]))
        peer.respond(stream, body)


@contextmanager
def serving(handler):
    """A server for the time of a check, which fails if the client broke a rule."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener, handler), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        # Wakes the thread that accepts.
        listener.shutdown(socket.SHUT_RDWR)
    expect_equal(handler.failures, [], "what python-hyper found wrong")


def accept(listener, handler):
    """A thread for every connection."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        handler.connections += 1
        threading.Thread(target=serve, args=(connection, handler), daemon=True).start()


def serve(connection, handler):
    """A connection to its end; what is wrong with it is noted."""
    with connection:
        try:
            Peer(connection, handler).serve()
        except OSError:
            pass  # the client has left, which the check sees by itself
        except Exception as error:  # whatever it is, the client or this server is wrong
            handler.failures.append(repr(error))


class Peer:
    """One connection."""

    def __init__(self, connection, handler):
        import h2.config  # pylint: disable=import-outside-toplevel
        import h2.connection  # pylint: disable=import-outside-toplevel
        connection.settimeout(60)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self.handler = handler
        self.chance = None if handler.seed is None else random.Random(handler.seed)
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(config)
        self.requests, self.bodies, self.waiting, self.trailers = {}, {}, {}, {}
        self.owed = []
        self.settled = False
        self.leaving = False

    def serve(self):
        """Until either side has left."""
        self.h2.initiate_connection()
        received = b""
        # A frame at a time: python-hyper looks at its largest frame once a call.
        wanted = PREFACE
        while not self.leaving:
            self.flush()
            data = self.socket.recv(self.any(65_536))
            if not data:
                return
            received += data
            # It takes nothing behind a GOAWAY of either side.
            while not self.leaving and len(received) >= (wanted or frame_length(received)):
                length = wanted or frame_length(received)
                for event in self.h2.receive_data(received[:length]):
                    self.handle(event)
                received, wanted = received[length:], 0
            if not self.leaving:
                self.act()
                self.pump()
        self.flush()
        # Not a reset, which could overtake what was sent.
        self.socket.shutdown(socket.SHUT_WR)
        while self.socket.recv(65_536):
            pass

    def any(self, most):
        """A number up to this one; without chance this one."""
        return self.chance.randint(1, most) if self.chance else most

    def flush(self):
        """Sends what waits: whole, or in random pieces."""
        data = self.h2.data_to_send()
        while data:
            size = self.any(len(data))
            self.socket.sendall(data[:size])
            data = data[size:]

    def handle(self, event):
        """Notes what an event says."""
        import h2.events as events  # pylint: disable=import-outside-toplevel
        stream = getattr(event, "stream_id", None)
        if isinstance(event, events.RequestReceived):
            self.requests[stream] = dict(event.headers)
            self.bodies[stream] = b""
        elif isinstance(event, events.DataReceived):
            self.bodies[stream] += event.data
            self.owed.append((stream, event.flow_controlled_length))
        elif isinstance(event, events.StreamEnded):
            self.handler.answer(self, stream)
        elif isinstance(event, events.StreamReset):
            self.waiting.pop(stream, None)
        elif isinstance(event, events.SettingsAcknowledged):
            self.settled = True
        elif isinstance(event, events.ConnectionTerminated):
            expect_equal(event.error_code, 0, "the code of GOAWAY")
            self.leaving = True

    def act(self):
        """Actions that a server may take meanwhile."""
        from h2.settings import SettingCodes  # pylint: disable=import-outside-toplevel
        if self.settled and self.h2.local_settings.initial_window_size < WIDE:
            # A small window is for one round trip: python-hyper looks at what it owes when content
            # comes, and none comes through a window that is less than used up.
            self.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: WIDE})
            self.settled = False
        elif self.chance and self.settled and self.chance.random() < 0.3:
            self.h2.update_settings({
                SettingCodes.INITIAL_WINDOW_SIZE: self.chance.choice([0, 1_500, 65_535, WIDE]),
                SettingCodes.HEADER_TABLE_SIZE: self.chance.choice([0, 100, 4_096, 65_536]),
                SettingCodes.MAX_FRAME_SIZE: self.chance.choice([16_384, 20_000, (1 << 24) - 1]),
            })
            # Its acknowledgement would be taken for that of the next.
            self.settled = False
        if self.chance and self.chance.random() < 0.3:
            self.h2.ping(self.chance.randbytes(8))
        for stream, length in self.owed:
            self.h2.acknowledge_received_data(length, stream)
        self.owed.clear()

    def respond(self, stream, body, status="200", trailers=None):
        """Begins a response."""
        end = not body and not trailers
        self.h2.send_headers(stream, [(":status", status), ("server", "python-hyper")],
                             end_stream=end)
        if not end:
            self.waiting[stream], self.trailers[stream] = body, trailers

    def pump(self):
        """Sends what the client's windows take."""
        for stream, body in list(self.waiting.items()):
            while True:
                padding = self.chance.choice([None, 0, 7, 255]) if self.chance else None
                room = min(self.h2.local_flow_control_window(stream),
                           self.h2.max_outbound_frame_size)
                room -= 0 if padding is None else padding + 1
                part = body[:self.any(room)] if room > 0 else b""
                if body and not part:
                    break
                body = body[len(part):]
                trailers = self.trailers[stream]
                self.h2.send_data(stream, part, end_stream=not body and not trailers,
                                  pad_length=padding)
                if not body:
                    if trailers:
                        self.h2.send_headers(stream, trailers, end_stream=True)
                    break
            self.waiting[stream] = body
            if not body:
                del self.waiting[stream]
            self.flush()


def frame_length(data):
    """The length of the frame that some bytes begin with."""
    return 9 + int.from_bytes(data[:3], "big") if len(data) >= 9 else 9


def sizes(binary, seed):
    """Every file, one after the other on one connection."""
    handler = Handler()
    handler.seed = seed
    with serving(handler) as url:
        done = get(binary, *(f"{url}/{size}" for size in SIZES))
    expect(done.stdout == b"".join(map(content, SIZES)), f"seed {seed}: the content differs")
    expect_equal(handler.connections, 1, "the connections")


def echo(binary, upload, seed):
    """An upload that comes back."""
    handler = Handler()
    handler.seed = seed
    with serving(handler) as url:
        done = get(binary, "-d", upload, f"{url}/echo")
    expect(done.stdout == upload.read_bytes(), f"seed {seed}: the content differs")


def together(binary):
    """Many at a time."""
    handler = Handler()
    with serving(handler) as url:
        done = get(binary, "-n", "300", "-m", "30", f"{url}/20000")
    text = done.stdout.decode()
    expect("statuses  200: 300\n" in text and " 6.00 MB of content" in text, text)
    expect_equal(handler.connections, 1, "the connections")


def refused(binary):
    """The first connection refuses what the second answers."""
    class Refusing(Handler):
        """Refuses all requests of its first connection."""

        def answer(self, peer, stream):
            if self.connections == 1:
                peer.h2.reset_stream(stream, REFUSED_STREAM)
            else:
                super().answer(peer, stream)

    handler = Refusing()
    with serving(handler) as url:
        done = get(binary, f"{url}/1000")
    expect(done.stdout == content(1_000), "the content differs")
    expect_equal(handler.connections, 2, "the connections")


def leaving(binary):
    """Every response is followed by GOAWAY."""
    class Leaving(Handler):
        """Leaves when it has answered."""

        def answer(self, peer, stream):
            super().answer(peer, stream)
            peer.pump()
            expect(not peer.waiting, "a response within the first windows")
            peer.h2.close_connection(last_stream_id=stream)
            peer.leaving = True

    handler = Leaving()
    with serving(handler) as url:
        done = get(binary, *(f"{url}/{size}" for size in [1_000, 2_000, 3_000]))
    expect(done.stdout == b"".join(map(content, [1_000, 2_000, 3_000])), "the content differs")
    expect_equal(handler.connections, 3, "the connections")


def extras(binary):
    """The other parts of a response."""
    class Generous(Handler):
        """Says more than was asked for."""

        def answer(self, peer, stream):
            pushed = peer.h2.get_next_available_stream_id()
            request = [(":method", "GET"), (":scheme", "http"), (":path", "/style.css"),
                       (":authority", peer.requests[stream][":authority"])]
            peer.h2.push_stream(stream, pushed, request)
            peer.h2.send_headers(stream, HINTS)
            peer.respond(pushed, b"body {}")
            peer.respond(stream, b"page", trailers=[("x-checksum", "none")])

    with serving(Generous()) as url:
        done = get(binary, "--push", f"{url}/")
    expect_equal(done.stdout, b"page", "the content")
    text = done.stderr.decode()
    expect("pushed" in text and "/style.css: 200, 7 B" in text, text)
