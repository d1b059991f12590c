"""Several processes on one port: sessions that all of them resume, and connections that the kernel spreads."""

import os
import signal
import socket
import ssl
import tempfile
from contextlib import ExitStack
from pathlib import Path

from harness import Server, expect, free_ports, random_file, wait_for

PROCESSES = 4

# Connections of one client, each with the session of the one before.
CONNECTIONS = 200

# Connections that are in one process: with luck a client finds its own again.
BY_CHANCE = CONNECTIONS // PROCESSES

# A file that takes 40 slices of the background hash.
BIG = 5 << 20

VERSIONS = (("1.2", ssl.TLSVersion.TLSv1_2), ("1.3", ssl.TLSVersion.TLSv1_3))


def checks(report, binary):
    """All checks of this group."""
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        place = Path(place)
        key = place / "ticket.key"
        key.write_bytes(os.urandom(80))
        sessions(report, binary, place, key)
        downloads(report, binary, place)


def sessions(report, binary, place, key):
    """The share of handshakes that are resumptions, with a ticket key and without."""
    with ExitStack() as stack:
        port, _ = processes(stack, binary, place, ())
        for name, version in VERSIONS:
            with report.check(f"TLS {name}: without a ticket key the process that made a ticket takes it alone"
                              ) as figure:
                resumed, spread = visits(port, place, version)
                expect(resumed < 2 * BY_CHANCE, f"{resumed} of {CONNECTIONS} resumed")
                figure.append(told(resumed, spread))
    with ExitStack() as stack:
        port, servers = processes(stack, binary, place, ("--ticket-key", key))
        for name, version in VERSIONS:
            with report.check(f"TLS {name}: with a ticket key every process takes the tickets of all") as figure:
                resumed, spread = visits(port, place, version)
                # The first connection has no ticket yet.
                expect(resumed >= 0.99 * CONNECTIONS, f"{resumed} of {CONNECTIONS} resumed")
                expect(len(spread) == PROCESSES, f"connections came to {spread}")
                figure.append(told(resumed, spread))
        with report.check("a new key is taken by all on SIGHUP, and old tickets end in full handshakes") as figure:
            session = []
            connect(port, place, ssl.TLSVersion.TLSv1_3, session)
            fresh = key.with_suffix(".new")
            fresh.write_bytes(os.urandom(48))
            fresh.rename(key)
            for server in servers:
                server.signal(signal.SIGHUP)
            for server in servers:
                wait_for(lambda server=server: "read again" in server.output(), "the key is read again")
            expect(not connect(port, place, ssl.TLSVersion.TLSv1_3, session)[0], "an old ticket was taken")
            resumed = sum(connect(port, place, ssl.TLSVersion.TLSv1_3, session)[0] for _ in range(40))
            expect(resumed == 40, f"{resumed} of 40 resumed under the new key")
            figure.append("40 of 40 after it")
        with report.check("a process that ends takes no connection with it that another one gets") as figure:
            servers[0].terminate()
            resumed, spread = visits(port, place, ssl.TLSVersion.TLSv1_3)
            expect("0" not in spread, f"connections came to {spread}")
            expect(resumed >= 0.99 * CONNECTIONS, f"{resumed} of {CONNECTIONS} resumed")
            figure.append(told(resumed, spread))


def told(resumed, spread):
    """The figures of a check."""
    shares = "/".join(str(count) for _, count in sorted(spread.items()))
    return f"{resumed} of {CONNECTIONS} resumed, processes had {shares} connections"


def processes(stack, binary, place, options):
    """Starts processes on one TLS port. Each has a site that tells its number, and all have one certificate."""
    port, = free_ports(1)
    servers = []
    for number in range(PROCESSES):
        site = place / f"site{number}"
        site.mkdir(exist_ok=True)
        (site / "number").write_text(str(number))
        server = Server(binary, site, ("--reuse-port", "--listen-tls", f"127.0.0.1:{port}", *options), tls=False,
                        environment={"STATE_DIRECTORY": str(place / "certs")})
        stack.enter_context(server)
        wait_for(lambda server=server: f"https://127.0.0.1:{port}" in server.output(), "the process listens")
        servers.append(server)
    return port, servers


