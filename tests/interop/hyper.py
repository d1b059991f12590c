"""python-hyper's h2: an independent state machine that refuses whatever is not HTTP/2, with random
traffic, cuts, cancellations and settings."""

import hashlib
import random
import signal
import socket
import sys
import tempfile
from pathlib import Path

from harness import REPOSITORY, Server, expect, expect_equal

# .ci/run puts it there, unless it is installed.
sys.path.append(str(REPOSITORY / "target/python"))

# Sizes of the files that are served: around windows and frames.
SIZES = [0, 1, 1_000, 16_383, 16_384, 16_385, 65_535, 65_536, 300_000]

# Frame types.
PING, GOAWAY = 6, 7

SEEDS = 20
STEPS = 120


def checks(report, binary):
    """All checks of this group."""
    with report.check("python-hyper's h2 is installed") as figure:
        import h2  # pylint: disable=import-outside-toplevel
        figure.append(h2.__version__)
    site = Site()
    with Server(binary, site=site.path, options=("--demo",)) as server:
        site.fill()
        with report.check("hyper: a hundred requests at once, each answered with its file"):
            together(server, site)
        with report.check("hyper: a body is echoed whole, with padding and trailers"):
            echo(server)
        with report.check("hyper: random traffic, cuts, cancellations and settings") as figure:
            figure.append(f"{SEEDS} seeds of {STEPS} steps")
            for seed in range(SEEDS):
                try:
                    traffic(server, site, seed)
                except Exception as error:
                    raise AssertionError(f"seed {seed}: {error!r}") from error
        with report.check("hyper: the server leaves gracefully, in two steps"):
            goodbye(server)


def first_frame(data):
    """The frame that some bytes begin with, if they have all of it."""
    length = 9 + int.from_bytes(data[:3], "big")
    return data[:length] if len(data) >= max(length, 9) else None


class Site:
    """Files of the sizes that matter."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="calmd-hyper-")
        self.path = Path(self.directory.name)
        self.contents = {}

    def fill(self):
        """Writes the files."""
        noise = random.Random(0)
        for size in SIZES:
            self.contents[f"/{size}.bin"] = noise.randbytes(size)
        for path, content in self.contents.items():
            (self.path / path[1:]).write_bytes(content)


class Client:
    """A connection of python-hyper's, which raises if the server breaks a rule."""

    def __init__(self, server, cuts=None):
        import h2.config  # pylint: disable=import-outside-toplevel
        import h2.connection  # pylint: disable=import-outside-toplevel
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.cuts = cuts
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.bodies, self.heads, self.ended, self.reset = {}, {}, set(), {}
        self.received = b""
        self.pongs = 0
        self.acknowledged = 0
        self.flush()

    def flush(self):
        """Sends what waits: whole, or in random pieces."""
        data = self.h2.data_to_send()
        while data:
            size = len(data) if self.cuts is None else self.cuts.randint(1, 2_000)
            self.socket.sendall(data[:size])
            data = data[size:]

    def read(self):
        """Takes what has come; false at the end of the connection."""
        data = self.socket.recv(65_536 if self.cuts is None else self.cuts.randint(1, 65_536))
        if not data:
            return False
        self.received += data
        # A frame at a time: python-hyper looks at its largest frame once a call, so that one which is
        # right behind the acknowledgement that allows it would be refused.
        while frame := first_frame(self.received):
            self.received = self.received[len(frame):]
            for event in self.h2.receive_data(frame):
                self.handle(event)
        self.flush()
        return True

    def handle(self, event):
        """Notes what an event says."""
        import h2.events as events  # pylint: disable=import-outside-toplevel
        stream = getattr(event, "stream_id", None)
        if isinstance(event, events.ResponseReceived):
            expect(stream not in self.heads, f"two responses on {stream}")
            self.heads[stream] = dict(event.headers)
        elif isinstance(event, events.DataReceived):
            self.bodies[stream] = self.bodies.get(stream, b"") + event.data
            if stream not in self.reset:
                self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
        elif isinstance(event, events.StreamEnded):
            expect(stream not in self.ended, f"{stream} ends twice")
            self.ended.add(stream)
        elif isinstance(event, events.StreamReset):
            self.reset[stream] = event.error_code
        elif isinstance(event, events.PingAckReceived):
            self.pongs += 1
        elif isinstance(event, events.SettingsAcknowledged):
            self.acknowledged += 1
        elif isinstance(event, events.ConnectionTerminated):
            raise AssertionError(f"GOAWAY {event.error_code} {event.additional_data}")

    def get(self, path, method="GET", end_stream=True):
        """Begins a request; its stream."""
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, [(":method", method), (":scheme", "http"), (":path", path),
                                      (":authority", "localhost")], end_stream=end_stream)
        self.flush()
        return stream

    def until(self, condition, what):
        """Reads until something holds."""
        while not condition():
            expect(self.read(), f"the server closed before {what}")

    def close(self):
        """Ends the connection."""
        self.socket.close()


