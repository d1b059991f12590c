"""Deployments beneath a running server: the ways in which people put a new release in the place of an
old one.

Each part is a function of its own, in `PARTS` below or in a file `deploy_*.py` beside this one.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness import Server, expect_equal, random_file, run, wait_for

# A change is served after a second at most; the rest is for a busy machine.
PATIENCE = 5


def checks(report, binary):
    """All checks of this group."""
    for part in PARTS:
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


PARTS = [git_pull]
