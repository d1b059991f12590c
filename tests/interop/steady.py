"""The good client: a request after the other at a steady pace, each on a connection of its own and
each to be answered whole, while others misbehave."""

import http.client
import ssl
import threading
import time

from harness import expect, expect_equal

# An address that nobody else uses: what the server holds against the misbehaving ones by their
# address is not held against this client.
ADDRESS = "127.0.0.2"

INTERVAL = 0.05

# Longer than any wait in the queue of a server that still serves, on a machine that is busy.
TIMEOUT = 10.0

# A median above this many seconds is noticed by people. It is steady on a busy machine, too.
NOTICED = 1.0


class SteadyClient:
    """Asks for a file again and again within the `with` block."""

    def __init__(self, server, scheme, path, content):
        self.port, self.path, self.content = server.port_of(scheme), path, content
        self.context = None
        if scheme == "https":
            self.context = ssl.create_default_context()
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE
        self.seconds = []
        self.failures = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._ask)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def _ask(self):
        while not self.ended.wait(INTERVAL):
            start = time.monotonic()
            try:
                self._ask_once()
            except Exception as error:  # whatever it is, the request has failed
                self.failures.append(repr(error))
            self.seconds.append(time.monotonic() - start)

    def _ask_once(self):
        options = {"timeout": TIMEOUT, "source_address": (ADDRESS, 0)}
        if self.context:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context,
                                                     **options)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, **options)
        try:
            connection.request("GET", self.path)
            answer = connection.getresponse()
            expect_equal(answer.status, 200, "the status")
            expect(answer.read() == self.content, "the content differs")
        finally:
            connection.close()

    def summary(self):
        """The outcome, for the report. Raises if a request failed."""
        expect(self.seconds, "no request was made")
        expect(not self.failures,
               f"{len(self.failures)} of {len(self.seconds)} requests failed: {self.failures[:3]}")
        ordered = sorted(self.seconds)
        median, p99 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
        expect(median < NOTICED, f"half of {len(ordered)} requests took longer than {median:.1f} s")
        return (f"{len(ordered)} requests, median {median * 1e3:.1f} ms, "
                f"p99 {p99 * 1e3:.1f} ms, longest {ordered[-1] * 1e3:.1f} ms")
