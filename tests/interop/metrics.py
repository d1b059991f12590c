"""Metrics: promtool finds nothing, a real Prometheus reads both forms of the text, and every alert rule and
every query of the dashboard that calmd prints has data there."""

import json
import re
import signal
import subprocess
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness import Server, expect, expect_equal, free_ports, wait_for

# Time to anything that Prometheus does, on a machine that is busy.
LATE = 90

# Grafana's variables in queries, as it would fill them in: every instance, and a window of some scrapes.
VARIABLES = {"$instance": ".+", "$__rate_interval": "30s"}


def checks(report, binary):
    """All checks of this group."""
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        place = Path(place)
        documents(report, binary, place)
        (port,) = free_ports(1)
        options = ("--demo", "--drain-delay", "1h", "--metrics", f"127.0.0.1:{port}")
        with Server(binary, options=options) as server:
            traffic(server)
            listener(report, port)
            with relay(port) as plain, prometheus(place, port, plain) as scraper:
                scrapes(report, scraper, server)
                dashboard(report, scraper, server, place)
                alerts(report, scraper, server)


def documents(report, binary, place):
    """The alert rules and the dashboard are printed in forms that their programs read."""
    with report.check("calmd print alerts: promtool finds no mistake in the rules") as figure:
        rules = place / "alerts.yml"
        rules.write_bytes(subprocess.run([binary, "print", "alerts"], capture_output=True, timeout=LATE,
                                         check=True).stdout)
        figure.append(told(["promtool", "check", "rules", "--lint-fatal", str(rules)]).split("SUCCESS: ")[1].strip())
    with report.check("calmd print grafana: a dashboard whose panels have queries") as figure:
        path = place / "dashboard.json"
        path.write_bytes(subprocess.run([binary, "print", "grafana"], capture_output=True, timeout=LATE,
                                        check=True).stdout)
        figure.append(f"{len(queries(path))} queries")


def told(command, text=None):
    """The output of a program that finds nothing wrong."""
    done = subprocess.run(command, input=text, capture_output=True, timeout=LATE, check=False)
    said = (done.stdout + done.stderr).decode()
    expect_equal(done.returncode, 0, f"the exit code of {command[0]}, which says {said},")
    return said


def queries(path):
    """The queries of a dashboard, each with the title of its panel."""
    panels = json.loads(path.read_text())["panels"]
    return [(panel["title"], target["expr"]) for panel in panels for target in panel["targets"]]


def traffic(server):
    """Some of everything that is counted: both protocols, TLS, uploads, errors, a failed handshake."""
    for url, version in ((server.http, "--http1.1"), (server.http, "--http2-prior-knowledge"),
                         (server.https, "--http1.1"), (server.https, "--http2")):
        for arguments in ((f"{url}/",), (f"{url}/missing",), ("-d", "content", f"{url}/echo")):
            subprocess.run(["curl", "-sk", "--max-time", "20", "-o", "/dev/null", version, *arguments],
                           stdin=subprocess.DEVNULL, check=False)
    subprocess.run(["curl", "-s", "--max-time", "20", "-o", "/dev/null", f"http://localhost:{server.tls_port}/"],
                   stdin=subprocess.DEVNULL, check=False)


