"""slowhttptest: thousands of slow clients at once, beside a good one that must not notice."""

import csv
import re
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from harness import Server, expect, expect_equal, mib, raise_descriptor_limit
from steady import TIMEOUT, SteadyClient

CONNECTIONS = 1_000

# Connections that slowhttptest has to make.
ENOUGH = 950

# A file of which nearly all is left when every socket buffer on the way is full.
LARGE = 20 << 20

PAGE = b"calm" * 1_000

# Those that run at the same time: what they are, slowhttptest's options, the path. Each run of
# slowhttptest keeps most of a core busy by looking at its sockets.
ATTACKS = [
    [
        ("slow headers", ("-H", "-i", "5", "-x", "24", "-t", "GET"), "/"),
        ("slow bodies", ("-B", "-i", "5", "-x", "24", "-s", "8192"), "/echo"),
    ],
    [
        ("slow reading", ("-X", "-n", "5", "-w", "10", "-y", "20", "-z", "32", "-k", "3"), "/large"),
        ("ranges", ("-R", "-a", "10", "-b", "3000", "-t", "GET"), "/large"),
    ],
]

# slowhttptest reads these connections too slowly to see that they were closed.
UNSEEN = "slow reading"

# slowhttptest ends as soon as none of its connections is open, and these are refused at once.
SHORT = "ranges"

# Connecting takes 5 s, and the last deadline has passed 25 s after that; more on a busy machine. An
# attack is over with its last connection, so that this is only how long it may take.
SECONDS = 120

# Seconds that slowhttptest waits for the answer to its probe: as long as the good client.
PROBE = int(TIMEOUT)

# Memory that an attacking connection may take at the worst moment. With TLS, 64 KiB of records wait
# for each slow reader, which is every other one.
PER_CONNECTION = {"http": 2 << 10, "https": 48 << 10}

# Memory that may be left afterwards: the allocator gives memory back from the top of its heap only, so
# that a hot file which was looked at again in the crowd may keep some of what lies beneath it.
LEFT = 2 << 20


def checks(report, binary):
    """All checks of this group."""
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        site = Path(place)
        (site / "index.html").write_bytes(PAGE)
        with open(site / "large", "wb") as large:
            large.truncate(LARGE)
        for scheme in PER_CONNECTION:
            with Server(binary, site=site, options=("--demo", "--slow-timeout", "20s")) as server:
                # The cost of the first run counts for no attacker.
                with SteadyClient(server, scheme, "/", PAGE):
                    time.sleep(1)
                before = server.anonymous(), at_rest(server)
                for attacks in ATTACKS:
                    attacked(report, server, scheme, attacks, *before)


def at_rest(server):
    """Its descriptors once the last of those who asked have gone."""
    least = server.descriptors()
    for _ in range(20):
        time.sleep(0.1)
        least = min(least, server.descriptors())
    return least


def attacked(report, server, scheme, attacks, memory, descriptors):
    """Some attacks at once."""
    peak = 0
    begin = time.monotonic()
    with ExitStack() as stack:
        attackers = [stack.enter_context(SlowHttpTest(server, scheme, *attack))
                     for attack in attacks]
        with SteadyClient(server, scheme, "/", PAGE) as client:
            while time.monotonic() - begin < SECONDS:
                time.sleep(0.25)
                peak = max(peak, server.anonymous())
                # The good client has one at times.
                if all(attacker.is_over() for attacker in attackers) \
                        and server.descriptors() <= descriptors + 1:
                    break
        seconds = time.monotonic() - begin
        # The server may hear of the good client's end a moment later.
        while (still_open := server.descriptors() - descriptors) > 0 \
                and time.monotonic() - begin < seconds + TIMEOUT:
            time.sleep(0.05)
    for attacker in attackers:
        with report.check(f"slowhttptest {scheme}: {attacker.name}, service available throughout") \
                as figure:
            figure.append(attacker.result())
    names = " and ".join(attacker.name for attacker in attackers)
    with report.check(f"slowhttptest {scheme}: {names}: the server closes all of them") as figure:
        expect_equal(still_open, 0, "the number of open connections")
        figure.append(f"after {seconds:.0f} s")
    with report.check(f"slowhttptest {scheme}: {names}: a good client is served") as figure:
        figure.append(client.summary())
    with report.check(f"slowhttptest {scheme}: {names}: memory is bounded and comes back") as figure:
        each = (peak - memory) / (CONNECTIONS * len(attacks))
        figure.append(f"at most {each:.0f} bytes a connection")
        expect(each <= PER_CONNECTION[scheme], figure[0])
        time.sleep(1)
        figure.append(f"{mib(server.anonymous())} afterwards, {mib(memory)} before")
        expect(server.anonymous() <= memory + LEFT, figure[1])


class SlowHttpTest:
    """One run of it, ended with the `with` block."""

    def __init__(self, server, scheme, name, options, path):
        self.name = name
        self.statistics = server.place / name
        self.command = ["slowhttptest", "-c", CONNECTIONS, "-r", CONNECTIONS // 5, "-l", SECONDS, "-p", PROBE,
                        *options, "-u", f"{scheme}://127.0.0.1:{server.port_of(scheme)}{path}",
                        "-g", "-o", self.statistics]
        self.console_path = server.place / f"{name}.console"
        self.process = None

    def __enter__(self):
        with open(self.console_path, "wb") as console:
            self.process = subprocess.Popen(list(map(str, self.command)), stdin=subprocess.DEVNULL,
                                            stdout=console, stderr=console,
                                            preexec_fn=raise_descriptor_limit)
        return self

    def __exit__(self, *_):
        # SIGINT makes it write its report.
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def is_over(self):
        """True if it has ended, or has made its connections and would not notice that it should end."""
        return self.process.poll() is not None or self.name == UNSEEN and self.has_connected()

    def has_connected(self):
        """True if it has made its connections, as its last lines say. A busy machine takes so long for all of
        them that the server has closed the first."""
        lines = self.console()
        counts = [re.findall(rf"{name}:\s+(\d+)", lines) for name in ("connected", "closed")]
        made = [int(connected) + int(closed) for connected, closed in zip(*counts)]
        return bool(made) and made[-1] >= ENOUGH

    def console(self):
        """The lines that it has printed, without colours."""
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", self.console_path.read_text(errors="replace"))

    def result(self):
        """Its report: seconds, each with the service available, and all connections made."""
        console = self.console()
        with open(f"{self.statistics}.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        expect(rows, f"no statistics: {console[-500:]}")
        # It writes the number of connections where the probe was answered in time, else 0.
        out = [row["Seconds"] for row in rows if int(row["Service Available"]) != CONNECTIONS]
        expect(not out, f"not available in the seconds {out}")
        made = max(int(row["Closed"]) + int(row["Connected"]) for row in rows)
        if self.name != SHORT:
            expect(made >= ENOUGH, f"only {made} connections: {console[-500:]}")
        if self.name != UNSEEN:
            expect("No open connections left" in console, f"it ended otherwise: {console[-300:]}")
        return f"{len(rows)} s, {made} connections"
