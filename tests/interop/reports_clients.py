"""Public bug reports that show in real clients: HAProxy, Java, Node, nghttp, curl."""

import csv
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from harness import Server, expect, expect_equal, free_ports, run, wait_for
from idle import ACK, GOAWAY, frame
from java import TRUSTING
from reports_http2 import PING, REFUSED_STREAM, Connection

NODE = """
const request = require('http2').connect(process.argv[1]).request(
    {':method': 'POST', ':path': '/json', expect: '100-continue'}, {endStream: false});
request.on('continue', () => { console.log('continue'); request.end('content'); });
request.on('response', fields => console.log(fields[':status']));
request.on('close', () => process.exit());
request.resume();
"""

JAVA = """
import java.net.URI;
import java.net.http.*;
import java.time.Duration;

public class Expect {
    public static void main(String[] arguments) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0]))
            .timeout(Duration.ofSeconds(20)).expectContinue(true)
            .POST(HttpRequest.BodyPublishers.ofString("content")).build();
        HttpResponse<String> response = HttpClient.newBuilder().sslContext(Trusting.context()).build()
            .send(request, HttpResponse.BodyHandlers.ofString());
        System.out.println(response.version() + " " + response.statusCode());
    }
}
""" + TRUSTING

HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
listen stats
    bind 127.0.0.1:{stats}
    stats enable
    stats uri /
backend bare
    option httpchk
    server it 127.0.0.1:{port} proto h2 check check-proto h2 inter 100ms
backend named
    option httpchk
    http-check send meth GET uri / hdr Host localhost
    server it 127.0.0.1:{port} proto h2 check check-proto h2 inter 100ms
"""


def checks(report, server):
    """All checks of this kind."""
    with report.check("HAProxy 2.6: its own check over HTTP/2 hears 400, one with Host 200"):
        haproxy(server.port)
    with report.check("HAProxy 2.6: a request behind GOAWAY is refused at once") as figure:
        figure.append(f"{behind_goaway(server):.2f} s")
    with report.check("Node: its 'continue' event fires"):
        lines = run("node", "-e", NODE, server.http).stdout.decode().split()
        expect_equal(lines, ["continue", "200"], "what it says")
    with report.check("JDK-8286171: Java's HttpClient expects 100 over HTTP/2"):
        java(server)
    with report.check("nghttp --expect-continue sends its content"):
        with tempfile.NamedTemporaryFile() as content:
            content.write(b"content")
            content.flush()
            text = run("nghttp", "-v", "--expect-continue", "-d", content.name,
                       f"{server.http}/json").stdout.decode()
        expect(":status: 100" in text and ":status: 200" in text, text)
    with report.check("curl: HTTP/1.1 is asked for its content at once") as figure:
        begin = time.monotonic()
        text = run("curl", "-sv", "--http1.1", "-H", "Expect: 100-continue", "-d", "content",
                   "--expect100-timeout", "20", f"{server.http}/json").stderr.decode()
        expect("HTTP/1.1 100 Continue" in text, text)
        expect(time.monotonic() - begin < 10, "it waited")
        figure.append(f"{time.monotonic() - begin:.2f} s")


def haproxy(port):
    """The results of HAProxy's checks of the server."""
    stats, = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        configuration = Path(place) / "haproxy.cfg"
        configuration.write_text(HAPROXY.format(stats=stats, port=port))
        process = subprocess.Popen(["haproxy", "-f", configuration], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            def found():
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{stats}/;csv") as answer:
                        rows = csv.DictReader(answer.read().decode().lstrip("# ").splitlines())
                except OSError:
                    return None
                codes = {row["pxname"]: row["check_code"] for row in rows
                         if row["svname"] == "it" and row["check_code"]}
                return codes if len(codes) == 2 else None
            expect_equal(wait_for(found, "HAProxy's checks"), {"bare": "400", "named": "200"},
                         "their statuses")
        finally:
            process.terminate()
            process.wait()


def behind_goaway(server):
    """A server that leaves while a response is under way; how long a new request waits."""
    with Server(server.command[0], server.site, tls=False) as leaving:
        with Connection(leaving.port, (4, 0)) as connection:
            connection.request(1, "GET", "/large")
            expect_equal(connection.status(1), 200, "the status")
            leaving.signal(signal.SIGTERM)
            goaways = 0
            while goaways < 2:
                kind, flags, _, payload = connection.next()
                if kind == PING and not flags & ACK:
                    connection.send(frame(PING, ACK, 0, payload))
                goaways += kind == GOAWAY
            begin = time.monotonic()
            connection.request(3, "GET", "/hundred")
            expect_equal(connection.reset(3), REFUSED_STREAM, "the code")
            return time.monotonic() - begin


def java(server):
    """Java's client, which waits for 100 for as long as it is told to."""
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        program = Path(place) / "Expect.java"
        program.write_text(JAVA)
        done = run("java", program, f"{server.https}/json", timeout=120)
    expect_equal(done.stdout.decode().strip(), "HTTP_2 200", f"what it says ({done.stderr[-500:]})")
