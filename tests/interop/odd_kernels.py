"""Small hosts and odd kernels: little memory, few descriptors, a clock of 1970, no entropy, and kernels that lack
system calls. The server serves, and says once what is missing where it matters; or it ends with a line that says
what to do."""

import os
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from harness import Server, expect, expect_equal, random_file, run, wait_for
from idle import IdleConnections

LACKING = [sys.executable, str(Path(__file__).with_name("lacking.py"))]

# Calls that a kernel lacks or refuses, and the warning that has to come: no more and no other.
NO_LANDLOCK = "there is no Landlock here"
NO_SECCOMP = "there is no seccomp here"
KERNELS = [
    ("openat2 (Linux 5.6)", ["openat2"], None),
    ("openat2 behind an old container's filter", ["openat2=EPERM"], None),
    ("statx (4.11)", ["statx"], None),
    ("preadv2 (4.6)", ["preadv2"], None),
    ("RWF_NOWAIT (4.14)", ["preadv2-nowait=EOPNOTSUPP"], None),
    ("sendfile of that file system", ["sendfile=EINVAL"], None),
    ("advice on files and memory", ["fadvise64", "madvise"], None),
    ("renameat2 (3.15)", ["renameat2"], None),
    ("getrandom (3.17)", ["getrandom"], None),
    ("IPv6", ["socket-inet6=EAFNOSUPPORT"], None),
    ("Landlock (5.13)", ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"], NO_LANDLOCK),
    ("Landlock behind an old container's filter", ["landlock_create_ruleset=EPERM"], NO_LANDLOCK),
    ("Landlock, which is built in and off", ["landlock_create_ruleset=EOPNOTSUPP"], "Landlock is switched off"),
    ("seccomp", ["seccomp", "prctl-seccomp=EINVAL"], NO_SECCOMP),
]

# Those of an old kernel, all at once.
OLD = ["openat2", "statx", "preadv2", "landlock_create_ruleset", "seccomp"]

# Starts that are refused, and words of the last line.
REFUSALS = [
    ("seccomp that is forbidden", [*LACKING, "seccomp=EPERM", "--"], "seccomp fails"),
    ("no_new_privs that fails", [*LACKING, "prctl-no-new-privs=EINVAL", "--"], "no_new_privs fails"),
    ("24 descriptors", ["prlimit", "--nofile=24:24"], "the limit of 24 open files is too low"),
]

# All memory that a small host has for it: addresses, which are more than the memory that is used.
MEMORY = 32 << 20
DESCRIPTORS = 64

# Room above the program's own addresses, and clients that want more.
ROOM = 10 << 20
CROWD = 600
CROWD_DOWNLOADS = 200

# Seconds without entropy.
BOOT = 2.0


def checks(report, binary):
    """All checks of this group."""
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        site = Path(place) / "site"
        site.mkdir()
        (site / "index.html").write_text("odd\n")
        random_file(site / "large", 3_000_000)
        kernels(report, binary, site)
        refusals(report, binary, site)
        small(report, binary, site)
        boot(report, binary, site)


class OddServer(Server):
    """A server that another program starts, which takes something away from it."""

    def __init__(self, binary, site, prefix, **options):
        super().__init__(binary, site, **options)
        self.command = [*map(str, prefix), *self.command]

    def addresses(self):
        """Its addresses in bytes, of which a limit is a limit."""
        return self._proc_value("status", "VmSize:")


def warnings(server):
    """Lines of the log that the operator is to notice."""
    return [line for line in server.output().splitlines() if re.search(r"\b(WARN|ERROR)\b", line)]


def fetches(server):
    """Both files by each protocol."""
    large = (server.site / "large").read_bytes()
    for options in (["--http1.1", server.http], ["--http2-prior-knowledge", server.http],
                    ["--http2", "--insecure", server.https]):
        # One curl for each: 7.88 fails at the second request of a connection of prior knowledge (findings).
        *options, url = options
        for path, content in (("", b"odd\n"), ("large", large)):
            done = run("curl", "-sS", "--fail", "--max-time", "30", *options, f"{url}/{path}")
            expect(done.stdout == content, f"{options} /{path}: {len(done.stdout)} bytes, {done.stderr}")


def kernels(report, binary, site):
    """One call after another that is missing, then many at once."""
    for name, calls, warning in [*KERNELS, ("all that Linux 4.4 lacks", OLD, None)]:
        with report.check(f"without {name} it serves, and says so where rights stay open"):
            with OddServer(binary, site, [*LACKING, *calls, "--"]) as server:
                fetches(server)
                told = warnings(server)
                expect_equal(server.terminate(), 0, "the exit code")
            wanted = [NO_LANDLOCK, NO_SECCOMP] if calls is OLD else [warning] if warning else []
            expect(len(told) == len(wanted) and all(part in line for part, line in zip(wanted, told)),
                   f"it warns {told}")


def refusals(report, binary, site):
    """A line that says what to do, and no more."""
    for name, prefix, words in REFUSALS:
        with report.check(f"with {name} it ends with a line that says what to do") as figure:
            done = run(*prefix, binary, site, "--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0",
                       env=os.environ | {"STATE_DIRECTORY": str(site.parent / "state")})
            expect_equal(done.returncode, 1, f"the exit code with {done.stderr}")
            line = done.stderr.decode().strip().splitlines()[-1]
            expect(words in line and "; " in line, f"it says {line}")
            figure.append(line)


def small(report, binary, site):
    """Little memory, few descriptors."""
    limit = ["prlimit", f"--as={MEMORY}"]
    with report.check(f"within {MEMORY >> 20} MiB of addresses and with --small it serves 200 idle TLS connections and "
                      "10 downloads"):
        with OddServer(binary, site, limit, options=("--small",)) as server:
            with IdleConnections(server, "TLS", 200) as connections:
                with downloads(server, 10, "2M") as clients:
                    expect_equal([client.wait(60) for client in clients], [0] * 10, "the exit codes of curl")
                expect_equal(connections.alive(), 200, "the number of connections that are left")
            fetches(server)
            expect_equal(server.terminate(), 0, "the exit code")
    with report.check(f"within {ROOM >> 20} MiB of addresses more than the program has, a crowd that wants more is shed") \
            as figure:
        with OddServer(binary, site, []) as server:
            program = server.addresses()
        with OddServer(binary, site, ["prlimit", f"--as={program + ROOM}"]) as server:
            with IdleConnections(server, "TLS", CROWD) as connections:
                with downloads(server, CROWD_DOWNLOADS, "100k"):
                    wait_for(lambda: "memory-limit" in server.output(), "it sheds", 30)
                    expect(server.process.poll() is None, f"it has ended: {server.output()[-300:]}")
                    figure.append(f"{connections.alive()} of {CROWD} idle connections are left")
            expect("the limit of addresses (ulimit -v) leaves connections" in server.output(), "it does not say so")
            fetches(server)
            expect_equal(server.terminate(40), 0, "the exit code")
    with report.check(f"with {DESCRIPTORS} descriptors it serves more clients than that, one after another"):
        with OddServer(binary, site, ["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}"]) as server:
            clients = [subprocess.Popen(["curl", "-sSk", "--max-time", "60", "--fail", "-o", "/dev/null",
                                         f"{server.https}/large"]) for _ in range(2 * DESCRIPTORS)]
            expect_equal([client.wait(90) for client in clients], [0] * len(clients), "the exit codes of curl")
            [told] = warnings(server)
            expect("limit of open files" in told, f"it warns {told}")
            expect_equal(server.terminate(), 0, "the exit code")


def boot(report, binary, site):
    """A machine that has just started: no entropy, no clock."""
    with report.check("without entropy cleartext is served, and TLS as soon as there is some"):
        prefix = [*LACKING, "--no-entropy", BOOT, "--"]
        with OddServer(binary, site, [*LACKING, "--no-entropy", 60, "--"], tls=False) as server:
            done = run("curl", "-sS", "--fail", "--max-time", "30", f"{server.http}/")
            expect_equal(done.stdout, b"odd\n", "what curl gets")
        with OddServer(binary, site, prefix) as server:
            fetches(server)
            expect_equal(server.terminate(), 0, "the exit code")
    with report.check("at a clock of 1970 it serves, and makes its certificate anew when the clock is right"):
        [library] = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
        past = {"LD_PRELOAD": str(library), "FAKETIME": "@1970-01-01 00:00:10", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        with OddServer(binary, site, [], environment=past) as server:
            fetches(server)
            expect(" 1971 " in ends(server), f"the certificate ends {ends(server)}")
            expect_equal(server.terminate(), 0, "the exit code")
            for name in past:
                del server.environment[name]
            server.start()
            expect(" 1971 " not in ends(server), f"the certificate ends {ends(server)}")
            fetches(server)


@contextmanager
def downloads(server, count, rate):
    """Clients that take the large file slowly; those that are left are ended."""
    command = ["curl", "-sSk", "--max-time", "60", "--limit-rate", rate, "-o", "/dev/null", "--fail",
               f"{server.https}/large"]
    clients = [subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(count)]
    try:
        yield clients
    finally:
        for client in clients:
            client.kill()
            client.wait()


def ends(server):
    """The last day of the certificate that the server made."""
    done = run("openssl", "x509", "-in", server.place / "certs/localhost.pem", "-noout", "-enddate")
    return done.stdout.decode()
