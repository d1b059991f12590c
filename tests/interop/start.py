"""The start of calmd, and its refusals: the printed lines and the exit codes."""

import socket
import stat
import tempfile
from pathlib import Path

from harness import Server, expect, expect_equal, free_ports, run, wait_for


def checks(report, binary):
    """All checks of this group."""
    first_start(report, binary)
    environment(report, binary)
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        refusals(report, binary, Path(place))


def first_start(report, binary):
    """URLs, both address families, the certificate that is made and kept."""
    with Server(binary) as server:
        with report.check("prints the URLs that it serves"):
            for url in (server.http, server.https):
                wait_for(lambda url=url: url in server.output(),
                         f"{url} in the output {server.output()!r}")
        with report.check("answers on IPv4 and on IPv6, on both ports"):
            for host in ("127.0.0.1", "::1"):
                for port in (server.port, server.tls_port):
                    socket.create_connection((host, port), timeout=10).close()
        with report.check("makes a certificate, its key for the owner only, and says so"):
            key = server.place / "certs/localhost.key"
            expect_equal(stat.S_IMODE(key.stat().st_mode), 0o600, "the key's mode")
            expect("localhost.pem" in server.output(), f"not said: {server.output()}")
        made = (server.place / "certs/localhost.pem").read_bytes()
        with report.check("SIGTERM without connections ends it with exit code 0"):
            expect_equal(server.terminate(), 0, "the exit code")
        with report.check("the next start keeps the certificate"):
            server.start()
            kept = (server.place / "certs/localhost.pem").read_bytes()
            expect(kept == made, "it was made anew")


def refusals(report, binary, place):
    """A mistake is told in one line, with exit code 2 (options) or 1 (the rest)."""
    port, tls_port = free_ports(2)
    listen = ("--listen", f"127.0.0.1:{port}")
    tls = ("--listen-tls", f"127.0.0.1:{tls_port}")
    site = place / "site"
    site.mkdir()
    missing = place / "missing"
    (place / "file").write_text("not a directory, not a certificate")
    cases = [
        ("an option that does not exist", 2, "--no-such-option", (site, "--no-such-option")),
        ("a wrong value", 2, "--idle-timeout", (site, "--idle-timeout", "soon")),
        ("a wrong address", 2, "1.2.3.4:99999", (site, "--listen", "1.2.3.4:99999")),
        ("a wrong header", 2, "--header", (site, "--header", "no colon")),
        ("a certificate without its key", 2, "--key", (site, "--cert", place / "file")),
        ("a missing directory", 1, str(missing), (missing, *listen)),
        ("a file as the directory", 1, str(place / "file"), (place / "file", *listen)),
        ("a missing certificate", 1, str(missing),
         (site, *tls, "--cert", missing, "--key", missing)),
        ("a certificate that is none", 1, str(place / "file"),
         (site, *tls, "--cert", place / "file", "--key", place / "file")),
        ("a ticket key of another length", 1, "openssl rand 80",
         (site, *tls, "--ticket-key", place / "file")),
        ("a log that cannot be written", 1, "--access-log",
         (site, *listen, "--access-log", missing / "log")),
    ]
    for name, code, needle, arguments in cases:
        with report.check(f"{name} is exit code {code} and one line") as figure:
            figure.append(refused(binary, place, code, needle, arguments))
    for host in ("127.0.0.1", "::"):
        with report.check(f"a port in use on {host} is exit code 1 and one line") as figure:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with socket.create_server((host, 0), family=family) as taken:
                taken_port = taken.getsockname()[1]
                address = f"[::]:{taken_port}" if ":" in host else f"{host}:{taken_port}"
                figure.append(refused(binary, place, 1, str(taken_port),
                                      (site, "--listen", address)))
    with report.check("--help and --version are on standard output, with exit code 0"):
        for flag in ("-h", "--help", "--version"):
            done = run(binary, flag, cwd=place)
            expect_equal(done.returncode, 0, f"the exit code of {flag}")
            expect(b"calmd" in done.stdout and not done.stderr, f"{flag}: {done}")


def refused(binary, place, code, needle, arguments):
    """Runs it to its end; the one line that it prints."""
    done = run(binary, *arguments, cwd=place, timeout=10)
    expect_equal(done.returncode, code, f"the exit code of {done}")
    lines = [line for line in done.stderr.decode().splitlines() if line.strip()]
    expect_equal(len(lines), 1, f"the number of lines of {lines}")
    expect(needle in lines[0], f"{needle!r} is not in {lines[0]!r}")
    expect(not done.stdout, f"standard output has {done.stdout!r}")
    return lines[0]


def environment(report, binary):
    """Options from environment variables, and a Unix socket."""
    with report.check("options come from environment variables too"):
        with Server(binary, environment={"CALMD_HEADER": "x-one: 1\nx-two: 2"}) as server:
            answer = run("curl", "-sS", "-i", server.http).stdout.decode().lower()
            expect("x-one: 1" in answer and "x-two: 2" in answer, answer)
    with report.check("serves on a Unix socket, and takes over one left behind"):
        with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
            path = Path(place) / "socket"
            for end in ("kill", "terminate"):
                with Server(binary, options=("--listen", f"unix:{path}")) as server:
                    wait_for(path.exists, "the socket exists")
                    done = run("curl", "-sS", "--unix-socket", path, "http://localhost/")
                    expect(b"calmd" in done.stdout, f"{end}: {done}")
                    if end == "kill":
                        server.process.kill()
                    else:
                        server.terminate()
                        expect(not path.exists(), "the socket is left behind after SIGTERM")
    with report.check("naming one address replaces both defaults"):
        with Server(binary, tls=False) as server:
            wait_for(lambda: server.http in server.output(), "the URL in the output")
            expect("https:" not in server.output(), server.output())
            expect(not (server.place / "certs").exists(), "a certificate was made for nothing")
