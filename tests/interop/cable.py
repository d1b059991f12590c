"""A cable that is cut: what becomes of connections whose peer has vanished without a word.

Server and client each have a network of their own, of nothing but a virtual cable between them
(network namespaces and a veth pair; they end with the processes in them). The client asks and then
the cable goes down, so that neither FIN nor RST tells the server of it.
"""

import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from harness import Server, expect, mib, random_file, wait_for

SERVER, CLIENT = "192.0.2.1", "192.0.2.2"

# Of each kind.
CONNECTIONS = 100

# More than all socket buffers on the way hold; and what fits the server's alone.
LARGE, SMALL = 20 << 20, 48 << 10

# The slow timeout is 30 s, of the server's own time: on a busy machine that passes later.
SLOW = ("--stall-timeout", "10s", "--slow-timeout", "30s")
CUT_OFF = 45

# Later than that, by as much as a busy machine may take to make all connections: the first of them has
# been idle since then.
KEEP_ALIVE = 65

# Seconds that a busy machine may be late.
TOLERANCE = 20

# Memory of all connections that the allocator may keep.
LEFT = 1 << 20


def checks(report, binary):
    """All checks of this group."""
    with report.check("a cable is cut: connections with data that waits go within "
                      f"{CUT_OFF} s, others after the keep-alive timeout, and their memory") \
            as figure, tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        site = Path(place)
        random_file(site / "large", LARGE)
        random_file(site / "small", SMALL)
        with namespace() as near, namespace(near) as far:
            connect(near, far)
            options = ("--keep-alive-timeout", f"{KEEP_ALIVE}s", *SLOW)
            with IsolatedServer(near, binary, site=site, options=options) as server:
                cut(server, far, figure)


def cut(server, far, figure):
    """Cuts the cable under three kinds of connections."""
    with client(far, server, 1):
        # The cost of the first time counts for none of the others.
        pass
    wait_for(lambda: server.sockets() == 0, "the first connections end")
    # Files that nobody needs any more stay open for two seconds.
    time.sleep(3)
    before, descriptors = server.anonymous(), server.descriptors()
    with client(far, server, CONNECTIONS):
        during = server.anonymous()
        expect(server.sockets() == 3 * CONNECTIONS, f"{server.sockets()} connections")
        far.ip("link", "set", "far", "down")
        start = time.monotonic()
        # The server does not wait for bytes that the kernel has taken to the end.
        wait_for(lambda: server.sockets() == 2 * CONNECTIONS,
                 f"a third of {3 * CONNECTIONS} connections goes", CUT_OFF)
        figure.append(f"{time.monotonic() - start:.0f} s")
        wait_for(lambda: server.sockets() == 0, "the idle ones go",
                 KEEP_ALIVE + TOLERANCE - (time.monotonic() - start))
        figure.append(f"{time.monotonic() - start:.0f} s")
    expect(time.monotonic() - start > CUT_OFF, "the idle ones did not have their time")
    expect(server.descriptors() == descriptors, "descriptors are left over")
    after = server.anonymous()
    figure.append(f"{mib(before)} before, {mib(during)} during, {mib(after)} after")
    expect(after <= before + LEFT, figure[-1])


class Namespace:
    """A network of its own, that lives as long as a process in it."""

    def __init__(self, process):
        self.process = process

    def command(self, *command):
        """The command that runs this one there."""
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", "--target", str(self.process.pid), *user, "--net", "--", *command]

    def ip(self, *arguments):
        """Runs ip(8) there."""
        run_or_explain(self.command("ip", *arguments))


@contextmanager
def namespace(beside=None):
    """Makes one; the second needs the rights that whoever made the first has there."""
    rights = [] if beside or os.geteuid() == 0 else ["--map-root-user"]
    command = ["unshare", *rights, "--net", "--", "sleep", "infinity"]
    process = subprocess.Popen(beside.command(*command) if beside else command,
                               stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: process.poll() is not None or is_ready(process), "a network namespace")
        if process.poll() is not None:
            raise AssertionError("cannot make network namespaces, which needs root or user "
                                 f"namespaces: {process.stderr.read().decode()}")
        yield Namespace(process)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def is_ready(process):
    """True if unshare(1) has made the namespace: then it has become sleep(1)."""
    return Path(f"/proc/{process.pid}/comm").read_text().strip() == "sleep"


def run_or_explain(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    expect(done.returncode == 0, f"{' '.join(command)}: {done.stderr.decode()}")


def connect(near, far):
    """Lays the cable."""
    near.ip("link", "add", "near", "type", "veth", "peer", "name", "far",
            "netns", str(far.process.pid))
    for end, name, address in (near, "near", SERVER), (far, "far", CLIENT):
        end.ip("address", "add", f"{address}/24", "dev", name)
        end.ip("link", "set", name, "up")


class IsolatedServer(Server):
    """A server in a namespace."""

    def __init__(self, place, *arguments, **options):
        super().__init__(*arguments, **options)
        self.command = place.command(*self.command)

    def listens(self):
        return "https://" in self.output()

    def sockets(self):
        """The number of its connections."""
        ports = {f"{port:04X}" for port in self.ports}
        count = 0
        for line in self.tcp_table():
            _, local, _, state, *_, inode = line.split()[:10]
            # A socket that the process has closed has no inode; 0A is a listener.
            if local.rsplit(":", 1)[1] in ports and state != "0A" and inode != "0":
                count += 1
        return count

    def tcp_table(self):
        """The lines of the namespace's table of TCP sockets."""
        for file in "tcp", "tcp6":
            path = Path(f"/proc/{self.process.pid}/net/{file}")
            yield from path.read_text().splitlines()[1:]


@contextmanager
def client(place, server, count):
    """Runs `main` below at the other end, from when all its connections are as they should be."""
    numbers = server.port, server.tls_port, count
    command = place.command(sys.executable, __file__, *map(str, numbers))
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        expect(process.stdout.readline() == b"ready\n", "the client did not get what it asked for")
        yield
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def main(port, tls_port, count):
    """The client: as many downloads that are read slowly, that are not read, and idle connections."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    downloads = [context.wrap_socket(ask(tls_port)) for _ in range(count)]
    for download in downloads:
        request(download, "/large")
        download.recv(1 << 10)
    # Less than the small file fits this end.
    unread = [ask(port, receive_buffer=4 << 10) for _ in range(count)]
    for connection in unread:
        request(connection, "/small")
        connection.recv(1)
    idle = [ask(port) for _ in range(count)]
    for connection in idle:
        request(connection, "/none")
        while not connection.recv(1 << 16).endswith(b"</html>\n"):
            pass
    time.sleep(0.5)
    print("ready", flush=True)
    while True:
        time.sleep(0.2)
        for download in downloads:
            download.recv(1 << 10)


def ask(port, receive_buffer=None):
    """A connection to the server."""
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.connect((SERVER, port))
    return connection


def request(connection, path):
    """Asks for a file."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {SERVER}\r\n\r\n".encode())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
