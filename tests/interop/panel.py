"""The panel in Chromium: login, live overview, one connection with a window that is shut, actions, logout, a
page elsewhere that tries to get in; and screenshots, which are kept."""

import base64
import socket
import struct
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from devtools import Chromium
from harness import KEPT, Server, expect, expect_equal, free_ports, run, wait_for

# A user whose password is `secret`: bcrypt of cost 5.
USERS = "ann:$2y$05$jqZBkUlc19j3nWlosfvrfuur6CPP72NWtc.VZ3nN8Y5klhI0Krqda\n"

# Time that a busy machine may take for anything that the page does.
PATIENCE = 30

# Widths, heights and schemes of the screenshots.
PICTURES = {
    "light": (1440, 1000, "light", 1),
    "dark": (1440, 1000, "dark", 1),
    "narrow": (360, 800, "light", 2),
    "wide": (3840, 2160, "dark", 1),
}


def checks(report, binary):
    """All checks of this group."""
    port, nobody = free_ports(2)
    application = ThreadingHTTPServer(("127.0.0.1", 0), Application)
    threading.Thread(target=application.serve_forever, daemon=True).start()
    options = ("--admin", f"127.0.0.1:{port}", "--admin-users", "users", "--proxy", f"/app=http://127.0.0.1:{nobody}",
               "--proxy", f"/app=http://127.0.0.1:{application.server_address[1]}")
    server = Server(binary, options=options)
    (server.place / "users").write_text(USERS)
    (server.place / "site").mkdir()
    (server.place / "site" / "large.bin").write_bytes(bytes(8 << 20))
    (server.place / "site" / "index.html").write_text("<!doctype html><title>start</title>")
    server.command[1] = str(server.place / "site")
    panel = f"http://localhost:{port}"
    with server, Chromium() as browser:
        login(report, browser, panel)
        with load(server), stalled(server):
            overview(report, browser)
            upstreams(report, browser, server)
            connection(report, browser, server)
            pictures(report, browser, panel)
            steering(report, browser, server)
        logs(report, browser, server, panel)
        strangers(report, browser, server, panel)
        logout(report, browser, panel)
    application.shutdown()


class Application(BaseHTTPRequestHandler):
    """An upstream."""

    def do_GET(self):
        """Answers with a word."""
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        """Nothing of it is of interest."""


def until(browser, expression, what):
    """Waits until an expression in the page is true, and returns its value."""
    deadline = time.monotonic() + PATIENCE
    while True:
        value = browser.evaluate(expression)
        if value:
            return value
        said = browser.evaluate("document.body.innerText.slice(0, 2000)")
        expect(time.monotonic() < deadline, f"not {what}: {said}")
        browser.watch(0.1)


def text_of(browser, element):
    """The text of an element."""
    return browser.evaluate(f"document.getElementById({element!r}).innerText")


def press(browser, selector):
    """Clicks on an element."""
    found = browser.evaluate(f"!!document.querySelector({selector!r})")
    expect(found, f"there is no {selector}")
    browser.evaluate(f"document.querySelector({selector!r}).click()")


def confirm(browser):
    """Answers the question that the page asks."""
    until(browser, "document.getElementById('ask').open", "asked")
    press(browser, "#ask-yes")


def fill(browser, user, password):
    """Fills in the form of the login, and sends it."""
    browser.evaluate(f"document.getElementById('user').value = {user!r};"
                     f"document.getElementById('password').value = {password!r};")
    press(browser, "#login-form button")


def login(report, browser, panel):
    """A wrong login is refused, the right one shows the overview."""
    with report.check("Chromium: a wrong login is told and shows nothing"):
        browser.load(f"{panel}/")
        until(browser, "!document.getElementById('login').hidden", "the login")
        fill(browser, "ann", "wrong")
        until(browser, "!document.getElementById('login-error').hidden", "refused")
        expect(browser.evaluate("document.getElementById('app').hidden"), "the panel is shown")
    with report.check("Chromium: the right login shows the overview, live"):
        fill(browser, "ann", "secret")
        until(browser, "!document.getElementById('app').hidden", "the panel")
        until(browser, "document.getElementById('state').innerText === 'serving'", "serving")
        expect_equal(text_of(browser, "who"), "ann", "the user")
        expect_equal(browser.failures, [], "failed requests")


