"""Chromium, driven over a pipe by the DevTools protocol: navigating, reloading, and hearing of every
request that fails."""

import fcntl
import json
import os
import select
import subprocess
import tempfile
import time

from browser import OPTIONS
from harness import expect

# No page takes this long.
PATIENCE = 60

# Chromium's message about a request that it cancelled itself.
CANCELLED = "net::ERR_ABORTED"


class Chromium:
    """A page in a browser of its own, within the `with` block."""

    def __init__(self, *options):
        self.options = options
        self.place = tempfile.TemporaryDirectory(prefix="calmd-interop-",
                                                 ignore_cleanup_errors=True)
        self.process = None
        self.received = b""
        self.number = 0
        self.session = None
        # What became of requests, and which loaders have brought their page and all that it consists of.
        self.asked = 0
        self.finished = 0
        self.failures = []
        self.loaded = set()

    def __enter__(self):
        theirs_in, self.commands = os.pipe()
        self.answers, theirs_out = os.pipe()
        # Chromium reads commands from descriptor 3 and writes answers to 4. bash puts them there,
        # from where they are in nobody's way.
        passed = [fcntl.fcntl(each, fcntl.F_DUPFD, 20) for each in (theirs_in, theirs_out)]
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{passed[0]} 4>&{passed[1]}', "bash", "chromium", *OPTIONS, *self.options,
             "--remote-debugging-pipe", f"--user-data-dir={self.place.name}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=passed)
        for each in (theirs_in, theirs_out, *passed):
            os.close(each)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target,
                                 flatten=True)["sessionId"]
        self.call("Network.enable")
        self.call("Page.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.commands)
        os.close(self.answers)
        self.place.cleanup()

    def reload(self):
        """Loads the page anew, or the one that is about to replace it."""
        try:
            self.call("Page.reload", ignoreCache=True)
        except AssertionError as error:
            # Between two pages there is none.
            expect("Not attached to an active page" in str(error), error)

    def call(self, method, **parameters):
        """A command and its result."""
        self.number += 1
        command = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.commands, json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while True:
            message = self._message(deadline)
            expect(message, f"{method}: no answer within {PATIENCE} s")
            if message.get("id") == self.number:
                expect("result" in message, f"{method}: {message}")
                return message["result"]

    def watch(self, seconds):
        """Hears of what happens for a while."""
        deadline = time.monotonic() + seconds
        while self._message(deadline):
            pass

    def load(self, url):
        """Goes to a page and waits until it has loaded with all that it consists of. The page before it
        may end its own load meanwhile."""
        loader = self.call("Page.navigate", url=url)["loaderId"]
        deadline = time.monotonic() + PATIENCE
        while loader not in self.loaded:
            expect(self._message(deadline), f"the page has not loaded within {PATIENCE} s")

    def evaluate(self, expression):
        """The value of an expression in the page."""
        return self.call("Runtime.evaluate", expression=expression)["result"].get("value")

    def _message(self, deadline):
        """The next message, or `None` at the deadline."""
        while b"\0" not in self.received:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.answers], [], [], left)[0]:
                return None
            part = os.read(self.answers, 1 << 16)
            expect(part, "Chromium has ended")
            self.received += part
        text, _, self.received = self.received.partition(b"\0")
        message = json.loads(text)
        self._note(message.get("method"), message.get("params", {}))
        return message

    def _note(self, event, parameters):
        if event == "Network.requestWillBeSent":
            self.asked += 1
        elif event == "Network.loadingFinished":
            self.finished += 1
        elif event == "Network.loadingFailed" and parameters["errorText"] != CANCELLED:
            self.failures.append(parameters["errorText"])
        elif event == "Page.lifecycleEvent" and parameters["name"] == "load":
            self.loaded.add(parameters["loaderId"])
