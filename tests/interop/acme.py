"""ACME clients: certbot and lego against pebble, an authority for tests. They get certificates through the site that
they are for, and the server takes renewed ones over, in its sandbox: by itself, or by a hook that sends SIGHUP.

Takes some minutes, since the server looks at its files once a minute.
"""

import json
import os
import re
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from harness import Server, expect, expect_equal, free_ports, run, wait_for

# Names of the certificates; the authority asks its own DNS server, for which all names are on this machine.
NAMES = {"certbot": "certbot.calmd.test", "lego": "lego.calmd.test", "hook": "hook.calmd.test"}

# Seconds until a renewed certificate is noticed without a signal: a minute, and some more on a busy machine.
NOTICED = 75

# Seconds until it is after a signal.
SIGNALLED = 15


def checks(report, binary):
    """All checks of this group."""
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        place = Path(place)
        with Server(binary, site=make_site(place), tls=False) as web, authority(place, web.port) as (url, root):
            for issue in (Certbot, Lego, Hooked):
                client(report, binary, web, issue(place, url, root, web.site))
        old(report, binary, place)


def make_site(place):
    """A site, which the clients put their answers into."""
    site = place / "site"
    site.mkdir()
    (site / "index.html").write_text("acme\n")
    return site


@contextmanager
def authority(place, http_port):
    """pebble and its DNS server: the URL of its directory, and the certificate by which it is known."""
    acme, management, dns, dns_management = free_ports(4)
    certificate, key = make_certificate(place / "pebble", "localhost", "30", "IP:127.0.0.1")
    (place / "pebble.json").write_text(json.dumps({"pebble": {
        "listenAddress": f"127.0.0.1:{acme}", "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(certificate), "privateKey": str(key), "httpPort": http_port, "tlsPort": 1,
        "ocspResponderURL": "", "externalAccountBindingRequired": False}}))
    with open(place / "pebble.log", "wb") as log:
        processes = [
            subprocess.Popen(["pebble-challtestsrv", "-dns01", f"127.0.0.1:{dns}", "-defaultIPv4", "127.0.0.1",
                              "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "", "-management",
                              f"127.0.0.1:{dns_management}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log),
            subprocess.Popen(["pebble", "-config", place / "pebble.json", "-dnsserver", f"127.0.0.1:{dns}"],
                             stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                             env=os.environ | {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}),
        ]
    try:
        url = f"https://127.0.0.1:{acme}/dir"
        wait_for(lambda: run("curl", "-s", "--cacert", certificate, url).returncode == 0, "pebble answers")
        yield url, certificate
    finally:
        for process in processes:
            process.kill()
            process.wait()


def make_certificate(base, name, days, others, *prefix):
    """A certificate and its key by openssl."""
    files = base.with_suffix(".pem"), base.with_suffix(".key")
    done = run(*prefix, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
               "-days", days, "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},{others}",
               "-out", files[0], "-keyout", files[1])
    expect_equal(done.returncode, 0, f"the exit code of openssl: {done.stderr}")
    return files


class Certbot:
    """certbot, which writes its answers into the site."""

    name = "certbot, whose files are links"

    def __init__(self, place, url, root, site):
        self.domain = NAMES["certbot"]
        self.place = place / "certbot"
        self.environment = os.environ | {"REQUESTS_CA_BUNDLE": str(root)}
        self.common = ["--non-interactive", "--server", url, "--config-dir", self.place / "config", "--work-dir",
                       self.place / "work", "--logs-dir", self.place / "logs"]
        self.how = ["--webroot", "-w", site]
        self.chain, self.key = (self.place / "config/live" / self.domain / name
                                for name in ("fullchain.pem", "privkey.pem"))

    def first(self):
        """The command for the first certificate."""
        return ["certbot", "certonly", *self.common, "--agree-tos", "--email", "a@calmd.test", *self.how, "-d", self.domain]

    def renewal(self, _server):
        """The command for the next one, before its time."""
        return ["certbot", "renew", *self.common, "--force-renewal", "--no-random-sleep-on-renew"]

    # Without a signal.
    options = ("--watch-certificates",)
    patience = NOTICED


class Hooked(Certbot):
    """certbot with hooks of the operator's own: one writes the answer, one tells the server."""

    name = "certbot by hooks, one of which sends SIGHUP"
    options = ()
    patience = SIGNALLED

    def __init__(self, place, url, root, site):
        super().__init__(place, url, root, site)
        self.domain = NAMES["hook"]
        self.chain, self.key = (file.parent.with_name(self.domain) / file.name for file in (self.chain, self.key))
        hook = place / "hook"
        hook.write_text(f"#!/bin/sh\nmkdir -p {site}/.well-known/acme-challenge\n"
                        f"printf %s \"$CERTBOT_VALIDATION\" > {site}/.well-known/acme-challenge/$CERTBOT_TOKEN\n")
        hook.chmod(0o755)
        self.how = ["--manual", "--preferred-challenges", "http", "--manual-auth-hook", hook]

    def renewal(self, server):
        return [*super().renewal(server), "--cert-name", self.domain, "--deploy-hook", f"kill -HUP {server.process.pid}"]


class Lego:
    """lego, which writes its answers into the site, and writes its files anew in their places."""

    name = "lego, which writes over its files"
    options = ("--watch-certificates",)
    patience = NOTICED

    def __init__(self, place, url, root, site):
        self.domain = NAMES["lego"]
        self.environment = os.environ | {"LEGO_CA_CERTIFICATES": str(root)}
        self.common = ["lego", "--server", url, "--email", "a@calmd.test", "--accept-tos", "--domains", self.domain,
                       "--http", "--http.webroot", site, "--path", place / "lego"]
        self.chain, self.key = (place / "lego/certificates" / f"{self.domain}.{kind}" for kind in ("crt", "key"))

    def first(self):
        """The command for the first certificate."""
        return [*self.common, "run"]

    def renewal(self, _server):
        """The command for the next one, before its time."""
        return [*self.common, "renew", "--days", "9999", "--no-random-sleep"]


def client(report, binary, web, issue):
    """The first certificate of a client, and its renewal while a server has it."""
    def act(command):
        done = run(*command, env=issue.environment, timeout=120)
        expect_equal(done.returncode, 0, f"the exit code: {done.stdout[-600:]} {done.stderr[-600:]}")

    with report.check(f"{issue.name}: gets a certificate, and a renewed one is served within {issue.patience} s") as figure:
        act(issue.first())
        options = ["--cert", issue.chain, "--key", issue.key, *issue.options]
        with Server(binary, site=web.site, options=options) as server:
            before = served(server, issue.domain)
            expect_equal(before, serial(issue.chain), "the serial number that is served")
            act(issue.renewal(server))
            begun = time.monotonic()
            newer = serial(issue.chain)
            expect(newer != before, "the client has not renewed it")
            wait_for(lambda: served(server, issue.domain) == newer, "the renewed one is served", issue.patience)
            figure.append(f"after {time.monotonic() - begun:.0f} s")
            warnings = [line for line in server.output().splitlines() if " WARN " in line and "open files" not in line]
            expect_equal(warnings, [], "warnings")
            expect_equal(server.terminate(), 0, "the exit code")


def serial(chain):
    """The serial number of the first certificate of a file."""
    return run("openssl", "x509", "-in", chain, "-noout", "-serial").stdout.decode().strip()


def served(server, name):
    """The serial number of the certificate that is served."""
    done = run("openssl", "s_client", "-connect", f"127.0.0.1:{server.tls_port}", "-servername", name)
    found = re.search(r"-----BEGIN.*?-----END CERTIFICATE-----", done.stdout.decode(), re.S)
    expect(found, f"no certificate: {done.stderr[-300:]}")
    return run("openssl", "x509", "-noout", "-serial", input=found.group().encode(), stdin=None).stdout.decode().strip()


def old(report, binary, place):
    """Certificates that were not renewed in time: in the log and in the metrics."""
    [metrics_port] = free_ports(1)
    cases = [("ends within three days", "90", ("faketime", "87 days ago"), r"expires in [23] days, on "),
             ("ended twenty days ago", "10", ("faketime", "30 days ago"), r"expired on ")]
    for name, days, prefix, words in cases:
        with report.check(f"a certificate that {name} is served, warned of, and told by the metrics"):
            chain, key = make_certificate(place / "old", "localhost", days, "IP:127.0.0.1", *prefix)
            options = ["--cert", chain, "--key", key, "--metrics", f"127.0.0.1:{metrics_port}"]
            with Server(binary, site=place / "site", options=options) as server:
                expect_equal(served(server, "localhost"), serial(chain), "the serial number that is served")
                warnings = [line for line in server.output().splitlines() if " WARN " in line and str(chain) in line]
                expect(len(warnings) == 1 and re.search(words, warnings[0]), f"it warns {warnings}")
                text = run("curl", "-sS", f"http://127.0.0.1:{metrics_port}/metrics").stdout.decode()
                end = re.search(r"^calmd_tls_certificate_expiry_timestamp_seconds (\d+)$", text, re.M)
                expect(end, "the metrics do not tell its end")
                wanted = run("openssl", "x509", "-in", chain, "-noout", "-enddate", "-dateopt", "iso_8601").stdout.decode()
                told = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(int(end.group(1))))
                expect_equal(f"notAfter={told}", wanted.strip(), "the end")