def visits(port, place, version):
    """Connects often, one after the other: the number of resumptions, and of connections by process."""
    session, resumed, spread = [], 0, {}
    for _ in range(CONNECTIONS):
        is_resumed, number = connect(port, place, version, session)
        resumed += is_resumed
        spread[number] = spread.get(number, 0) + 1
    return resumed, spread


def connect(port, place, version, session):
    """Asks for the number of the process, and replaces the session by its newest. Returns whether the
    handshake was a resumption, and the number."""
    if not session:
        context = ssl.create_default_context(cafile=place / "certs/localhost.pem")
        context.minimum_version = context.maximum_version = version
        session.extend([context, None])
    context, known = session
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=10),
                             server_hostname="localhost", session=known) as stream:
        stream.sendall(b"GET /number HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while part := stream.recv(4096):
            answer += part
        # In TLS 1.3 the ticket comes with the answer, and OpenSSL never uses one twice.
        session[1] = stream.session
        return stream.session_reused, answer.rsplit(b"\r\n\r\n", 1)[1].decode()


def downloads(report, binary, place):
    """A download that begins at one host goes on at another, which has a copy of another date."""
    content = random_file(place / "big", BIG).read_bytes()
    with ExitStack() as stack:
        hosts = []
        for number in range(2):
            site = place / f"host{number}"
            site.mkdir()
            (site / "big.bin").write_bytes(content)
            os.utime(site / "big.bin", (1_600_000_000 + number * 99_999,) * 2)
            hosts.append(stack.enter_context(Server(binary, site, ("--etag", "content"), tls=False)))
        with report.check(f"copies of {BIG >> 20} MiB with other dates have one strong tag on two hosts") as figure:
            tags = [wait_for(lambda host=host: strong_tag(host), "the strong tag") for host in hosts]
            expect(tags[0] == tags[1], f"the tags are {tags}")
            figure.append(tags[0])
        with report.check("a download that broke off at one host goes on at the other by Range and If-Range"):
            half = BIG // 2 + 7
            begun = fetch(hosts[0], f"Range: bytes=0-{half - 1}\r\n")[1]
            head, rest = fetch(hosts[1], f"Range: bytes={half}-\r\nIf-Range: {tags[0]}\r\n")
            expect(head.startswith("HTTP/1.1 206 "), head)
            expect(begun + rest == content, "the halves are not the file")
        with report.check("a copy with other content is sent as a whole"):
            changed = bytes([content[0] ^ 1]) + content[1:]
            beside = place / "host1/big.new"
            beside.write_bytes(changed)
            beside.rename(place / "host1/big.bin")
            wait_for(lambda: strong_tag(hosts[1]) not in (None, tags[1]), "another strong tag")
            head, whole = fetch(hosts[1], f"Range: bytes={half}-\r\nIf-Range: {tags[0]}\r\n")
            expect(head.startswith("HTTP/1.1 200 "), head)
            expect(whole == changed, "the content is not the new file's")


def strong_tag(host):
    """The entity tag of the big file, once it is a strong one."""
    head, _ = fetch(host, "", method="HEAD")
    tag = next(line for line in head.splitlines() if line.lower().startswith("etag:")).split(": ", 1)[1]
    return None if tag.startswith("W/") else tag


def fetch(host, fields, method="GET"):
    """The head and the content of the big file, by a connection of its own."""
    with socket.create_connection(("127.0.0.1", host.port), timeout=10) as stream:
        stream.sendall(f"{method} /big.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n".encode())
        answer = b""
        while part := stream.recv(1 << 20):
            answer += part
    head, content = answer.split(b"\r\n\r\n", 1)
    return head.decode(), content
