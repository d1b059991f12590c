"""Deployments beneath a running server: the ways in which people put a new release in the place of an
old one.

Each part is a function of its own, in `PARTS` below or in `deploy_live.py`.
"""

import os
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

import deploy_live
from harness import Server, expect, expect_equal, random_file, run, wait_for

# A change is served after a second at most; the rest is for a busy machine.
PATIENCE = 5


def checks(report, binary):
    """All checks of this group."""
    for part in PARTS + deploy_live.PARTS:
        with tempfile.TemporaryDirectory(prefix="calmd-deploy-") as place:
            part(report, binary, Path(place))


def get(server, path="/", *options):
    """The status and the content of an answer."""
    done = run("curl", "-sS", "--max-time", "20", "-w", "\n%{http_code}", *options,
               f"{server.http}{path}")
    content, _, status = done.stdout.decode(errors="replace").rpartition("\n")
    return int(status or 0), content


def serves(server, content, path="/"):
    """Waits until this is what the server answers."""
    wait_for(lambda: get(server, path) == (200, content), f"{path} is {content!r}", PATIENCE)


def release(directory, content):
    """A site whose start page is this."""
    directory.mkdir(parents=True)
    (directory / "index.html").write_text(content)
    return directory


def repoint(link, target):
    """Gives a link another target, as `ln -sfn` in one step and deployers do."""
    beside = link.with_name(f".{link.name}.new")
    beside.symlink_to(target)
    os.replace(beside, link)


