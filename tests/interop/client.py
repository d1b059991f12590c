"""`calmd get` against nginx, h2o, nghttpd and calmd itself: fetching, uploading, many at a time."""

import hashlib
import os
import pty
import re
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from harness import (Server, accepts, expect, expect_equal, free_ports, mib, random_file, run,
                     wait_for)

# Debian keeps servers out of everybody's way.
SEARCH = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"

SMALL = 4 << 10
BIG = 10 << 20
UPLOAD = 100_000_000

# The most memory that the client may have had after 100 MB went through it.
FLAT = 12 << 20


def checks(report, binary):
    """All checks of this group."""
    with tempfile.TemporaryDirectory(prefix="calmd-client-") as place:
        place = Path(place)
        prepare(place)
        alone(report, binary, place)
        terminal(report, binary, place)
        for name, start in SERVERS.items():
            try:
                with start(binary, place) as urls:
                    against(report, binary, place, name, urls)
            except Exception as error:  # a server that does not start fails, and the others go on
                report.fail(f"calmd get from {name}", error)


def prepare(place):
    """The files, and a certificate for localhost."""
    site = place / "site"
    site.mkdir()
    (site / "small").write_bytes(b"x" * SMALL)
    random_file(site / "big", BIG)
    random_file(place / "upload", UPLOAD)
    done = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
               "ec_paramgen_curve:P-256", "-nodes", "-keyout", place / "key.pem", "-out",
               place / "cert.pem", "-days", "2", "-subj", "/CN=localhost", "-addext",
               "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE")
    expect_equal(done.returncode, 0, f"the exit code of openssl ({done.stderr[-300:]})")
    # The workers of some servers are another user.
    for path in [place, *place.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def against(report, binary, place, name, urls):
    """Every check against one server."""
    for url in urls.bases:
        scheme = url.split(":")[0]
        trust = ["--cacert", place / "cert.pem"] if scheme == "https" else []
        with report.check(f"calmd get -v {scheme} from {name}"):
            done = get(binary, "-v", *trust, f"{url}/small")
            expect_equal(done.stdout, b"x" * SMALL, "the content")
            shown = done.stderr.decode()
            for part in ("→ HEADERS          1  END_STREAM END_HEADERS", "← SETTINGS",
                         ":status: 200", "→ GOAWAY           0  NO_ERROR"):
                expect(part in shown, f"{part!r} is not in {shown}")
        with report.check(f"calmd get {scheme} from {name}: {mib(BIG)}, whole, twice"):
            done = get(binary, *trust, f"{url}/big", f"{url}/big")
            expect(done.stdout == (place / "site/big").read_bytes() * 2, "it is something else")
        with report.check(f"calmd get -I {scheme} from {name}"):
            done = get(binary, "-I", *trust, f"{url}/small")
            expect(done.stdout.startswith(b"HTTP/2 200"), done.stdout)
            expect(f"content-length: {SMALL}\n".encode() in done.stdout, done.stdout)
        with report.check(f"calmd get -n 5000 -m 50 {scheme} from {name}") as figure:
            # More requests than nginx takes on one connection.
            text = get(binary, "-n", "5000", "-m", "50", *trust, f"{url}/small").stdout.decode()
            expect("statuses  200: 5000\n" in text, text)
            figure.append(re.search(r"\d+ requests/s", text).group())
        if scheme == "https":
            with report.check(f"calmd get from {name} refuses a certificate that nobody vouches "
                              "for"):
                done = run(binary, "get", f"{url}/small")
                expect_equal(done.returncode, 1, "the exit code")
                expect(b"--cacert" in done.stderr or b"ca-certificates" in done.stderr,
                       done.stderr)
        if urls.upload:
            upload(report, binary, place, name, url, urls, trust)
    if urls.push:
        with report.check(f"calmd get --push from {name}"):
            done = get(binary, "--push", f"{urls.bases[0]}{urls.push}")
            expect(b"/small: 200, 4.10 kB" in done.stderr, done.stderr)


def alone(report, binary, place):
    """Checks without another server: a certificate made by openssl, and a reader that leaves."""
    done = run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
               place / "ca.key", "-out", place / "ca.pem", "-days", "2", "-subj", "/CN=localhost",
               "-addext", "subjectAltName=DNS:localhost")
    expect_equal(done.returncode, 0, f"the exit code of openssl ({done.stderr[-300:]})")
    options = ["--cert", place / "ca.pem", "--key", place / "ca.key"]
    with Server(binary, site=place / "site", options=options) as server:
        url = f"https://localhost:{server.https.rsplit(':', 1)[1]}/small"
        with report.check("calmd get trusts a self-signed authority that --cacert names, as curl"):
            expect_equal(run("curl", "-sf", "--cacert", place / "ca.pem", url).stdout,
                         b"x" * SMALL, "the content for curl")
            done = get(binary, "--cacert", place / "ca.pem", url)
            expect_equal(done.stdout, b"x" * SMALL, "the content")
        with report.check("calmd get | head is quiet"):
            line = f"{binary} get {server.http}/big | head -c 10"
            done = run("sh", "-c", line)
            expect_equal((len(done.stdout), done.stderr), (10, b""), "bytes, and what was said")


