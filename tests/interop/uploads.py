"""Uploads by curl, nghttp, h2load and Chromium: whole, by form and by drag and drop, with preconditions,
digests and limits, in flat memory, and onto a disk that is full."""

import base64
import hashlib
import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

from devtools import Chromium
from harness import KEPT, Server, expect, expect_equal, free_ports, mib, random_file, run, wait_for

# An upload that takes a while, and many smaller ones at a time.
LONG = 200_000_000
MANY, SMALL = 100, 2_000_000

# Memory that they may add.
FLAT = 512 << 10
MANY_FLAT = 32 << 20

# A phone.
WIDTH, HEIGHT = 360, 740


def checks(report, binary):
    """All checks of this group."""
    with uploads(binary, "--demo") as (server, place):
        with report.check("upload: curl -T over HTTP/1.1, HTTP/2 and TLS"):
            put(server, place)
        with report.check("upload: curl -F, two files"):
            form(server, place)
        with report.check("upload: nghttp -d to /upload, by POST and PUT"):
            demo(server)
        with report.check("upload: preconditions"):
            preconditions(server, place)
        with report.check("upload: digests"):
            digests(server, place)
    with uploads(binary) as (server, place):
        browser(report, server, place)
    with uploads(binary, "--demo") as (server, place):
        for base, option in [(server.http, "--http1.1"), (server.http, "--http2-prior-knowledge"),
                             (server.https, "--http2")]:
            scheme = base.split(":")[0]
            with report.check(f"upload: {LONG // 1_000_000} MB by {scheme} {option} in flat memory") as figure:
                one_long(server, place, base, option, figure)
        with report.check(f"upload: {MANY} at a time") as figure:
            many(server, figure)
    with report.check("upload: a full disk is told, and nothing stays on it") as figure:
        full_disk(binary, figure)


@contextmanager
def uploads(binary, *options):
    """A server with a directory for uploads, and that directory."""
    with tempfile.TemporaryDirectory(prefix="calmd-uploads-") as place:
        with Server(binary, options=("--upload", f"/in={place}", *options)) as server:
            yield server, Path(place)


def curl(*arguments):
    """The status and the content of an answer."""
    done = run("curl", "-sSk", "--max-time", "50", "-w", "\n%{http_code}", *arguments)
    expect_equal(done.returncode, 0, f"curl's end ({done.stderr.decode()})")
    content, _, status = done.stdout.decode().rpartition("\n")
    return int(status), content


