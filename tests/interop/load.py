"""h2load: many requests over many connections, without a failure."""

import re

from harness import Server, expect, expect_equal, run

REQUESTS = 100_000

SUMMARY = re.compile(r"requests: (\d+) total, \d+ started, \d+ done, (\d+) succeeded, "
                     r"(\d+) failed, (\d+) errored, (\d+) timeout")


def checks(report, binary):
    """All checks of this group."""
    with Server(binary) as server:
        for url in (server.http, server.https):
            with report.check(f"h2load -n {REQUESTS} -c 100 -m 32 {url.split(':')[0]}") as figure:
                figure.append(h2load(f"{url}/", REQUESTS, "-c", "100", "-m", "32"))
        for url in (server.http, server.https):
            with report.check(f"h2load --h1 -n 20000 -c 50 {url.split(':')[0]}") as figure:
                figure.append(h2load(f"{url}/", 20_000, "--h1", "-c", "50"))
        with report.check("the server ends with exit code 0 after the load"):
            expect_equal(server.terminate(), 0, "the exit code")


def h2load(url, requests, *arguments):
    """Requests, all of which must succeed with a status of 2xx; their rate."""
    done = run("h2load", "-n", requests, *arguments, url, timeout=300)
    text = done.stdout.decode()
    summary = SUMMARY.search(text)
    expect(summary, f"h2load ended with {done.returncode}: {text[-300:]} {done.stderr[-300:]}")
    total, succeeded, *bad = map(int, summary.groups())
    expect_equal((total, succeeded, bad), (requests, requests, [0, 0, 0]), summary.group())
    expect(f"status codes: {requests} 2xx" in text, text[-600:])
    rate = re.search(r"[\d.]+ req/s", text)
    return f"{succeeded} succeeded, {rate.group() if rate else 'rate unknown'}"