def slow_download(url, to):
    """A download that is under way while other things happen."""
    return subprocess.Popen(
        ["curl", "-sS", "--max-time", "60", "--limit-rate", "4M", "-o", str(to),
         "-w", "%{http_code} %{size_download}", url],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def git_pull(report, binary, place):
    """A working tree that git moves to another commit."""
    def git(*arguments, directory):
        done = run("git", "-c", "user.name=deploy", "-c", "user.email=deploy@localhost",
                   "-c", "init.defaultBranch=main", *arguments, cwd=directory)
        expect_equal(done.returncode, 0, f"git {arguments[0]}: {done.stderr.decode()}")

    origin, site = release(place / "origin", "one"), place / "site"
    (origin / "old.css").write_text("old")
    git("init", "-q", directory=origin)
    git("add", ".", directory=origin)
    git("commit", "-qm", "one", directory=origin)
    git("clone", "-q", origin, site, directory=place)
    with Server(binary, site=site, tls=False) as server:
        serves(server, "one")
        expect_equal(get(server, "/old.css")[0], 200, "the old file's status")
        with report.check("git pull: changed, new and removed files are seen"):
            (origin / "index.html").write_text("two")
            (origin / "new.css").write_text("new")
            (origin / "old.css").unlink()
            git("add", "-A", directory=origin)
            git("commit", "-qm", "two", directory=origin)
            git("pull", "-q", directory=site)
            serves(server, "two")
            serves(server, "new", "/new.css")
            wait_for(lambda: get(server, "/old.css")[0] == 404, "the removed file is gone", PATIENCE)
        with report.check("git checkout of the commit before is seen"):
            git("checkout", "-q", "HEAD~1", directory=site)
            serves(server, "one")
            serves(server, "old", "/old.css")
        with report.check("git's own files are not served"):
            expect_equal(get(server, "/.git/config")[0], 404, "the status")


def root_swaps(report, binary, place):
    """The root's name is given to another directory, in five ways."""
    app = place / "app"
    one, two = release(app / "rel1", "one"), release(app / "rel2", "two")
    current = app / "current"
    current.symlink_to("rel1")
    large = random_file(one / "large", 20_000_000).read_bytes()
    with Server(binary, site=current, tls=False) as server:
        serves(server, "one")
        to = server.place / "large"
        with slow_download(f"{server.http}/large", to) as client:
            wait_for(lambda: to.exists() and to.stat().st_size > 0, "the download begins")
            with report.check("a link is given another target: the new release within a second") as figure:
                start = time.monotonic()
                repoint(current, "rel2")
                serves(server, "two")
                figure.append(f"{time.monotonic() - start:.2f} s")
            shutil.rmtree(one)
            with report.check("a download goes on from the release that was removed"):
                said = client.communicate(timeout=60)[0].decode()
                expect_equal(said, "200 20000000", "what the client got")
                expect(to.read_bytes() == large, "the content is another")
        with report.check("a link is removed and made again, with nothing between"):
            current.unlink()
            release(app / "rel3", "three")
            current.symlink_to(app / "rel3")
            serves(server, "three")

    parent = place / "parents/current"
    for serial, content in (("rel1", "one"), ("rel2", "two")):
        release(place / "parents" / serial / "public", content)
    parent.symlink_to("rel1")
    with Server(binary, site=parent / "public", tls=False) as server:
        serves(server, "one")
        with report.check("a link above the directory is given another target"):
            repoint(parent, "rel2")
            serves(server, "two")

    dist = release(place / "build/dist", "one")
    with Server(binary, site=dist, tls=False) as server:
        serves(server, "one")
        with report.check("rm -rf dist; mkdir dist"):
            shutil.rmtree(dist)
            release(dist, "two")
            serves(server, "two")
        with report.check("dist is gone for seconds, 404 meanwhile, and comes again"):
            shutil.rmtree(dist)
            told = "there is no directory"
            wait_for(lambda: get(server)[0] == 404 and told in server.output(),
                     "404, and a line that says why", PATIENCE)
            release(dist, "three")
            serves(server, "three")
        with report.check("mv dist old; mv new dist"):
            release(place / "build/new", "four")
            dist.rename(place / "build/old")
            (place / "build/new").rename(dist)
            serves(server, "four")
        with report.check("something is mounted over dist, and taken away again"):
            over = release(place / "over", "mounted")
            done = run("mount", "--bind", over, dist)
            expect_equal(done.returncode, 0, f"mount: {done.stderr.decode()}")
            try:
                serves(server, "mounted")
            finally:
                run("umount", "-l", dist)
            serves(server, "four")
        with report.check("while nothing is asked for, nothing is looked up"):
            before = wait_for(lambda: rests(server), "what was asked before is over")
            time.sleep(3)
            expect_equal(voluntary_switches(server), before, "how often it woke up")
        with report.check("SIGHUP looks it up at once") as figure:
            serves(server, "four")
            shutil.rmtree(dist)
            release(dist, "five")
            start = time.monotonic()
            server.signal(signal.SIGHUP)
            wait_for(lambda: get(server) == (200, "five"), "the new one", 5)
            figure.append(f"{time.monotonic() - start:.2f} s")


def voluntary_switches(server):
    """Number of times that the process has gone to sleep."""
    status = (Path("/proc") / str(server.process.pid) / "status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines()
                if line.startswith("voluntary_ctxt_switches"))


def rests(server):
    """The number of times that it went to sleep in a second in which nobody woke it: the connections of
    those who asked last are closed."""
    before = voluntary_switches(server)
    time.sleep(1)
    return before if voluntary_switches(server) == before else None


def mounted_configuration(report, binary, place):
    """A ConfigMap, and git-sync: `..data` leads to the present, and all names through it."""
    mounted = place / "mounted"
    release(mounted / "..1", "one")
    release(mounted / "..2", "two")
    (mounted / "..data").symlink_to("..1")
    (mounted / "index.html").symlink_to("..data/index.html")
    with Server(binary, site=mounted, tls=False) as server:
        serves(server, "one")
        with report.check("a mounted configuration is exchanged, as kubelet does it"):
            repoint(mounted / "..data", "..2")
            shutil.rmtree(mounted / "..1")
            serves(server, "two")
        with report.check("what it hides stays hidden"):
            expect_equal(get(server, "/..data/index.html")[0], 404, "the status")
    with Server(binary, site=mounted / "..data", tls=False) as server:
        serves(server, "two")
        with report.check("the link of git-sync as the root is followed"):
            release(mounted / "..3", "three")
            repoint(mounted / "..data", "..3")
            serves(server, "three")


def sandboxed(report, binary, place):
    """A directory that the sandbox was not told of: the old release stays, and one message says so."""
    app, elsewhere = place / "app", place / "elsewhere"
    release(app / "rel1", "one")
    release(elsewhere / "rel2", "two")
    (app / "current").symlink_to("rel1")
    for granted in (False, True):
        repoint(app / "current", "rel1")
        options = ("--sandbox-read", elsewhere) if granted else ()
        with Server(binary, site=app / "current", tls=False, options=options) as server:
            serves(server, "one")
            said = server.output()
            repoint(app / "current", elsewhere / "rel2")
            if not re.search(r"Landlock \d", said) or granted:
                with report.check("--sandbox-read grants a place elsewhere, and the start says so"):
                    serves(server, "two")
                    expect("Landlock" not in said or str(elsewhere) in said, said)
                continue
            with report.check("a place that was not granted leaves the old release in use"):
                for _ in range(3):
                    time.sleep(1.1)
                    expect_equal(get(server), (200, "one"), "the answer")
                expect_equal(server.output().count("--sandbox-read"), 1, "how often it was said")


def rsync_in_place(report, binary, place):
    """rsync into the served directory, as most small sites are deployed."""
    source, site = release(place / "source", "one"), place / "site"
    (source / "old.css").write_text("old")

    def rsync():
        done = run("rsync", "-a", "--delete", f"{source}/", site)
        expect_equal(done.returncode, 0, done.stderr.decode())

    with report.check("rsync -a --delete: changed, new and removed files are seen"):
        rsync()
        with Server(binary, site=site, tls=False) as server:
            serves(server, "one")
            serves(server, "old", "/old.css")
            (source / "index.html").write_text("two, of another length")
            (source / "new.css").write_text("new")
            (source / "old.css").unlink()
            rsync()
            serves(server, "two, of another length")
            serves(server, "new", "/new.css")
            wait_for(lambda: get(server, "/old.css")[0] == 404, "the removed file", PATIENCE)


def own_files(report, binary, place):
    """Keys, certificates and logs that lie in the served directory."""
    site = release(place / "site", "page")
    tls, logs = site / "tls", site / "logs"
    tls.mkdir()
    logs.mkdir()
    make_pair(tls / "cert.pem", tls / "key.pem")
    (site / "soft").symlink_to("tls/key.pem")
    (site / "absolute").symlink_to(tls / "key.pem")
    (site / "hard").hardlink_to(tls / "key.pem")
    options = ("--cert", tls / "cert.pem", "--key", tls / "key.pem", "--listing",
               "--access-log", logs / "access.log")
    names = ["/tls/key.pem", "/tls/cert.pem", "/tls/", "/soft", "/absolute", "/hard",
             "/logs/access.log", "/logs/access.log.1", "/tls%2Fkey.pem"]

    def all_hidden(server):
        for name in names:
            expect_equal(get(server, name)[0], 404, f"the status of {name}")
        expect("access" not in get(server, "/logs/")[1], "the log is listed")

    with Server(binary, site=site, options=options) as server:
        with report.check("the private key, by any name, the certificate and the log are 404"):
            all_hidden(server)
            expect_equal(get(server), (200, "page"), "the start page")
        with report.check("and so after SIGUSR1 and a rotated log, SIGHUP and a new pair"):
            (logs / "access.log").rename(logs / "access.log.1")
            server.signal(signal.SIGUSR1)
            wait_for((logs / "access.log").exists, "the new log")
            make_pair(tls / "new.pem", tls / "new.key")
            (tls / "new.pem").rename(tls / "cert.pem")
            (tls / "new.key").rename(tls / "key.pem")
            server.signal(signal.SIGHUP)
            wait_for(lambda: "read again" in server.output(), "the new certificate")
            all_hidden(server)
        with report.check("each is warned of with its mend"):
            for option in ("--key", "--cert", "--access-log"):
                expect(any("within the served directory" in line and option in line
                           for line in server.output().splitlines()), server.output())
    with report.check("cd site; calmd . makes its certificate elsewhere"):
        home = place / "home"
        with Server(binary, site=Path("."), environment={
                "HOME": str(home), "STATE_DIRECTORY": "", "XDG_STATE_HOME": ""}) as server:
            wait_for(lambda: "self-signed" in server.output(), server.output())
            expect((home / ".local/state/calmd/localhost.key").exists(), server.output())
            expect(not (server.place / "certs").exists(), "it is in the served directory")
            expect_equal(get(server, "/certs/localhost.key")[0], 404, "the status")


def make_pair(chain, key):
    """A certificate of the operator's."""
    done = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-days", "90", "-subj", "/CN=localhost", "-addext",
               "subjectAltName=DNS:localhost", "-keyout", key, "-out", chain)
    expect_equal(done.returncode, 0, done.stderr.decode())