def sha256(path):
    """The digest of a file, in hexadecimal."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def put(server, place):
    """A file by each protocol, new and in the place of an older one."""
    file = random_file(server.place / "photo one.bin", 3_000_000)
    for base, option in [(server.http, "--http1.1"), (server.http, "--http2-prior-knowledge"),
                         (server.https, "--http2")]:
        for wanted in (201, 204):
            status, _ = curl(option, "-T", file, f"{base}/in/")
            expect_equal(status, wanted, f"the status by {option}")
            expect_equal(os.listdir(place), [file.name], "the directory")
            expect_equal(sha256(place / file.name), sha256(file), "the content")
        (place / file.name).unlink()


def form(server, place):
    """Two files of a form; a page answers a browser, JSON a program."""
    one = random_file(server.place / "one.bin", 500_000)
    other = random_file(server.place / "other.bin", 700_000)
    files = ["-F", f"file=@{one}", "-F", "comment=none", "-F", f"file=@{other}"]
    status, content = curl(*files, f"{server.http}/in/")
    expect_equal(status, 201, "the status")
    told = {file["name"]: file["size"] for file in json.loads(content)["files"]}
    expect_equal(told, {"one.bin": 500_000, "other.bin": 700_000}, "the answer")
    for file in (one, other):
        expect_equal(sha256(place / file.name), sha256(file), "the content")
    _, page = curl("-H", "Accept: text/html", *files, f"{server.http}/in/")
    expect("<a href=\"/in/one-1.bin\">one-1.bin</a>" in page, page)


def demo(server):
    """The demo keeps a file and tells its digest."""
    file = random_file(server.place / "demo.bin", 2_000_000)
    for method in ("POST", "PUT"):
        for base in (server.http, server.https):
            done = run("nghttp", "-d", file, "-H", f":method: {method}", f"{base}/upload")
            expect_equal(done.returncode, 0, "nghttp's end")
            told = json.loads(done.stdout)["files"][0]
            expect_equal((told["size"], told["sha-256"]), (2_000_000, sha256(file)), method)


def preconditions(server, place):
    """A file that is there is not replaced where the client says so."""
    url = f"{server.http}/in/kept"
    file = server.place / "kept"
    file.write_text("first")
    expect_equal(curl("-T", file, "-H", "If-None-Match: *", url)[0], 201, "a new one")
    file.write_text("second")
    expect_equal(curl("-T", file, "-H", "If-None-Match: *", url)[0], 412, "not over the first")
    expect_equal(curl("-T", file, "-H", "If-Match: \"other\"", url)[0], 412, "not over another")
    expect_equal((place / "kept").read_text(), "first", "the file")
    expect_equal(curl("-T", file, "-H", "If-Match: *", url)[0], 204, "over any")
    expect_equal((place / "kept").read_text(), "second", "the file")


def digests(server, place):
    """A digest that is wrong stores nothing, one that is wanted is told."""
    file = random_file(server.place / "checked", 1_000_000)
    url = f"{server.https}/in/checked"
    right, wrong = (f"Repr-Digest: sha-256=:{base64.b64encode(digest).decode()}:" for digest in
                    (hashlib.sha256(file.read_bytes()).digest(), bytes(32)))
    expect_equal(curl("-T", file, "-H", wrong, url)[0], 400, "a wrong one")
    expect(not (place / "checked").exists(), "it is stored")
    expect_equal(curl("-T", file, "-H", right, url)[0], 201, "a right one")
    _, head = curl("-I", "-H", "Want-Repr-Digest: sha-256=1", url)
    expect(right.split(": ")[1] in head, head)


def browser(report, server, place):
    """The page in Chromium, on a phone's screen."""
    one = random_file(server.place / "one.bin", 300_000)
    other = random_file(server.place / "a \"quoted\" <name>.bin", 400_000)
    url = f"{server.https}/in/"
    with Chromium() as chromium:
        chromium.call("Page.addScriptToEvaluateOnNewDocument", source=VIOLATIONS)
        chromium.call("Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT,
                      deviceScaleFactor=2, mobile=True)
        with report.check("upload: Chromium's form, with a bar for each file"):
            chromium.load(url)
            choose(chromium, one, other)
            chromium.evaluate("document.querySelector('button').click()")
            finished(chromium, ["stored", "stored"])
            expect_equal(len(os.listdir(place)), 2, "the files")
            expect_equal(sha256(place / "one.bin"), sha256(one), "the content")
            expect_equal(chromium.evaluate("document.querySelectorAll('#stored a').length"), 2, "the links")
        with report.check("upload: files that are dropped on Chromium's page"):
            chromium.load(url)
            for kind in ("dragEnter", "dragOver", "drop"):
                chromium.call("Input.dispatchDragEvent", type=kind, x=WIDTH // 2, y=HEIGHT // 2,
                              data={"items": [], "files": [str(one)], "dragOperationsMask": 1})
            finished(chromium, ["stored"])
            expect((place / "one-1.bin").exists(), "it is not stored")
        with report.check("upload: a cancelled upload leaves nothing"):
            cancelled(chromium, server, place, url)
        with report.check("upload: the page fits a phone and breaks no policy; the screenshot is kept") as figure:
            chromium.load(url)
            wide = chromium.evaluate("document.documentElement.scrollWidth")
            expect(wide <= WIDTH, f"it is {wide} pixels wide")
            expect_equal(chromium.evaluate("violations.length"), 0, "the number of violations")
            expect_equal(chromium.failures, [], "the failed requests")
            KEPT.mkdir(parents=True, exist_ok=True)
            picture = chromium.call("Page.captureScreenshot")["data"]
            path = KEPT / "upload-page.png"
            path.write_bytes(base64.b64decode(picture))
            figure.append(str(path))
        with report.check("upload: Chromium's form without scripts"):
            chromium.call("Emulation.setScriptExecutionDisabled", value=True)
            chromium.load(url)
            choose(chromium, one)
            click(chromium, "button")
            wait_for(lambda: (place / "one-2.bin").exists(), "it is stored", 30)
            expect_equal(sha256(place / "one-2.bin"), sha256(one), "the content")


VIOLATIONS = """
window.violations = [];
document.addEventListener('securitypolicyviolation', event => violations.push(event.blockedURI));
"""


def choose(chromium, *files):
    """Chooses files in the form's input."""
    root = chromium.call("DOM.getDocument")["root"]["nodeId"]
    node = chromium.call("DOM.querySelector", nodeId=root, selector="input")["nodeId"]
    chromium.call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])


def click(chromium, selector):
    """Clicks into the middle of an element, as a finger does, which takes no script of the page."""
    root = chromium.call("DOM.getDocument")["root"]["nodeId"]
    node = chromium.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
    box = chromium.call("DOM.getBoxModel", nodeId=node)["model"]["content"]
    place = {"x": (box[0] + box[4]) / 2, "y": (box[1] + box[5]) / 2, "button": "left", "clickCount": 1}
    for kind in ("mousePressed", "mouseReleased"):
        chromium.call("Input.dispatchMouseEvent", type=kind, **place)


