"""Hosts of a settings file, as curl, nghttp, h2load and Chromium meet them: names, certificates, rules, logins, and
settings that change under load."""

import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import client_certificates
from devtools import Chromium
from harness import Server, expect, expect_equal, run, wait_for

# The addresses are replaced by options, everything else is as an operator has it.
SETTINGS = """\
listen = ["127.0.0.1:8080"]
listen-tls = ["127.0.0.1:8443"]

[[host]]
names = ["a.test", "*.a.test"]
root = "sites/a"
cert = "a.pem"
key = "a.key"
clean-urls = true
listing = true
redirect = [{ from = "/old/*", to = "/new/:splat", status = 301 }]
headers = [{ path = "/**", set = { X-From = "a" }, remove = ["Server"] }]
basic-auth = [{ path = "/private/**", users = "htpasswd", realm = "a" }]
allow = [{ path = "/intern/**", from = ["10.0.0.0/8", "127.0.0.2"] }]
rate = [{ path = "/**", per-address = "50/s", burst = 100 }]
types = { ts = "text/x-typescript" }

[[host]]
names = ["b.test"]
root = "sites/b"
default = true
"""

# The password is "secret".
USERS = "ann:$2y$05$xZNYD9ikyLUcioxPu2WCceNT90N4T5IXbP91GmiHCQDT7hcXakWVW\n"

FILES = ("a/about.html", "a/new/page.html", "a/private/page.html", "a/intern/page.txt", "a/code.ts",
         "a/list/one.txt", "b/index.html")

# Requests of h2load beside settings that change.
REQUESTS = 20_000


def checks(report, binary):
    """All checks of this group."""
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        place = Path(place)
        prepare(place)
        with report.check("calmd check and calmd config --show tell of both hosts and every rule"):
            tables(binary, place)
        with Hosts(binary, options=("--config", place / "calmd.toml")) as server:
            client = Client(server, place)
            names(report, client)
            rules(report, client, server)
            pages(report, server)
            changes(report, client, server, place)
    client_certificates.checks(report, binary)


class Hosts(Server):
    """A server whose hosts have roots of their own, so it is given none."""

    def __init__(self, binary, **arguments):
        super().__init__(binary, **arguments)
        self.command.remove(str(self.site))


def prepare(place):
    """The settings, and everything that they name."""
    for name in FILES:
        path = place / "sites" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (place / "calmd.toml").write_text(SETTINGS)
    (place / "htpasswd").write_text(USERS)
    done = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
               "-days", "2", "-subj", "/CN=a.test", "-addext", "subjectAltName=DNS:a.test,DNS:*.a.test",
               "-keyout", place / "a.key", "-out", place / "a.pem")
    expect_equal(done.returncode, 0, f"the exit code of openssl ({done.stderr.decode()})")


def tables(binary, place):
    """The settings as calmd tells them."""
    def told(*command):
        done = run(binary, *command, "--config", place / "calmd.toml")
        expect_equal(done.returncode, 0, f"the exit code ({done.stderr.decode()})")
        return done.stdout.decode()
    text = told("check")
    for part in ("a.test *.a.test", "b.test and all others", "redirect", "/old/*", "basic-auth", "users htpasswd",
                 "X-From: a", "per-address 50/s, burst 100", "The settings are right."):
        expect(part in text, f"calmd check does not tell of {part}: {text}")
    text = told("config", "--show")
    for part in ('names = ["a.test", "*.a.test"]', 'from = "/old/*"', 'realm = "a"', "calmd.toml:11:13"):
        expect(part in text, f"calmd config --show does not tell of {part}: {text}")