def certificates(report, binary, place):
    """A renewal as certbot does it: `live` leads to the newest file of `archive`."""
    live, archive = place / "live/localhost", place / "archive/localhost"
    live.mkdir(parents=True)
    archive.mkdir(parents=True)

    def renew(serial):
        make_pair(archive / f"fullchain{serial}.pem", archive / f"privkey{serial}.pem")
        for name in ("fullchain", "privkey"):
            link = live / f"{name}.pem"
            target = f"../../archive/localhost/{name}{serial}.pem"
            if link.is_symlink():
                link.unlink()
            link.symlink_to(target)
        text = (archive / f"fullchain{serial}.pem").read_text().strip()
        return text

    first = renew(1)
    site = release(place / "site", "page")
    options = ("--cert", live / "fullchain.pem", "--key", live / "privkey.pem")
    with Server(binary, site=site, options=options) as server:
        def served():
            return ssl.get_server_certificate(("127.0.0.1", server.tls_port), timeout=5).strip()

        with report.check("certbot's links: the certificate of the start"):
            expect_equal(served(), first, "the certificate")
        with report.check("certbot renews, SIGHUP: the new certificate"):
            second = renew(2)
            server.signal(signal.SIGHUP)
            wait_for(lambda: served() == second, "the new certificate is served", 5)
    # A directory of secrets that is exchanged as a whole, through a link above it.
    for serial in (1, 2):
        (place / f"secrets/{serial}").mkdir(parents=True)
    make_pair(place / "secrets/1/tls.crt", place / "secrets/1/tls.key")
    current = place / "secrets/current"
    current.symlink_to("1")
    options = ("--cert", current / "tls.crt", "--key", current / "tls.key")
    with Server(binary, site=site, options=options) as server:
        with report.check("a link above certificate and key is given another target, SIGHUP"):
            make_pair(place / "secrets/2/tls.crt", place / "secrets/2/tls.key")
            repoint(current, "2")
            server.signal(signal.SIGHUP)
            expected = (place / "secrets/2/tls.crt").read_text().strip()
            wait_for(lambda: ssl.get_server_certificate(
                ("127.0.0.1", server.tls_port), timeout=5).strip() == expected,
                f"the new certificate is served: {server.output()}", 5)


PARTS = [root_swaps, mounted_configuration, sandboxed, git_pull, rsync_in_place, own_files,
         certificates]