def states(chromium):
    """The words beside the bars."""
    return json.loads(chromium.evaluate(
        "JSON.stringify([...document.querySelectorAll('#sending [role=status]')].map(it => it.textContent))"))


def finished(chromium, wanted):
    """Waits until the files on the page are in these states."""
    wait_for(lambda: states(chromium) == wanted, f"the states are {wanted}", 30)


def cancelled(chromium, server, place, url):
    """A file on a slow line, which the person gives up."""
    before = sorted(os.listdir(place))
    large = random_file(server.place / "large.bin", 20_000_000)
    chromium.load(url)
    chromium.call("Network.emulateNetworkConditions", offline=False, latency=0,
                  downloadThroughput=-1, uploadThroughput=200_000)
    choose(chromium, large)
    chromium.evaluate("document.querySelector('button').click()")
    wait_for(lambda: any("%" in state for state in states(chromium)), "the bar moves", 30)
    chromium.evaluate("document.querySelector('#sending button').click()")
    finished(chromium, ["cancelled"])
    chromium.call("Network.emulateNetworkConditions", offline=False, latency=0,
                  downloadThroughput=-1, uploadThroughput=-1)
    expect_equal(chromium.evaluate("document.querySelectorAll('#sending button').length"), 0, "the buttons")
    opened = lambda: [os.readlink(link) for link in links(server) if os.path.islink(link)]
    wait_for(lambda: not any(str(place) in file and "deleted" in file for file in opened()),
             "the server lets go of it")
    expect_equal(sorted(os.listdir(place)), before, "the directory")


def links(server):
    """The descriptors of the server."""
    directory = f"/proc/{server.process.pid}/fd"
    return [f"{directory}/{name}" for name in os.listdir(directory)]


def one_long(server, place, base, option, figure):
    """One upload that is far larger than the memory that it may take."""
    file = server.place / "long.bin"
    if not file.exists():
        random_file(file, LONG)
    small = random_file(server.place / "small.bin", 1000)
    expect_equal(curl(option, "-T", small, f"{base}/in/small")[0], 201, "a small one")
    server.reset_peak()
    before = server.peak_rss()
    status, content = curl(option, "-T", file, f"{base}/in/long")
    expect_equal(status, 201, content)
    more = server.peak_rss() - before
    expect_equal(json.loads(content)["files"][0]["size"], LONG, "the size")
    expect(more <= FLAT, f"{mib(more)} more memory")
    figure.append(f"{mib(more)} more")
    for name in ("long", "small"):
        (place / name).unlink()


def many(server, figure):
    """Many uploads at a time, each on a connection of its own."""
    file = random_file(server.place / "each.bin", SMALL)
    server.reset_peak()
    before = server.peak_rss()
    done = run("h2load", "-n", MANY, "-c", MANY, "-m", 1, "-d", file, f"{server.https}/upload", timeout=100)
    expect(f"{MANY} succeeded" in done.stdout.decode(), done.stdout.decode())
    more = server.peak_rss() - before
    expect(more <= MANY_FLAT, f"{mib(more)} more memory")
    figure.append(f"{mib(more)} more")


# A disk of 4 MB, in a namespace where mounting needs no rights; what is printed is the answers of curl, and the
# names that are left.
FULL = """
set -e
mount -t tmpfs -o size=4m none "$1"
"$2" "$3" --upload "/in=$1" --upload-free 0 --listen "127.0.0.1:$4" --sandbox on >/dev/null 2>&1 &
for _ in $(seq 200); do
    curl -s -o /dev/null "http://127.0.0.1:$4/" && break
    sleep 0.05
done
for name in large small; do
    curl -s -T "$5/$name" -w '%{http_code}\\n' -o "$5/answer-$name" "http://127.0.0.1:$4/in/"
done
ls -A "$1"
kill $!
"""


def full_disk(binary, figure):
    """A disk that is too small for a file, and large enough for the next one."""
    with Server(binary) as server, tempfile.TemporaryDirectory(prefix="calmd-disk-") as disk:
        random_file(server.place / "large", 8_000_000)
        random_file(server.place / "small", 1_000_000)
        (port,) = free_ports(1)
        done = run("unshare", "--user", "--map-root-user", "--mount", "--fork", "--kill-child", "sh", "-c", FULL, "sh", disk,
                   binary, server.site, port, server.place)
        expect_equal(done.stdout.decode().split(), ["507", "201", "small"], f"what came ({done.stderr})")
        problem = json.loads((server.place / "answer-large").read_text())
        expect_equal(problem["status"], 507, "the problem")
        figure.append(problem["detail"])