class load:
    """h2load, as long as the block."""

    def __init__(self, server):
        self.command = ["h2load", "-D", "120", "-c", "8", "-m", "4", "--rps", "20", f"{server.https}/"]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class stalled:
    """A client of HTTP/2 that asks for a large file and gives it no window."""

    def __init__(self, server):
        self.port = server.port

    def __enter__(self):
        self.socket = socket.create_connection(("127.0.0.1", self.port))
        def frame(kind, flags, stream, payload):
            return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload
        path, authority = b"/large.bin", b"localhost"
        head = b"\x82\x86" + b"\x04" + bytes([len(path)]) + path + b"\x01" + bytes([len(authority)]) + authority
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(4, 1, 0, b"") +
                            b"".join(frame(1, 5, stream, head) for stream in (1, 3, 5)))
        # The rest of what it gets waits in the kernel, which has room for both windows.
        return self

    def __exit__(self, *_):
        self.socket.close()


def overview(report, browser):
    """Requests of h2load are seen as they are served."""
    with report.check("Chromium: the overview counts the requests of h2load") as figure:
        until(browser, "[...document.querySelectorAll('#classes td')].some(it => it.innerText === '2xx')",
              "a class of responses")
        rate = until(browser, "parseFloat(document.querySelector('.chart .value').innerText) > 20"
                     " && document.querySelector('.chart .value').innerText", "a rate")
        figure.append(f"{rate}")


def upstreams(report, browser, server):
    """The servers of a proxy are shown, with what they have answered and failed to."""
    with report.check("Chromium: the overview shows the servers of a proxy, and what each has done") as figure:
        for _ in range(8):
            run("curl", "-s", f"{server.http}/app/")
        # The first one, where nobody listens, has failed; the other has answered.
        shown = until(browser, "(rows => rows.length === 2 && rows[0].at(-3) > 0 && rows[1].at(-4) >= 8 && rows.join('; '))"
                     "([...document.querySelectorAll('#upstreams tbody tr')].map(row => [...row.cells]"
                     ".map(cell => cell.innerText)))", "both servers")
        figure.append(shown)


def connection(report, browser, server):
    """The connection that gives no window is found, and shows whom it blocks."""
    with report.check("Chromium: the list shows who is blocked, and one click shows that connection") as figure:
        browser.evaluate("location.hash = '#connections'")
        until(browser, "[...document.querySelectorAll('#connections th button')].length > 9", "columns")
        browser.evaluate("[...document.querySelectorAll('#connections th button')]"
                         ".find(it => it.innerText.startsWith('Blocked')).click()")
        row = until(browser, "[...document.querySelectorAll('#connections tbody tr')][0]?.innerText.includes('window')"
                    " && document.querySelector('#connections tbody tr').innerText", "a blocked connection")
        figure.append(" ".join(row.split()))
        press(browser, "#connections tbody a")
        shut = until(browser, "document.querySelector('#one-blocked').innerText.includes('Blocked')"
                     " && document.querySelector('#one-blocked').innerText", "blocked")
        figure.append(shut)
        expect("connection window" in shut or "stream window" in shut, shut)
        until(browser, "document.querySelectorAll('#windows tr.empty').length > 0", "a window at 0")
        expect(browser.evaluate("document.querySelectorAll('#streams tbody tr').length") == 3, "three streams")
    with report.check("Chromium: its frames are shown as they come") as figure:
        before = len(server.output())
        until(browser, "document.querySelectorAll('#frames li').length > 0", "frames")
        figure.append(text_of(browser, "frame-count"))
        expect(len(server.output()) >= before, "the log shrank")


