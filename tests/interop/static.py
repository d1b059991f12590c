"""The static binary of a small device: built, and run where there is nothing but itself and a site."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from harness import (REPOSITORY, accepts, expect, expect_equal, free_ports, mib, random_file, run,
                     wait_for)

# Its build directory: apart from what other builds share.
TARGET = REPOSITORY / "target/static"

# README.md, "A binary that needs no shared library".
SMALL = ["--profile", "small", "--no-default-features", "--features", "server,ring"]


def checks(report, _binary):
    """All checks of this group."""
    binary = None
    with report.check("a static binary builds") as figure:
        binary = build(SMALL, "small")
        figure.append(mib(binary.stat().st_size))
    if binary is None:
        return
    with report.check("it needs no shared library"):
        # Without an interpreter no loader looks for any; ldd is not everywhere.
        expect(b"/ld-linux" not in binary.read_bytes(), "it names a loader")
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        with report.check("it serves from a root directory with nothing but itself and the site"):
            serves_alone(binary, Path(place))


def build(words, profile):
    """The binary that cargo makes by these words, in the directory of this profile."""
    version = run("rustc", "-vV").stdout.decode()
    target = next(line.split()[1] for line in version.splitlines() if line.startswith("host:"))
    # With a target named, the flag is for the program and not for what runs while building.
    done = run("cargo", "build", "--quiet", *words, "--target-dir", TARGET, "--target", target, timeout=1800, cwd=REPOSITORY,
               env={**os.environ, "RUSTFLAGS": "-C target-feature=+crt-static"})
    expect_equal(done.returncode, 0, f"the exit code of the build: {done.stderr[-1000:]}")
    return TARGET / target / profile / "calmd"


def serves_alone(binary, place):
    """Over both protocols, a whole file in cleartext and with TLS, to a clean end."""
    shutil.copy(binary, place / "calmd")
    (place / "site").mkdir()
    content = random_file(place / "site/file", 3 << 20).read_bytes()
    port, tls_port = free_ports(2)
    command = ["/calmd", "/site", "--listen", f"127.0.0.1:{port}",
               "--listen-tls", f"127.0.0.1:{tls_port}"]
    # Only root may change its root; others are root of a namespace of their own.
    others = [] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user"]
    with open(place.parent / f"{place.name}.log", "w+b") as log:
        process = subprocess.Popen([*others, "chroot", place, *command], stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log)
        try:
            wait_for(lambda: process.poll() is not None or accepts(tls_port), "the server listens")
            log.seek(0)
            expect(process.poll() is None, f"it ended: {log.read().decode(errors='replace')}")
            for arguments in (["--http1.1", f"http://127.0.0.1:{port}/file"],
                              ["--http2-prior-knowledge", f"http://127.0.0.1:{port}/file"],
                              ["--http2", "--insecure", f"https://127.0.0.1:{tls_port}/file"]):
                done = run("curl", "--silent", "--show-error", *arguments)
                expect(done.stdout == content, f"{arguments}: {len(done.stdout)} bytes, {done.stderr}")
            process.send_signal(signal.SIGTERM)
            expect_equal(process.wait(10), 0, "the exit code")
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            os.unlink(log.name)
