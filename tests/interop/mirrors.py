"""Programs that copy sites or complete files: wget, lftp, zsync, zchunk's zckdl and dnf's librepo. They read
listings to the last name, and ask for many ranges at a time, or for the rest of what they have."""

import tempfile
import time
from pathlib import Path

from harness import Server, expect, expect_equal, random_file, run, wait_for

# Beyond what a listing once showed, and in no order on the disk.
FILES = 2500

# A program of Debian's Python, whose library librepo is: reads a repository, and gets a package and a part of it.
LIBREPO = """
import hashlib, librepo, sys
url, to, package = sys.argv[1:]
handle = librepo.Handle()
for option, value in [(librepo.LRO_URLS, [url]), (librepo.LRO_REPOTYPE, librepo.LR_YUMREPO),
                      (librepo.LRO_DESTDIR, to), (librepo.LRO_CHECKSUM, True)]:
    handle.setopt(option, value)
result = librepo.Result()
handle.perform(result)
content = open(package, "rb").read()
whole = librepo.PackageTarget("a.rpm", handle=handle, dest=to + "/a.rpm", checksum_type=librepo.SHA256,
                              checksum=hashlib.sha256(content).hexdigest())
part = librepo.PackageTarget("a.rpm", handle=handle, dest=to + "/part", byterangestart=1000, byterangeend=1999)
for target in [whole, part]:
    librepo.download_packages([target])
    assert target.err is None, target.err
assert open(to + "/a.rpm", "rb").read() == content
assert open(to + "/part", "rb").read() == content[1000:2000]
print(len(result.getinfo(librepo.LRR_YUM_REPO)))
"""


def checks(report, binary):
    """All checks of this group."""
    with tempfile.TemporaryDirectory(prefix="calmd-mirrors-") as place:
        listings(report, binary, Path(place))
    with tempfile.TemporaryDirectory(prefix="calmd-ranges-") as place:
        ranges(report, binary, Path(place))


def listings(report, binary, place):
    """Copies of a directory of many files, by its listing alone."""
    site = place / "site"
    many = site / "many"
    many.mkdir(parents=True)
    names = {f"file {number * 7919 % FILES:05}.txt" for number in range(FILES)}
    for name in names:
        (many / name).write_text(name)
    with Server(binary, site=site, options=("--listing", "--access-log", "-"), tls=False) as server:
        with report.check("wget -r copies every file of a listing, and each listing once") as figure:
            to = place / "wget"
            done = run("wget", "-q", "-r", "-np", "-nH", "-P", to, f"{server.http}/many/", timeout=120)
            expect_equal(done.returncode, 0, f"wget's exit code ({done.stderr[-300:]!r})")
            copied = {path.name for path in (to / "many").iterdir()}
            expect_equal(len(names - copied), 0, "the number of files that are missing")
            log = logged(server)
            asked = log.count('"GET /many/ ') + log.count('"GET /many/?')
            expect_equal(asked, 1, "the number of listings asked for")
            figure.append(f"{len(copied & names)} files")
        with report.check("lftp mirror copies every file of a listing") as figure:
            to = place / "lftp"
            script = f"set net:max-retries 1; mirror /many {to}; exit"
            done = run("lftp", "-c", f"open {server.http}; {script}", timeout=180)
            expect_equal(done.returncode, 0, f"lftp's exit code ({done.stderr[-300:]!r})")
            copied = {path.name for path in to.iterdir()}
            expect_equal(len(names - copied), 0, "the number of files that are missing")
            figure.append(f"{len(copied & names)} files")


def ranges(report, binary, place):
    """Files of which a client has most already."""
    site, old = place / "site", place / "old"
    site.mkdir()
    old.mkdir()
    content = bytearray(random_file(site / "new.bin", 4 << 20).read_bytes())
    for at in range(0, len(content), 37_000):
        content[at:at + 16] = bytes(16)
    (old / "old.bin").write_bytes(content)
    with Server(binary, site=site, options=("--access-log", "-"), tls=False) as server:
        with report.check("zsync completes a file by many ranges") as figure:
            done = run("zsyncmake", "-b", "2048", "-u", "new.bin", "-o", site / "new.zsync",
                       site / "new.bin")
            expect_equal(done.returncode, 0, f"zsyncmake's exit code ({done.stderr[-300:]!r})")
            done = run("zsync", "-i", old / "old.bin", "-o", place / "zsync.bin",
                       f"{server.http}/new.zsync", cwd=place)
            expect_equal(done.returncode, 0, f"zsync's exit code ({done.stderr[-300:]!r})")
            same(site / "new.bin", place / "zsync.bin")
            figure.append(partial(server))
        with report.check("librepo reads a repository, and gets a package and a part of it") as figure:
            (site / "packages").mkdir()
            package = random_file(site / "packages" / "a.rpm", 1 << 20)
            done = run("createrepo_c", "-q", package.parent)
            expect_equal(done.returncode, 0, f"createrepo_c's exit code ({done.stderr[-300:]!r})")
            (place / "librepo").mkdir()
            done = run("/usr/bin/python3", "-c", LIBREPO, f"{server.http}/packages/", place / "librepo", package)
            expect_equal(done.returncode, 0, f"librepo's program ({done.stderr[-500:]!r})")
            expect(" 206 " in logged(server), "it asked for no range")
            figure.append(f"{done.stdout.decode().strip()} files of the repository")
        with report.check("zckdl completes a file by the ranges of its chunks") as figure:
            done = run("zck", "-o", site / "new.zck", site / "new.bin")
            expect_equal(done.returncode, 0, f"zck's exit code ({done.stderr[-300:]!r})")
            done = run("zck", "-o", old / "old.zck", old / "old.bin")
            expect_equal(done.returncode, 0, f"zck's exit code ({done.stderr[-300:]!r})")
            before = logged(server).count(" 206 ")
            done = run("zckdl", "-s", old / "old.zck", f"{server.http}/new.zck", cwd=place)
            expect_equal(done.returncode, 0, f"zckdl's exit code ({done.stderr[-300:]!r})")
            same(site / "new.zck", place / "new.zck")
            parts = logged(server).count(" 206 ") - before
            expect(parts > 0, "it asked for no range")
            figure.append(f"{parts} answers of 206")


def logged(server):
    """The access log, once what waits in its buffer is written: a last line that one knows is."""
    mark = f"/mark-{time.monotonic_ns()}"
    run("curl", "-sS", f"{server.http}{mark}")
    wait_for(lambda: mark in server.output(), "the line of the mark")
    return server.output()


def same(expected, actual):
    """Both files have the same bytes."""
    expect(Path(actual).read_bytes() == Path(expected).read_bytes(), f"{actual} is another file")


def partial(server):
    """Number of answers with a part. Fails if an answer to a range was the whole file."""
    lines = [line for line in logged(server).splitlines() if "/new.bin" in line]
    whole = [line for line in lines if " 200 " in line]
    expect_equal(whole, [], "the answers that were whole")
    expect(lines, "it asked for no range")
    return f"{len(lines)} answers of 206"