def pictures(report, browser, panel):
    """Screenshots of every view, at several sizes and in both schemes."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with report.check("Chromium draws the views, light, dark, narrow and wide; nothing is wider than the screen") as figure:
        one = browser.evaluate("location.hash")
        for view in ("#overview", "#connections", one, "#logs"):
            for name, (width, height, scheme, scale) in PICTURES.items():
                browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                             deviceScaleFactor=scale, mobile=False)
                browser.call("Emulation.setEmulatedMedia",
                             features=[{"name": "prefers-color-scheme", "value": scheme}])
                browser.evaluate(f"location.hash = {view!r}")
                browser.watch(1.2)
                if view == one:
                    until(browser, "document.querySelectorAll('#windows tr.empty').length > 0", "a window at 0")
                wide = browser.evaluate("document.documentElement.scrollWidth")
                expect(wide <= width, f"{view} at {width} is {wide} wide")
                shown = browser.call("Page.captureScreenshot", format="png")["data"]
                word = view.strip("#").split("/")
                path = KEPT / f"panel-{'one' if len(word) > 1 else word[0]}-{name}.png"
                path.write_bytes(base64.b64decode(shown))
                expect(path.stat().st_size > 15_000, f"{path} is blank")
        figure.append(f"{KEPT}/panel-*.png")
        browser.call("Emulation.clearDeviceMetricsOverride")
        browser.evaluate("location.hash = '#overview'")


def steering(report, browser, server):
    """Accepting is paused and resumed while h2load runs."""
    with report.check("Chromium: accepting is paused and resumed while h2load goes on"):
        until(browser, "!document.getElementById('view-overview').hidden", "the overview")
        press(browser, "[data-action=pause]")
        confirm(browser)
        until(browser, "document.getElementById('state').innerText === 'paused'", "paused")
        done = run("curl", "-s", "-m", "2", f"{server.http}/")
        expect_equal(done.returncode, 28, "curl's exit code while newcomers wait")
        press(browser, "[data-action=resume]")
        confirm(browser)
        until(browser, "document.getElementById('state').innerText === 'serving'", "serving")
        done = run("curl", "-s", "-m", "20", f"{server.http}/")
        expect(b"start" in done.stdout, f"curl: {done}")
        expect("panel: ann at 127.0.0.1: pause accepting" in server.output(), "the log does not tell who did it")


def logs(report, browser, server, panel):
    """Lines of requests are shown as they come."""
    with report.check("Chromium: a request is in the log that is shown, though no file is written"):
        browser.evaluate("location.hash = '#logs'")
        browser.watch(1.0)
        run("curl", "-s", f"{server.http}/seen-by-the-panel")
        until(browser, "document.getElementById('log').innerText.includes('/seen-by-the-panel')", "the line")


def strangers(report, browser, server, panel):
    """A page of another origin tries everything that a page can."""
    with report.check("Chromium: a page elsewhere gets nothing and does nothing") as figure:
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        own, browser.session = browser.session, None
        browser.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        browser.call("Page.enable")
        browser.call("Page.setLifecycleEventsEnabled", enabled=True)
        # The same host by another port has the cookies of the host.
        browser.load(f"{server.http}/")
        tries = {
            "read": f"fetch('{panel}/api/overview', {{credentials: 'include'}}).then(it => it.text())",
            "blind": f"fetch('{panel}/api/overview', {{credentials: 'include', mode: 'no-cors'}})"
                     ".then(it => it.type === 'opaque' ? Promise.reject('opaque') : it.text())",
            "post": f"fetch('{panel}/api/actions', {{method: 'POST', credentials: 'include', mode: 'no-cors',"
                    " body: '{\"action\":\"pause\"}'}).then(it => Promise.reject(it.type))",
            "json": f"fetch('{panel}/api/actions', {{method: 'POST', credentials: 'include',"
                    " headers: {'content-type': 'application/json', 'x-calmd-token': 'a'},"
                    " body: '{\"action\":\"pause\"}'}).then(it => it.text())",
            "events": f"new Promise((yes, no) => {{ const it = new EventSource('{panel}/api/events',"
                      " {withCredentials: true}); it.onopen = () => yes('open'); it.onerror = () => no('no'); })",
            "script": "new Promise((yes, no) => { const it = document.createElement('script');"
                      f" it.src = '{panel}/panel.js'; it.onload = () => yes('loaded'); it.onerror = () => no('no');"
                      " document.head.append(it); })",
            "frame": "new Promise((yes, no) => { const it = document.createElement('iframe');"
                     f" it.src = '{panel}/'; it.onload = () => {{ try {{ yes(it.contentDocument.title) }}"
                     " catch { no('no') } }; document.documentElement.append(it); })",
        }
        got = {}
        for name, attempt in tries.items():
            result = browser.call("Runtime.evaluate", awaitPromise=True,
                                  expression=f"Promise.resolve({attempt}).then(it => 'got ' + it, () => 'nothing')")
            got[name] = result["result"].get("value")
        browser.session = own
        expect_equal(got, dict.fromkeys(tries, "nothing"), "what the page got")
        state = until(browser, "document.getElementById('state').innerText", "a state")
        expect_equal(state, "serving", "the state behind the attempts")
        # By a name of its own, which leads here: the answer that a page there would read.
        (port,) = {panel.rsplit(":", 1)[1]}
        done = run("curl", "-s", "-H", f"Host: evil.example:{port}", f"{panel}/api/session")
        expect(b"no such name" in done.stdout, f"by another name: {done.stdout}")
        figure.append(", ".join(tries))


def logout(report, browser, panel):
    """Behind the logout nothing is told any more."""
    with report.check("Chromium: behind the logout nothing is told, and the form is there again"):
        press(browser, "#logout")
        until(browser, "!document.getElementById('login').hidden", "the login")
        status = browser.call("Runtime.evaluate", awaitPromise=True,
                              expression="fetch('/api/overview').then(it => it.status)")
        expect_equal(status["result"]["value"], 401, "the status of the overview")
        browser.load(f"{panel}/")
        until(browser, "!document.getElementById('login').hidden", "the login")