def ask(url, accept="*/*"):
    """Status, media type and content of an answer."""
    request = urllib.request.Request(url, headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read()


def listener(report, port):
    """The text by promtool, and the rest of the listener."""
    url = f"http://127.0.0.1:{port}"
    with report.check("promtool check metrics finds nothing") as figure:
        _, media_type, text = ask(f"{url}/metrics")
        expect_equal(media_type, "text/plain; version=0.0.4; charset=utf-8", "the media type")
        expect_equal(told(["promtool", "check", "metrics"], text), "", "what promtool says")
        figure.append(f"{sum(not line.startswith(b'#') for line in text.splitlines())} series")
    with report.check("the listener for metrics answers health checks, and has nothing of the site"):
        for path, wanted in (("/healthz", 200), ("/readyz", 200), ("/", 404), ("/index.html", 404)):
            expect_equal(ask(url + path)[0], wanted, f"the status of {path}")


@contextmanager
def relay(port):
    """The port of a server that hands on what the listener tells clients that want plain text: Prometheus
    itself prefers OpenMetrics."""

    class Relay(BaseHTTPRequestHandler):
        """Answers with the plain text."""

        def do_GET(self):
            """Asks for it, and hands it on."""
            _, media_type, text = ask(f"http://127.0.0.1:{port}/metrics", "text/plain;version=0.0.4")
            self.send_response(200)
            self.send_header("Content-Type", media_type)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            """Nothing of it is of interest."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Relay) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


class Prometheus:
    """A Prometheus that runs."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path, **parameters):
        """The data of an answer of its API."""
        status, _, text = ask(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        answer = json.loads(text)
        expect_equal((status, answer["status"]), (200, "success"), f"the answer to {parameters}: {answer}")
        return answer["data"]

    def query(self, query):
        """The series of a query, each with its value."""
        return [(series["metric"], float(series["value"][1])) for series in self.get("query", query=query)["result"]]

    def is_ready(self):
        """True once it answers."""
        try:
            return ask(f"{self.url}/-/ready")[0] == 200
        except OSError:
            return False

    def rules(self):
        """The alert rules by name."""
        groups = self.get("rules")["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}


@contextmanager
def prometheus(place, direct, plain):
    """A Prometheus that scrapes both ports every second: OpenMetrics from the first, plain text from the other."""
    config = place / "prometheus.yml"
    config.write_text(f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{place / "alerts.yml"}]
scrape_configs:
  - {{job_name: calmd, static_configs: [{{targets: ["127.0.0.1:{direct}"]}}]}}
  - {{job_name: plain, static_configs: [{{targets: ["127.0.0.1:{plain}"]}}]}}
""")
    told(["promtool", "check", "config", str(config)])
    (port,) = free_ports(1)
    with open(place / "prometheus.log", "wb") as output:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={place / 'data'}",
             f"--web.listen-address=127.0.0.1:{port}"],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=place)
    try:
        scraper = Prometheus(port)
        wait_for(scraper.is_ready, "Prometheus is ready", LATE)
        yield scraper
    finally:
        process.kill()
        process.wait()


def scrapes(report, scraper, server):
    """Both forms arrive whole, and bring the same series."""
    with report.check("Prometheus reads OpenMetrics and plain text, with the same series in both") as figure:
        def both_up():
            traffic(server)
            return {series["job"]: value for series, value in scraper.query("up")} == {"calmd": 1, "plain": 1}

        wait_for(both_up, "both targets are up", LATE)
        targets = scraper.get("targets")["activeTargets"]
        expect(all(not target["lastError"] for target in targets), f"an error: {targets}")
        form = {}
        for job in ("calmd", "plain"):
            found = scraper.query(f'{{__name__=~"(calmd|process)_.+", job="{job}"}}')
            form[job] = {json.dumps({label: value for label, value in series.items()
                                     if label not in ("job", "instance")}, sort_keys=True) for series, _ in found}
        # A series may have begun between the two scrapes.
        differing = form["calmd"] ^ form["plain"]
        expect(len(differing) < 10 and len(form["calmd"]) > 200, f"{len(form['calmd'])} series; differing: {differing}")
        exported = scraper.query('{__name__=~"calmd_.+", exported_job!=""}')
        expect(not exported, f"labels of ours that Prometheus has itself: {exported[:3]}")
        figure.append(f"{len(form['calmd'])} series")


def dashboard(report, scraper, server, place):
    """Every query of the dashboard has data."""
    with report.check("every query of the dashboard returns data in that Prometheus") as figure:
        asked = queries(place / "dashboard.json")
        lacking = dict.fromkeys(asked)

        def all_have_data():
            traffic(server)
            for title, query in list(lacking):
                filled = query
                for name, value in VARIABLES.items():
                    filled = filled.replace(name, value)
                expect("$" not in filled, f"a variable without a value: {filled}")
                if any(value == value for _, value in scraper.query(filled)):
                    del lacking[title, query]
            return not lacking

        try:
            wait_for(all_have_data, "every query has data", LATE)
        except AssertionError as error:
            raise AssertionError(f"{error}; without data: {list(lacking)}") from error
        figure.append(f"{len(asked)} queries")


def alerts(report, scraper, server):
    """Every rule is evaluated without an error over metrics that exist; one becomes pending as the server stops."""
    with report.check("every alert rule is evaluated over metrics that exist") as figure:
        wait_for(lambda: all(rule["health"] == "ok" for rule in scraper.rules().values()), "all are evaluated", LATE)
        rules = scraper.rules()
        for name, rule in rules.items():
            expect_equal(rule.get("lastError", ""), "", f"the error of {name}")
            metrics = set(re.findall(r"\b(?:calmd|process)_\w+", rule["query"])) or {"up"}
            for metric in metrics:
                expect(scraper.query(metric), f"{name} asks for {metric}, which there is not")
        firing = [name for name, rule in rules.items() if rule["state"] == "firing"]
        expect(not firing, f"alerts of a healthy server: {firing}")
        figure.append(f"{len(rules)} rules")
    with report.check("SIGTERM: readiness fails, the server serves on, and its alert is pending"):
        server.signal(signal.SIGTERM)
        wait_for(lambda: scraper.rules()["CalmdStopping"]["state"] == "pending", "the alert is pending", LATE)
        expect_equal(ask(f"{server.http}/")[0], 200, "the status of a request meanwhile")
