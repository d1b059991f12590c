"""testssl.sh: the TLS that is offered, and its known vulnerabilities."""

import json

from harness import Server, expect, expect_equal, run

# Severities that keep a finding from passing. WARN is a test that could not be made.
SEVERE = ("WARN", "MEDIUM", "HIGH", "CRITICAL", "FATAL")

# Severe findings that are none, and why.
EXPLAINED = {
    "engine_problem": "the machine's openssl has no GOST, which nobody is offered",
    "cert_chain_of_trust": "the certificate is the self-signed one for localhost",
    "cert_revocation": "a self-signed certificate can name no service that revokes it",
    "sessionresumption_ticket": "openssl may leave before the ticket comes, and has none then; the "
                                "tests of TLS resume sessions",
    "cipher_order": "all suites are strong, so the client takes the one that its hardware is best "
                    "at, as Mozilla's intermediate level has it",
}

# The offer of Mozilla's intermediate level (version 5.7), with a certificate of P-256. The suites with
# DHE are left out.
INTERMEDIATE = {
    "suites": {
        "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
    },
    "curves": {"X25519", "prime256v1", "secp384r1"},
}

PROTOCOLS = {
    "SSLv2": "not offered", "SSLv3": "not offered", "TLS1": "not offered", "TLS1_1": "not offered",
    "TLS1_2": "offered", "TLS1_3": "offered with final", "ALPN_HTTP2": "h2", "ALPN": "http/1.1",
}

# Mozilla's intermediate level has a site say that it is to be reached by TLS only; that is the site's
# to say.
HSTS = "Strict-Transport-Security: max-age=63072000"

# Alone on two cores it takes 50 s.
TIMEOUT = 600


def checks(report, binary):
    """All checks of this group."""
    with Server(binary, options=("--header", HSTS)) as server:
        findings, texts = [], {}
        with report.check("testssl: runs to its end") as figure:
            findings.extend(audit(server))
            texts.update((finding["id"], finding["finding"]) for finding in findings)
            expect("scanTime" in texts, f"it ended after {findings[-1:]}")
            figure.append(f"{len(findings)} findings in {texts['scanTime']} s")
        with report.check("testssl: no finding of medium severity or above but those explained") \
                as figure:
            severe = [finding for finding in findings if finding["severity"] in SEVERE]
            unexplained = [finding for finding in severe if finding["id"] not in EXPLAINED]
            expect_equal(unexplained, [], "what is not explained")
            figure.extend(finding["id"] for finding in severe)
        with report.check("testssl: TLS 1.2 and 1.3 only, h2 before http/1.1"):
            offered = {name: texts.get(name) for name in PROTOCOLS}
            expect_equal(offered, PROTOCOLS, "what is offered")
        with report.check("testssl: suites and curves of Mozilla's intermediate level") as figure:
            suites = {text.split()[1] for name, text in texts.items()
                      if name.startswith("cipher_x")}
            expect_equal(suites, INTERMEDIATE["suites"], "the set of suites")
            curves = set(texts["PFS_ECDHE_curves"].split())
            expect_equal(curves, INTERMEDIATE["curves"], "the set of curves")
            figure.append(f"{len(suites)} suites, {len(curves)} curves")


def audit(server):
    """The findings: each has an `id`, a `severity` and a `finding`."""
    path = server.place / "findings.json"
    done = run("testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none",
               "--ip", "127.0.0.1", "--jsonfile", path, f"https://localhost:{server.tls_port}",
               timeout=TIMEOUT)
    expect(path.is_file(), f"no findings: {done.stdout[-500:]} {done.stderr[-500:]}")
    return json.loads(path.read_text())