class Client:
    """curl, of one server."""

    def __init__(self, server, place):
        self.server, self.place = server, place

    def ask(self, url, *options):
        """Status, fields by lowercase name, and content. The port of the server takes the place of PORT."""
        scheme = url.partition(":")[0]
        port = self.server.port_of(scheme)
        resolve = [part for host in ("a.test", "x.a.test", "b.test")
                   for part in ("--resolve", f"{host}:{port}:127.0.0.1")]
        done = run("curl", "--silent", "--include", "--path-as-is", "--max-time", "20", *resolve, *options,
                   url.replace("PORT", str(port)))
        expect_equal(done.returncode, 0, f"the exit code of curl for {url} ({done.stderr.decode()})")
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        fields = {name.lower(): value.strip()
                  for name, _, value in (line.partition(":") for line in lines)}
        return int(status.split()[1]), fields, content.decode()


def names(report, client):
    """Hosts by name, their certificates, and connections that are for another host."""
    with report.check("HTTP/1.1: names choose the host, whatever their case, port or dot"):
        for host, wanted in (("a.test", 200), ("x.y.a.test", 200), ("A.Test.:1", 200), ("b.test", 404),
                             ("other", 404), ("127.0.0.1", 404)):
            status, _, _ = client.ask("http://b.test:PORT/about", "--header", f"Host: {host}")
            expect_equal(status, wanted, f"the status for {host}")
    with report.check("HTTP/2 in the clear: nghttp is sent the site of the authority"):
        for host, wanted in (("a.test", "a/about.html"), ("b.test", "404")):
            done = run("nghttp", "--verbose", "--header", f":authority: {host}",
                       f"{client.server.http}/about")
            expect(wanted in done.stdout.decode(), f"{host}: {done.stdout.decode()}")
    trusted = ("--cacert", client.place / "a.pem")
    for version in ("--http1.1", "--http2"):
        with report.check(f"TLS, curl {version}: a host shows its certificate, and 421 sends others away"):
            status, _, content = client.ask("https://x.a.test:PORT/about", version, *trusted)
            expect_equal((status, content), (200, "a/about.html"), "the answer")
            status, _, _ = client.ask("https://a.test:PORT/", version, *trusted, "--header", "Host: b.test")
            expect_equal(status, 421, "the status for another host")
            status, _, content = client.ask("https://b.test:PORT/", version, "--insecure")
            expect_equal((status, content), (200, "b/index.html"), "the answer of the other host")


def rules(report, client, server):
    """The rules of the first host."""
    with report.check("clean URLs, redirects with a splat, a type of the file's, a listing"):
        status, fields, _ = client.ask("http://a.test:PORT/about.html")
        expect_equal((status, fields["location"]), (301, "/about"), "the clean URL")
        status, fields, _ = client.ask("http://a.test:PORT/old/page.html?q=1")
        expect_equal((status, fields["location"]), (301, "/new/page.html?q=1"), "the redirect")
        _, fields, _ = client.ask("http://a.test:PORT/code.ts")
        expect(fields["content-type"].startswith("text/x-typescript"), f"the type is {fields}")
        status, _, content = client.ask("http://a.test:PORT/list/", "--header", "Accept: application/json")
        expect(status == 200 and "one.txt" in content, f"the listing is {status} {content}")
    with report.check("fields are set and removed on files, redirects and errors"):
        for path in ("/about", "/old/x", "/none"):
            _, fields, _ = client.ask(f"http://a.test:PORT{path}")
            expect(fields.get("x-from") == "a" and "server" not in fields, f"{path}: {fields}")
        _, fields, _ = client.ask("http://b.test:PORT/")
        expect("x-from" not in fields, f"the other host: {fields}")
    with report.check("basic authentication, and addresses that may come in"):
        status, fields, _ = client.ask("http://a.test:PORT/private/page")
        expect_equal(status, 401, "the status without a login")
        expect('realm="a"' in fields["www-authenticate"], f"the challenge is {fields}")
        for user, wanted in (("ann:secret", 200), ("ann:wrong", 401)):
            status, _, _ = client.ask("http://a.test:PORT/private/page", "--user", user)
            expect_equal(status, wanted, f"the status of {user}")
        for address, wanted in (("127.0.0.1", 403), ("127.0.0.2", 200)):
            status, _, _ = client.ask("http://a.test:PORT/intern/page.txt", "--interface", address)
            expect_equal(status, wanted, f"the status of {address}")
    with report.check("a rate: 429 beyond the burst, and the time to come back") as figure:
        text = h2load(server, 400, "a.test").decode()
        codes = next(line for line in text.splitlines() if line.startswith("status codes"))
        refused = int(codes.split(", ")[2].split()[0])
        expect(refused > 0, f"no request was refused: {codes}")
        figure.append(f"{refused} of 400 refused")
        status, fields, _ = client.ask("http://a.test:PORT/about")
        expect(status == 200 or "retry-after" in fields, f"{status} {fields}")


