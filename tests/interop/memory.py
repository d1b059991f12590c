"""The server's memory: at its start, after load, and for idle connections."""

import subprocess
import tempfile
import time
from pathlib import Path

from harness import Server, expect, mib, random_file
from idle import IdleConnections
from load import REQUESTS, h2load

# Half a MiB of it is memory of its own, the rest pages of the binary (src/first.order). The kernel maps pages around
# those that were needed too, some hundred KiB more or less from one build to the next, and the C library counts for
# more where few other programs share it.
AT_START = 4_400 << 10
OURS_AT_START = 640 << 10
AFTER_LOAD = 8 << 20
CONNECTIONS = 2_000

# Seconds within which unused memory is given back, on a busy machine too.
PATIENCE = 15

# With --small, the whole process with idle TLS connections and downloads.
SMALL = 16 << 20
SMALL_CONNECTIONS = 1_000
SMALL_DOWNLOADS = 20

PER_CONNECTION = {"h2c": 2 << 10, "TLS": 8 << 10}


def checks(report, binary):
    """All checks of this group."""
    with Server(binary) as server:
        with report.check(f"PSS after the start is under {mib(AT_START)}") as figure:
            bounded(server.pss(), AT_START, figure)
        with report.check(f"memory of its own after the start is under {mib(OURS_AT_START)}") as figure:
            bounded(server.anonymous(), OURS_AT_START, figure)
        for url in (server.http, server.https):
            with report.check(f"PSS after {REQUESTS} requests to {url.split(':')[0]} is under "
                              f"{mib(AFTER_LOAD)}") as figure:
                h2load(f"{url}/", REQUESTS, "-c", "100", "-m", "32")
                bounded(at_last(server.pss, AFTER_LOAD), AFTER_LOAD, figure)
    for kind, bound in PER_CONNECTION.items():
        with Server(binary) as server:
            with report.check(f"{CONNECTIONS} idle {kind} connections, each under {bound} bytes") \
                    as figure:
                idle(server, kind, bound, figure)
    small(report, binary)


def small(report, binary):
    """The profile for hosts with little memory."""
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        site = Path(place)
        (site / "index.html").write_text("small")
        random_file(site / "large", 50_000_000)
        with Server(binary, site=site, options=("--small",)) as server:
            with report.check(f"--small: {SMALL_CONNECTIONS} idle TLS connections and {SMALL_DOWNLOADS} downloads "
                              f"take less than {mib(SMALL)}") as figure:
                with IdleConnections(server, "TLS", SMALL_CONNECTIONS) as connections:
                    most = downloading(server)
                    alive = connections.alive()
                expect(alive == SMALL_CONNECTIONS, f"only {alive} connections are still open")
                bounded(most, SMALL, figure)


def downloading(server):
    """The most memory while files are sent to slow readers."""
    command = ["curl", "-sSk", "--max-time", "60", "--limit-rate", "1M", "-o", "/dev/null", f"{server.https}/large"]
    clients = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for _ in range(SMALL_DOWNLOADS)]
    try:
        most = 0
        for _ in range(25):
            time.sleep(0.2)
            most = max(most, server.pss())
        expect(all(client.poll() is None for client in clients), "a download has ended")
    finally:
        for client in clients:
            client.kill()
            client.wait()
    return most


def idle(server, kind, bound, figure):
    """Connections that have had one request each and stay open."""
    # Libraries that the first connection makes the server load count for none of the others.
    with IdleConnections(server, kind, 1):
        pass
    time.sleep(0.5)
    before = server.pss()
    with IdleConnections(server, kind, CONNECTIONS) as connections:
        # Buffers are given back when a connection has been idle for a moment.
        each = at_last(lambda: (server.pss() - before) / CONNECTIONS, bound)
        figure.append(f"{each:.0f} bytes")
        alive = connections.alive()
        expect(alive == CONNECTIONS, f"only {alive} connections are still open")
    time.sleep(1.5)
    figure.append(f"{mib(server.pss())} after they closed ({mib(before)} before)")
    expect(each <= bound, figure[0])


def at_last(size, bound):
    """The size that is reached without further action: after two seconds, or later where it is still over its bound."""
    deadline = time.monotonic() + PATIENCE
    time.sleep(2)
    while (now := size()) > bound and time.monotonic() < deadline:
        time.sleep(0.5)
    return now


def bounded(size, bound, figure):
    """Notes the size, which must not be larger than the bound."""
    figure.append(mib(size))
    expect(size <= bound, mib(size))