def terminal(report, binary, place):
    """Output for terminals only: colours, and a bar for long transfers."""
    with Server(binary, site=place / "site", options=["--demo"]) as server:
        with report.check("calmd get -v is coloured on a terminal"):
            shown = on_terminal(binary, ["-v", "-o", place / "out", f"{server.http}/small"], b"")
            expect("\x1b[36m→ HEADERS" in shown and "\x1b[32m← DATA" in shown, shown)
        with report.check("calmd get shows its progress on a terminal, and takes it away"):
            arguments = ["-d", "-", "-o", place / "out", f"{server.http}/echo"]
            shown = on_terminal(binary, arguments, b"x" * 2_000_000)
            expect(re.search(r"\r[↑↓] \d\.\d\d MB \d", shown), repr(shown))
            expect(shown.endswith("\r\x1b[K"), repr(shown))


def on_terminal(binary, arguments, content):
    """The client's output on a terminal, while content comes in ten parts within a second."""
    master, slave = pty.openpty()
    with subprocess.Popen([str(part) for part in (binary, "get", *arguments)],
                          stdin=subprocess.PIPE, stderr=slave, env={**os.environ, "NO_COLOR": ""}) \
            as process:
        os.close(slave)
        for start in range(0, len(content), len(content) // 10 or 1):
            process.stdin.write(content[start:start + len(content) // 10])
            process.stdin.flush()
            time.sleep(0.1)
        process.stdin.close()
        expect_equal(process.wait(20), 0, "the exit code of calmd get")
    shown = b""
    try:
        while part := os.read(master, 4096):
            shown += part
    except OSError:  # the terminal is gone with its last user
        pass
    os.close(master)
    return shown.decode()


def upload(report, binary, place, name, url, urls, trust):
    """100 MB, and how much memory that took."""
    scheme = url.split(":")[0]
    with report.check(f"calmd get -d {scheme} to {name}: 100 MB in flat memory") as figure:
        digest, most = measured(binary, "-d", place / "upload", *urls.upload_options, *trust,
                                f"{url}{urls.upload}")
        figure.append(f"{mib(most)} at most")
        if urls.echoes:
            expect_equal(digest, sha256(place / "upload"), "the checksum")
        if urls.stored:
            expect_equal(sha256(urls.stored), sha256(place / "upload"), "the checksum of what is stored")
            urls.stored.unlink()
        expect(most <= FLAT, figure[0])


def get(binary, *arguments):
    """Runs the client; it has to succeed."""
    done = run(binary, "get", *arguments)
    expect_equal(done.returncode, 0, f"the exit code of calmd get ({done.stderr[-500:]})")
    return done


def measured(binary, *arguments):
    """Runs the client; the checksum of what it printed, and the most memory that it had."""
    command = [str(part) for part in (binary, "get", "-s", "-f", *arguments)]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.PIPE)
        most = 0
        # The kernel's own record of a child includes the parent that it was forked from.
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = re.search(r"^VmHWM:\s+(\d+)", status, re.M)
            most = max(most, int(peak.group(1)) * 1024 if peak else 0)
            time.sleep(0.002)
        expect_equal(process.returncode, 0,
                     f"the exit code of calmd get ({process.stderr.read()[-500:]})")
        process.stderr.close()
        output.seek(0)
        return hashlib.file_digest(output, "sha256").hexdigest(), most


def sha256(path):
    """The checksum of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Urls:
    """The abilities of a server."""

    def __init__(self, bases, upload=None, upload_options=(), echoes=False, stored=None, push=None):
        self.bases = bases
        self.upload, self.upload_options, self.echoes = upload, upload_options, echoes
        self.stored = stored
        self.push = push


@contextmanager
def running(name, ports, *command):
    """Another server, until the end of the block; one that is missing is a failure that names it."""
    path = shutil.which(name, path=SEARCH)
    expect(path, f"{name} is not installed; .ci/run installs it")
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([path, *map(str, command)], stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=output)
        try:
            wait_for(lambda: process.poll() is not None or all(map(accepts, ports)),
                     f"{name} listens")
            output.seek(0)
            expect(process.poll() is None, f"{name} ended: {output.read()[-500:]}")
            yield
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def bases(ports):
    """The URLs of a cleartext port and a TLS port."""
    return [f"http://localhost:{ports[0]}", f"https://localhost:{ports[1]}"]


@contextmanager
def calmd(binary, place):
    """This server."""
    options = ["--demo", "--cert", place / "cert.pem", "--key", place / "key.pem"]
    with Server(binary, site=place / "site", options=options) as server:
        yield Urls([server.http, server.https], upload="/echo", echoes=True)


@contextmanager
def nginx(_, place):
    """nginx, which takes uploads by PUT."""
    ports = free_ports(2)
    (place / "put").mkdir()
    user = "user root;" if os.geteuid() == 0 else ""
    conf = place / "nginx.conf"
    conf.write_text(f"""
worker_processes 1; daemon off; pid {place}/nginx.pid; error_log {place}/nginx.log; {user}
events {{ worker_connections 100; }}
http {{ access_log off; types {{ }}
  client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;
  fastcgi_temp_path {place}/fastcgi; uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
  server {{ listen 127.0.0.1:{ports[0]} http2; listen 127.0.0.1:{ports[1]} ssl http2;
    ssl_certificate {place}/cert.pem; ssl_certificate_key {place}/key.pem; root {place}/site;
    client_max_body_size 0;
    location /put/ {{ root {place}; dav_methods PUT; }} }} }}
""")
    with running("nginx", ports, "-e", place / "nginx.log", "-c", conf):
        yield Urls(bases(ports), upload="/put/upload", upload_options=["-X", "PUT"],
                   stored=place / "put/upload")


@contextmanager
def h2o(_, place):
    """h2o."""
    ports = free_ports(2)
    conf = place / "h2o.conf"
    user = "user: root" if os.geteuid() == 0 else ""
    conf.write_text(f"""
num-threads: 1
{user}
pid-file: {place}/h2o.pid
hosts:
  default:
    listen: {{port: {ports[0]}, host: 127.0.0.1}}
    paths: {{"/": {{file.dir: {place}/site}}}}
  tls:
    listen:
      port: {ports[1]}
      host: 127.0.0.1
      ssl: {{certificate-file: {place}/cert.pem, key-file: {place}/key.pem, neverbleed: OFF}}
    paths: {{"/": {{file.dir: {place}/site}}}}
""")
    with running("h2o", ports, "-c", conf):
        yield Urls(bases(ports))


@contextmanager
def nghttpd(_, place):
    """nghttpd, which has one port; it echoes uploads, and pushes."""
    ports = free_ports(2)
    common = ["-a", "127.0.0.1", "-d", place / "site", "--echo-upload", "--push=/big=/small"]
    with running("nghttpd", ports[:1], "--no-tls", *common, ports[0]), \
            running("nghttpd", ports[1:], *common, ports[1], place / "key.pem",
                    place / "cert.pem"):
        yield Urls(bases(ports), upload="/", echoes=True, push="/big")


SERVERS = {"calmd": calmd, "nginx": nginx, "h2o": h2o, "nghttpd": nghttpd}