def h2load(server, requests, host):
    """The report of h2load."""
    done = run("h2load", "-n", requests, "-c", 4, "-m", 10, "--header", f":authority: {host}",
               f"{server.http}/")
    expect_equal(done.returncode, 0, f"the exit code of h2load ({done.stderr.decode()})")
    return done.stdout


def pages(report, server):
    """A browser's login and redirect."""
    with report.check("Chromium logs in with a password, and follows a redirect"):
        with Chromium("--host-resolver-rules=MAP *.test 127.0.0.1") as browser:
            base = f"a.test:{server.port}"
            browser.load(f"http://ann:secret@{base}/private/page")
            expect_equal(browser.evaluate("document.body.innerText"), "a/private/page.html", "the page")
            browser.load(f"http://{base}/old/page.html")
            expect_equal(browser.evaluate("location.pathname"), "/new/page", "where the redirects lead")
            expect_equal(browser.evaluate("document.body.innerText"), "a/new/page.html", "its page")


def changes(report, client, server, place):
    """Settings that change, with and without load."""
    settings = place / "calmd.toml"
    outcomes = ("in force", "the old settings stay")

    def count():
        return sum(server.output().count(outcome) for outcome in outcomes)

    def change(text):
        before = count()
        new = settings.with_suffix(".new")
        new.write_text(text)
        new.replace(settings)
        server.signal(signal.SIGHUP)
        wait_for(lambda: count() > before, "the settings are read again", 30)

    with report.check("SIGHUP: a new host, a new rule and another certificate are there, a mistake changes nothing"):
        change(SETTINGS + '[[host]]\nnames = ["c.test"]\nroot = "sites/a/new"\nlisting = true\n')
        status, _, _ = client.ask("http://b.test:PORT/page.html", "--header", "Host: c.test")
        expect_equal(status, 200, "the status of the new host")
        change(SETTINGS.replace("listing = true", "listin = true"))
        expect("calmd.toml:10:1: a host has no 'listin'; did you mean 'listing'?" in server.output(),
               server.output()[-500:])
        status, _, _ = client.ask("http://b.test:PORT/page.html", "--header", "Host: c.test")
        expect_equal(status, 200, "the status of the new host beside a mistake")
        shutil.copy(place / "a.pem", place / "old.pem")
        prepare(place)
        change(SETTINGS)
        trusted = ("--cacert", place / "a.pem")
        status, _, _ = client.ask("https://b.test:PORT/", "--insecure")
        expect_equal(status, 200, "the status of the other host")
        wait_for(lambda: client.ask("https://a.test:PORT/about", *trusted)[0] == 200, "the rate recovers")
    with report.check("SIGHUP under h2load loses no request") as figure:
        before = count()
        load = subprocess.Popen(["h2load", "-n", str(REQUESTS), "-c", "8", "-m", "10", f"{server.http}/"],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        deadline, number = time.monotonic() + 60, 0
        while load.poll() is None and time.monotonic() < deadline:
            number += 1
            change(SETTINGS + f'headers = [{{ path = "/**", set = {{ X-N = "{number}" }} }}]\n')
        text = load.communicate(timeout=60)[0].decode()
        expect(f"{REQUESTS} succeeded, 0 failed, 0 errored" in text, text)
        expect(f"status codes: {REQUESTS} 2xx" in text, text)
        expect(count() > before, "no settings were read meanwhile")
        figure.append(f"{REQUESTS} requests, {count() - before} times read again")
