"""Chromium's priorities: an image that turns out to be visible overtakes those that do not."""

import socket
import tempfile
import threading
import time
from pathlib import Path

from devtools import Chromium
from harness import Server, expect, random_file

IMAGES = 40
SIZE = 250_000

# Bytes a second between the browser and the server: all images take some ten seconds, and a frame of
# Chromium's is heard long before their end, on a busy machine too.
RATE = 1_000_000

# What is on its way when the frame comes: the sockets' buffers, and what the server has written ahead.
BUFFER = 32 << 10

# The visible image is the last of the page's markup. Some of the first are raised as well, since
# Chromium takes the first five large ones for visible before it knows where they are, and some have come
# before it knows on a busy machine. Where frames are not heard, it is number 14 at the best.
PLACE = 12


def checks(report, binary):
    """All checks of this group."""
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        site = Path(place)
        gallery(site)
        with Server(binary, site) as server, Line(server.tls_port) as line, Chromium() as browser:
            with report.check(f"the visible one of {IMAGES} images overtakes the others") as figure:
                browser.call("Emulation.setDeviceMetricsOverride", width=1000, height=800,
                             deviceScaleFactor=1, mobile=False)
                loads = browser.loads
                browser.call("Page.navigate", url=f"https://localhost:{line.port}/")
                while browser.loads == loads:
                    browser.wait_for_load()
                order = browser.evaluate(
                    "performance.getEntriesByType('resource').filter(e => e.name.includes('image'))"
                    ".sort((a, b) => a.responseEnd - b.responseEnd)"
                    ".map(e => e.name.match(/image(\\d+)/)[1]).join()")
                order = [int(number) for number in order.split(",")]
                expect(len(order) == IMAGES, f"{len(order)} images have come: {order}")
                expect(not browser.failures, browser.failures)
                at = order.index(IMAGES - 1) + 1
                expect(at <= PLACE, f"it came as number {at}, behind {order[:at]}")
                figure.append(f"number {at}, then {order[at:at + 5]} ...")


def gallery(site):
    """A page whose images are all far below its end but for the last."""
    tags = []
    for number in range(IMAGES):
        random_file(site / f"image{number}.bin", SIZE)
        top = 0 if number == IMAGES - 1 else 20_000 + 1_000 * number
        tags.append(f'<img src="image{number}.bin" style="position:absolute;top:{top}px;'
                    'width:600px;height:600px">')
    (site / "index.html").write_text("<!doctype html><title>gallery</title>" + "".join(tags))


class Line:
    """A slow line to a port, in the server's direction as fast as it can."""

    def __init__(self, port):
        self.to = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.ended = threading.Event()

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.listener.close()

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
            for source, sink, rate in [(browser, server, None), (server, browser, RATE)]:
                threading.Thread(target=self._pass_on, args=(source, sink, rate),
                                 daemon=True).start()

    def _pass_on(self, source, sink, rate):
        begin, passed = time.monotonic(), 0
        try:
            while not self.ended.is_set():
                part = source.recv(16 << 10)
                if not part:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(part)
                if rate:
                    passed += len(part)
                    early = passed / rate - (time.monotonic() - begin)
                    if early > 0:
                        time.sleep(early)
                    elif early < -0.1:
                        begin, passed = time.monotonic(), 0
        except OSError:
            source.close()
            sink.close()
