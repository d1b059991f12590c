"""The image of a container: built by .ci/image from `calmd print containerfile`, unpacked by umoci, and run read-only
without any capability: by runc within 16 MiB, and in namespaces without /proc.

The image of .ci/run has the release binary with its shared libraries, since a static build takes minutes; those of
.ci/full have static binaries alone.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import static
from harness import REPOSITORY, expect, expect_equal, free_ports, mib, random_file, run, wait_for

# Memory of the container, with what the kernel keeps for its sockets and files.
MEMORY = 16 << 20

# The user of the image.
USER = 65532

# Static builds by the words of cargo, with the largest image that each may make, unpacked.
STATIC = [
    ("ring", ["--profile", "small", "--no-default-features", "--features", "server,client,ring"], "small", 6 << 20),
    ("AWS-LC", ["--release"], "release", 9 << 20),
]


def checks(report, binary):
    """All checks of this group."""
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        container(report, binary, Path(place), None)


def long_checks(report, _binary):
    """Static binaries."""
    for name, words, profile, bound in STATIC:
        with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
            built = None
            with report.check(f"a static binary with {name} builds"):
                built = static.build(words, profile)
            if built:
                container(report, built, Path(place), bound)


class Image:
    """An image as it was built, and as umoci unpacked it."""

    def __init__(self, binary, place):
        self.place = place
        self.context = place / "context"
        self.context.mkdir()
        shutil.copy(binary, self.context / "calmd")
        site = self.context / "site"
        site.mkdir()
        (site / "index.html").write_text("contained\n")
        self.large = random_file(site / "large", 3_000_000).read_bytes()
        text = run(binary, "print", "containerfile").stdout.decode()
        if libraries(binary, self.context / "libraries"):
            text += "COPY libraries /\n"
        self.containerfile = place / "Containerfile"
        self.containerfile.write_text(text)
        self.layout = self.build("layout")

    def build(self, name):
        """Builds it as the layout of that name."""
        layout = self.place / name
        done = run(REPOSITORY / ".ci/image", self.containerfile, self.context, layout)
        expect_equal(done.returncode, 0, f"the exit code of .ci/image: {done.stderr}")
        return layout

    def unpack(self):
        """Unpacks it into a bundle, with a configuration for a runtime made of it."""
        self.bundle = self.place / "bundle"
        done = run("umoci", "unpack", "--rootless", "--image", f"{self.layout}:latest", self.bundle)
        expect_equal(done.returncode, 0, f"the exit code of umoci: {done.stderr}")
        self.root = self.bundle / "rootfs"
        self.config = json.loads((self.bundle / "config.json").read_text())


def libraries(binary, to):
    """Copies the shared libraries of a program to their places below a directory; none of a static one."""
    found = re.findall(r"(/\S+) \(0x", run("ldd", binary).stdout.decode())
    for path in found:
        target = to / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return found


def container(report, binary, place, bound):
    """One image: its form, then the container."""
    image = None
    with report.check("an image builds, equal bit by bit at each time, and umoci unpacks it") as figure:
        made = Image(binary, place)
        again = made.build("again")
        files = {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()}
        expect(all((made.layout / path).read_bytes() == content for path, content in files.items()), "they differ")
        made.unpack()
        size = sum(path.stat().st_size for path in files_of(made.root) if "site" not in path.parts)
        size -= len(made.large)
        figure += [mib(size), f"{mib(sum(map(len, files.values())) - len(made.large))} compressed"]
        expect(bound is None or size <= bound, f"it has more than {mib(bound or 0)}")
        image = made
    if image is None:
        return
    with report.check("it has a user without rights, places for certificates, a signal to stop and a check of health"):
        process = image.config["process"]
        expect_equal((process["user"]["uid"], process["user"]["gid"]), (USER, USER), "the user")
        expect_equal(process["args"], ["/calmd", "/srv/www"], "the command")
        expect((image.root / "etc/calmd").is_dir() and (image.root / "etc/ssl/certs").is_dir(), "no place")
        config = json.loads(blob_of_config(image.layout))["config"]
        expect_equal(config["StopSignal"], "SIGTERM", "the signal")
        expect_equal(config["Healthcheck"]["Test"][:2], ["CMD", "/calmd"], "the check")
        expect_equal(config["Labels"]["org.opencontainers.image.title"], "calmd", "the title")
    in_namespaces(report, image)
    by_runc(report, image)


def files_of(root):
    """Files below a directory."""
    return [path for path in root.rglob("*") if path.is_file()]


def blob_of_config(layout):
    """The configuration of the image in a layout."""
    def blob(digest):
        return (layout / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes()

    [manifest] = json.loads((layout / "index.json").read_text())["manifests"]
    return blob(json.loads(blob(manifest["digest"]))["config"]["digest"])


class Contained:
    """A server in a container, on ports of this machine."""

    def __init__(self, image, command, environment=None):
        self.image = image
        self.port, self.tls_port, self.metrics_port = free_ports(3)
        self.variables = {"CALMD_LISTEN": f"127.0.0.1:{self.port}", "CALMD_LISTEN_TLS": f"127.0.0.1:{self.tls_port}",
                          "CALMD_METRICS": f"127.0.0.1:{self.metrics_port}", "CALMD_ACCESS_LOG": "-"}
        self.log = image.place / f"log-{self.port}"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([str(word) for word in command(self)], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=environment or os.environ | self.variables)

    def fetches(self):
        """Files by each protocol, and some load."""
        wait_for(lambda: self.process.poll() is not None or b" serves " in self.log.read_bytes(), "it serves", 20)
        expect(self.process.poll() is None, f"it has ended: {self.log.read_text()}")
        for options in (["--http1.1", f"http://127.0.0.1:{self.port}"],
                        ["--http2-prior-knowledge", f"http://127.0.0.1:{self.port}"],
                        ["--http2", "--insecure", f"https://127.0.0.1:{self.tls_port}"]):
            *options, url = options
            done = run("curl", "-sS", "--fail", "--max-time", "30", *options, f"{url}/large")
            expect(done.stdout == self.image.large, f"{options}: {len(done.stdout)} bytes, {done.stderr}")
        done = run("h2load", "-n", "500", "-c", "25", "-m", "4", f"https://127.0.0.1:{self.tls_port}/large", timeout=120)
        expect(b"500 succeeded" in done.stdout, f"h2load: {done.stdout[-600:]}")

    def ends(self, send):
        """Its exit code, after the signal of the image."""
        send()
        return self.process.wait(40)

    def warnings(self):
        """Warnings of its log."""
        return [line for line in self.log.read_text().splitlines() if " WARN " in line]


@contextmanager
def contained(image, command, **options):
    """A server in a container, which is gone in the end."""
    server = Contained(image, command, **options)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


def in_namespaces(report, image):
    """Without /proc and /sys, which no runtime starts without."""
    root = image.root
    rights = ["--setgid", USER, "--setuid", USER] if os.geteuid() == 0 else ["--user", "--map-current-user"]
    mount = ["--mount"] if os.geteuid() == 0 else ["--mount", "--user", "--map-root-user"]
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'

    def command(_):
        return ["unshare", *mount, "sh", "-c", script, root, "setpriv", "--no-new-privs", "unshare", "--pid", "--ipc",
                "--uts", "--fork", "--kill-child", f"--root={root}", "--wd=/", *rights, "/calmd", "/srv/www"]

    with report.check("in namespaces, read-only, without capabilities and /proc, it serves, and warns of the limits that "
                      "it has there once") as figure:
        with contained(image, command) as server:
            server.fetches()
            [child] = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
            status = Path(f"/proc/{child}/status").read_text()
            if os.geteuid() == 0:
                expect("CapEff:\t0000000000000000" in status and f"Uid:\t{USER}" in status, f"rights: {status}")
            pss = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{child}/smaps_rollup").read_text(), re.M)
            figure += [f"{mib(int(pss.group(1)) << 10)} PSS", *server.warnings()]
            expect(int(pss.group(1)) << 10 <= MEMORY, "it takes too much")
            expect_equal(server.ends(lambda: os.kill(int(child), signal.SIGTERM)), 0, "the exit code")


def by_runc(report, image):
    """By a runtime, which needs /proc itself, with a limit of memory that ends what passes it."""
    config = image.config
    config["root"]["readonly"] = True
    config["process"]["terminal"] = False
    config["process"]["capabilities"] = {kind: [] for kind in ("bounding", "effective", "permitted", "inheritable")}
    config["process"]["noNewPrivileges"] = True
    config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] == "/proc"]
    config["linux"] = {"namespaces": [{"type": kind} for kind in ("mount", "pid", "ipc", "uts")],
                       "resources": {"memory": {"limit": MEMORY}}}
    state = image.place / "state"
    name = f"calmd-{os.getpid()}"

    def runc(*words):
        return run("runc", "--root", state, *words)

    def command(server):
        config["process"]["env"] = [f"{key}={value}" for key, value in server.variables.items()]
        (image.bundle / "config.json").write_text(json.dumps(config))
        return ["runc", "--root", state, "run", "--bundle", image.bundle, name]

    with report.check(f"by runc, read-only, without capabilities and within {mib(MEMORY)}, it serves, is found healthy by "
                      "the check of the image, and ends by its signal") as figure:
        (image.root / "proc").mkdir()
        try:
            with contained(image, command) as server:
                server.fetches()
                check = json.loads(blob_of_config(image.layout))["config"]["Healthcheck"]["Test"][1:]
                check[-1] = check[-1].replace("9090", str(server.metrics_port))
                done = runc("exec", name, *check)
                expect_equal((done.returncode, done.stdout), (0, b"ok\n"), f"the check of health: {done.stderr}")
                check[-1] = check[-1].replace("readyz", "nowhere")
                expect(runc("exec", name, *check).returncode != 0, "a check of a page that is not there succeeds")
                figure += server.warnings()
                expect_equal(server.ends(lambda: runc("kill", name, "TERM")), 0, "the exit code")
        finally:
            runc("delete", "--force", name)
