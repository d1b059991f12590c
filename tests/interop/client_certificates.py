"""A certificate of a client in Chromium: its database and its policy, and a page for those who have one."""

import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

from devtools import Chromium
from harness import Server, expect, expect_equal, run, wait_for

# Chromium shows a certificate without asking a person only where a policy of the machine says so.
POLICIES = Path("/etc/chromium/policies/managed")


def checks(report, binary):
    """A browser with a certificate, one without, and one with that of another authority."""
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        place = Path(place)
        for authority, client in (("ca", "ann"), ("other", "eve")):
            issue(place, authority, client)
        log = place / "access.log"
        options = ("--client-auth", "required", "--client-ca", place / "ca.pem", "--access-log", log,
                   "--log-format", "json")
        with Server(binary, options=options) as server, policy(server), \
                report.check("Chromium: a page for who has a certificate, none for others, the subject in the log"):
            expect_equal(title(browser(place, "nobody"), server), None, "the page without a certificate")
            expect_equal(title(browser(place, "eve"), server), None, "the page with that of another authority")
            expect_equal(title(browser(place, "ann"), server), "calmd is running", "the page with a certificate")
            wait_for(lambda: log.exists() and '"client_subject":"CN=ann"' in log.read_text(), "the subject is logged")


def issue(place, authority, client):
    """An authority, and a certificate of it for a client, as a browser imports it."""
    name = place / client
    # A browser offers certificates that are for clients.
    usage = place / "usage"
    usage.write_text("keyUsage=digitalSignature\nextendedKeyUsage=clientAuth\n")
    for command in (
            ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={authority}",
             "-keyout", place / f"{authority}.key", "-out", place / f"{authority}.pem"),
            ("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={client}", "-keyout", f"{name}.key",
             "-out", f"{name}.csr"),
            ("x509", "-req", "-in", f"{name}.csr", "-CA", place / f"{authority}.pem", "-CAkey",
             place / f"{authority}.key", "-CAcreateserial", "-days", "2", "-extfile", usage, "-out", f"{name}.pem"),
            ("pkcs12", "-export", "-in", f"{name}.pem", "-inkey", f"{name}.key", "-passout", "pass:import",
             "-out", f"{name}.p12")):
        done = run("openssl", *command)
        expect_equal(done.returncode, 0, f"the exit code of openssl {command[0]} ({done.stderr.decode()})")


def browser(place, client):
    """The home of a person whose browser has the certificate of a client, if there is one."""
    home = place / f"home-{client}"
    database = home / ".pki/nssdb"
    database.mkdir(parents=True)
    commands = [("certutil", "-N", "-d", f"sql:{database}", "--empty-password")]
    if (place / f"{client}.p12").exists():
        commands.append(("pk12util", "-i", place / f"{client}.p12", "-d", f"sql:{database}", "-W", "import"))
    for command in commands:
        done = run(*command)
        expect_equal(done.returncode, 0, f"the exit code of {command[0]} ({done.stderr.decode()})")
    return home


@contextmanager
def policy(server):
    """Has Chromium choose a certificate for this server by itself."""
    POLICIES.mkdir(parents=True, exist_ok=True)
    file = POLICIES / "calmd-interop.json"
    choice = json.dumps({"pattern": server.https, "filter": {}})
    file.write_text(json.dumps({"AutoSelectCertificateForUrls": [choice]}))
    try:
        yield
    finally:
        file.unlink()


def title(home, server):
    """The title of the site's page in the browser of this person; none where the server lets nobody in."""
    before = os.environ.get("HOME")
    os.environ["HOME"] = str(home)
    try:
        with Chromium() as page:
            page.load(f"{server.https}/")
            own = page.evaluate("location.protocol === 'https:' && document.title")
            expect(own or page.failures, f"neither a page nor a failure: {own}")
            return own or None
    finally:
        if before is None:
            del os.environ["HOME"]
        else:
            os.environ["HOME"] = before
