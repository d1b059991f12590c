"""Chromium's priorities: an image that turns out to be visible overtakes those that do not.

The line between the browser and the server stands still from the first images on until the server has
heard that one has become visible, and the server's trace tells the order of all frames. So nothing
depends on how fast the browser or the machine is.
"""

import os
import re
import socket
import struct
import tempfile
import threading
import zlib
from pathlib import Path

from devtools import Chromium
from harness import Server, expect, mib, wait_for

IMAGES = 40

# A picture of so many pixels in either direction has 249 KB.
SIDE = 288

# The line stands still behind as many bytes: the page is through, and most images have not begun. What
# the server and the sockets hold ahead is some 500 KB more, of 10 MB.
PASSED = 600_000

# Socket buffers on the line, so that not much is ahead.
BUFFER = 32 << 10

# On a machine that has much else to do.
PATIENCE = 60

# The urgency that Chromium means by a weight.
URGENCIES = {256: 0, 220: 1, 183: 2, 147: 3, 110: 4, 74: 5}

# At least as many images that are less urgent must be on their way when the frame comes, or overtaking
# them shows nothing.
OTHERS = 20

FRAME = re.compile(r"\] \S+ #\d+: ([←→]) ([A-Z_]+) (\d+) ?(.*)$")
FIELD = re.compile(r"\] \S+ #\d+: ←   (:path|priority): (.*)$")


def checks(report, binary):
    """All checks of this group."""
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        site = Path(place)
        gallery(site)
        options = ("--log-level", "trace")
        with report.check(f"the visible one of {IMAGES} images overtakes the others") as figure, \
                Server(binary, site, options=options) as server, \
                Line(server.tls_port) as line, Chromium() as browser:
            order = load(server, line, browser)
            at = order.index(IMAGES - 1) + 1
            ahead, others = overtaken(server.output())
            figure.append(f"number {at}, {others} others were on their way, {mib(ahead)} of its own "
                          "urgency went ahead")


def load(server, line, browser):
    """Loads the page, whose last image becomes visible while the line stands still; the order in which
    images came to the browser."""
    browser.call("Emulation.setDeviceMetricsOverride", width=1000, height=800,
                 deviceScaleFactor=1, mobile=False)
    browser.call("Page.navigate", url=f"https://localhost:{line.port}/")
    wait_for(lambda: len(Trace(server.output()).paths) > IMAGES, "all images are asked for", PATIENCE)
    # That the browser has laid the page out, it knows where images are.
    wait_for(lambda: browser.evaluate(f"document.images.length == {IMAGES}"), "the layout", PATIENCE)
    browser.evaluate(f"document.images[{IMAGES - 1}].style.top = 0; 0")
    wait_for(lambda: Trace(server.output()).raised, "Chromium's PRIORITY frame", PATIENCE)
    line.go_on()
    wait_for(lambda: browser.evaluate("document.readyState") == "complete", "the page", PATIENCE)
    expect(not browser.failures, browser.failures)
    order = browser.evaluate(
        "performance.getEntriesByType('resource').filter(e => e.name.includes('image'))"
        ".sort((a, b) => a.responseEnd - b.responseEnd)"
        ".map(e => e.name.match(/image(\\d+)/)[1]).join()")
    order = [int(number) for number in order.split(",")]
    expect(len(order) == IMAGES, f"{len(order)} images have come: {order}")
    return order


class Trace:
    """The frames of the server's log, as far as it goes."""

    def __init__(self, text):
        # The streams' paths and urgencies, as their requests say.
        self.paths, self.urgencies = {}, {}
        # Frames of content behind the frame that raised the visible image: (stream, bytes, whether its last).
        self.raised = None
        self.ended, self.begun, self.behind = set(), set(), []
        stream = None
        for line in text.splitlines():
            if frame := FRAME.search(line):
                stream = int(frame[3])
                self._note(frame[1], frame[2], stream, frame[4])
            elif field := FIELD.search(line):
                if field[1] == ":path":
                    expect(stream not in self.paths, f"stream {stream} is on two connections")
                    self.paths[stream] = field[2]
                    self.urgencies[stream] = 3
                elif urgency := re.search(r"\bu=(\d)", field[2]):
                    self.urgencies[stream] = int(urgency[1])

    def _note(self, arrow, kind, stream, details):
        if kind == "DATA" and arrow == "→":
            self.begun.add(stream)
            last = "END_STREAM" in details
            if self.raised is None:
                self.ended |= {stream} if last else set()
            else:
                length = int(re.search(r"(\d+) bytes", details)[1])
                self.behind.append((stream, length, last))
        elif kind == "PRIORITY" and self.raised is None:
            urgency = URGENCIES.get(int(re.search(r"weight (\d+)", details)[1]))
            if urgency is not None:
                self.urgencies[stream] = urgency
            if self.paths.get(stream) == f"/image{IMAGES - 1}.png":
                self.raised = stream


def overtaken(log):
    """Sees that nothing less urgent than the visible image went before it once its frame had come; how
    much as urgent did, and how many less urgent images were on their way."""
    trace = Trace(log)
    visible = trace.raised
    expect(visible not in trace.ended, "its image had ended when the frame came")
    mine = trace.urgencies[visible]
    others = {stream for stream, path in trace.paths.items()
              if path.startswith("/image") and trace.urgencies[stream] > mine
              and stream not in trace.ended}
    expect(len(others) >= OTHERS, f"only {len(others)} less urgent ones were on their way")
    expect(others & trace.begun, "none of them had begun")
    ahead = 0
    for stream, length, last in trace.behind:
        if stream == visible:
            if last:
                return ahead, len(others)
        else:
            expect(stream not in others,
                   f"{trace.paths[stream]} (urgency {trace.urgencies[stream]}) went before the visible "
                   f"one (urgency {mine}), which had been raised")
            ahead += length
    raise AssertionError("the visible image has not ended")


def gallery(site):
    """A page whose images are all far below its end."""
    tags = []
    for number in range(IMAGES):
        (site / f"image{number}.png").write_bytes(picture())
        tags.append(f'<img src="image{number}.png" style="position:absolute;'
                    f'top:{20_000 + 1_000 * number}px;width:600px;height:600px">')
    (site / "index.html").write_text("<!doctype html><title>gallery</title>" + "".join(tags))


def picture():
    """A PNG of noise. Of what is no picture, Chromium resets the stream after the first bytes."""
    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))
    rows = b"".join(b"\0" + os.urandom(3 * SIDE) for _ in range(SIDE))
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 0))
            + chunk(b"IEND", b""))


class Line:
    """A line to a port, that stands still in the direction of the browser behind its first bytes."""

    def __init__(self, port):
        self.to = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open = threading.Event()

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.open.set()
        self.listener.close()

    def go_on(self):
        """Lets everything pass from now on."""
        self.open.set()

    def _accept(self):
        while True:
            try:
                browser, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket()
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            server.connect(("127.0.0.1", self.to))
            browser.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
            for source, sink, passed in [(browser, server, None), (server, browser, PASSED)]:
                threading.Thread(target=self._pass_on, args=(source, sink, passed),
                                 daemon=True).start()

    def _pass_on(self, source, sink, passed):
        try:
            while part := source.recv(16 << 10):
                sink.sendall(part)
                if passed is not None:
                    passed -= len(part)
                    if passed < 0:
                        self.open.wait()
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()
            sink.close()