def together(server, site):
    """As many requests as the server allows, all at once."""
    client = Client(server)
    paths = list(site.contents)
    wanted = {client.get(paths[i % len(paths)]): paths[i % len(paths)] for i in range(100)}
    client.until(lambda: client.ended >= wanted.keys(), "all responses")
    for stream, path in wanted.items():
        expect_equal(client.heads[stream][":status"], "200", "the status")
        expect_equal(client.bodies.get(stream, b""), site.contents[path], f"the content of {path}")
    expect_equal(client.reset, {}, "the streams that were reset")
    client.close()


def echo(server):
    """An upload of many windows."""
    client = Client(server)
    body = random.Random(1).randbytes(1_500_000)
    stream = client.get("/echo", "POST", end_stream=False)
    sent = 0
    while sent < len(body):
        room = min(client.h2.local_flow_control_window(stream),
                   client.h2.max_outbound_frame_size) - 8
        if room <= 0:
            client.until(lambda: client.h2.local_flow_control_window(stream) > 8, "a window")
            continue
        client.h2.send_data(stream, body[sent:sent + room], pad_length=7)
        sent += len(body[sent:sent + room])
        client.flush()
    client.h2.send_headers(stream, [("x-checksum", "none")], end_stream=True)
    client.flush()
    client.until(lambda: stream in client.ended, "the end of the echo")
    expect_equal(hashlib.sha256(client.bodies[stream]).hexdigest(),
                 hashlib.sha256(body).hexdigest(), "the checksum")
    client.close()


def traffic(server, site, seed):
    """Random commands of a client that keeps the rules; every answer is right or was cancelled."""
    from h2.settings import SettingCodes  # pylint: disable=import-outside-toplevel
    chance = random.Random(seed)
    client = Client(server, cuts=chance)
    wanted, cancelled, pings, settings = {}, set(), 0, 0
    # python-hyper would take the acknowledgement of its first SETTINGS for that of the next.
    client.until(lambda: client.acknowledged == 1, "the acknowledgement of SETTINGS")
    for _ in range(STEPS):
        open_streams = [stream for stream in wanted
                        if stream not in client.ended and stream not in cancelled]
        choice = chance.random()
        if choice < 0.5 and len(open_streams) < 100:
            path = chance.choice(list(site.contents))
            wanted[client.get(path)] = path
        elif choice < 0.6 and open_streams and len(cancelled) < 10:
            stream = chance.choice(open_streams)
            client.h2.reset_stream(stream, 8)
            client.reset[stream] = 8
            cancelled.add(stream)
        elif choice < 0.65:
            client.h2.ping(chance.randbytes(8))
            pings += 1
        elif choice < 0.75 and settings < 20:
            client.h2.update_settings({
                SettingCodes.INITIAL_WINDOW_SIZE: chance.choice([0, 1_500, 65_535, 1 << 20]),
                SettingCodes.HEADER_TABLE_SIZE: chance.choice([0, 100, 4_096, 65_536]),
                SettingCodes.MAX_FRAME_SIZE: chance.choice([16_384, 20_000, (1 << 24) - 1]),
            })
            settings += 1
        elif choice < 0.8 and open_streams:
            client.h2.increment_flow_control_window(chance.randint(1, 100_000),
                                                    chance.choice(open_streams))
        elif choice < 0.85:
            client.h2.increment_flow_control_window(chance.randint(1, 100_000))
        elif pings > client.pongs:
            client.read()
        client.flush()
    # Windows that are open let everything come.
    client.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: (1 << 30)})
    client.h2.increment_flow_control_window(1 << 30)
    client.flush()
    expected = wanted.keys() - cancelled
    client.until(lambda: client.ended >= expected and client.pongs == pings, "all answers")
    for stream in expected:
        expect_equal(client.bodies.get(stream, b""), site.contents[wanted[stream]],
                     f"the content on stream {stream}")
    client.close()


def goodbye(server):
    """SIGTERM: a GOAWAY that allows what is on its way and a PING, then the GOAWAY that counts.
    python-hyper takes nothing behind a GOAWAY, so the frames are looked at as they are."""
    client = Client(server)
    stream = client.get("/300000.bin")
    client.until(lambda: stream in client.ended, "the response")
    server.signal(signal.SIGTERM)
    data = b""
    goaways = []
    while part := client.socket.recv(65_536):
        data += part
        while frame := first_frame(data):
            data = data[len(frame):]
            if frame[3] == GOAWAY:
                goaways.append((int.from_bytes(frame[9:13], "big"), frame[13:17]))
            elif frame[3] == PING:
                client.socket.sendall(frame[:4] + b"\1" + frame[5:])
    expect_equal(goaways, [((1 << 31) - 1, bytes(4)), (stream, bytes(4))], "what GOAWAY says")
    expect_equal(server.ends(10), 0, "the exit code")
    client.close()
