"""Upstreams that are killed at random under `--proxy`: no wrong answer, none cut short that looks whole, and no request
that is not idempotent sent twice."""

import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

from harness import Server, accepts, expect, free_ports, wait_for

# Requests, as many as these minutes take.
REQUESTS, MINUTES = 1_000_000, 8

# Connections of clients, servers of the upstream, and the time between two kills, in seconds.
CLIENTS, SERVERS, PAUSE = 64, 4, 0.15

# An upstream of HTTP/1.1. It notes the number of each POST before it answers, and misbehaves by the request's number:
# it ends, hangs or lies in ways that a client must be able to tell from an answer.
UPSTREAM = r'''
import os, socket, sys, threading, time

def serve(connection, log):
    reader = connection.makefile("rb")
    while first := reader.readline():
        method, target, _ = first.split(b" ")
        number = int(target.rsplit(b"/", 1)[1])
        length = 0
        while (line := reader.readline()) != b"\r\n":
            if not line:
                return
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = reader.read(length)
        if len(body) < length:
            return
        if method == b"POST":
            # One write, so that lines of several processes do not mix.
            os.write(log, b"%d\n" % number)
        answer = (b"%d:" % number) * (1 + number % 997) + body
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(answer) + answer + b"\r\n"
        kind = number % 211
        if kind == 1:
            return
        if kind == 2:
            return connection.sendall(whole[:-1])
        if kind == 3:
            return connection.sendall(b"garbage\r\n\r\n" + answer)
        if kind == 4:
            time.sleep(30)
        if kind == 5:
            whole += b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"
        if kind == 6:
            for place in range(0, len(whole), 400):
                connection.sendall(whole[place:place + 400])
                time.sleep(0.005)
            continue
        if kind == 7:
            return connection.sendall(chunked)
        if kind == 8:
            whole = chunked + b"0\r\n\r\n"
        connection.sendall(whole)

def serve_one(connection, log):
    with connection:
        try:
            serve(connection, log)
        except ConnectionError:
            pass

log = os.open("posts", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1000) as listener:
    while True:
        threading.Thread(target=serve_one, args=(listener.accept()[0], log)).start()
'''


def long_checks(report, binary):
    """All checks of this group."""
    with report.check(f"proxy: upstreams killed at random for {REQUESTS} requests, or {MINUTES} minutes") as figure:
        killed(binary, figure, REQUESTS, 60 * MINUTES)


def killed(binary, figure, most, seconds):
    """Clients ask while upstreams are killed, and each answer is judged."""
    with tempfile.TemporaryDirectory(prefix="calmd-upstreams-") as place:
        ports = free_ports(SERVERS)
        (Path(place) / "upstream.py").write_text(UPSTREAM)
        options = [part for port in ports for part in ("--proxy", f"/=http://127.0.0.1:{port}")]
        with Server(binary, options=(*options, "--proxy-timeout", "1s"), tls=False) as server:
            counts = together(server, ports, place, most, seconds)
        posts = (Path(place) / "posts").read_bytes().split()
        expect(len(posts) == len(set(posts)), "an upstream has seen a POST twice")
        counts["posts seen"] = len(posts)
        expect(counts["kills"] > 0 and counts["whole"] > counts["asked"] // 2, counts)
        for kind in ("refused", "cut off", "POSTs"):
            expect(counts[kind] > 0, counts)
        figure.append(f"{counts} in {counts.pop('seconds')} s")


def client(port, numbers, until):
    """A client, a process of its own: a request after another, on a new connection where the last was closed."""
    counts = {"asked": 0, "whole": 0, "refused": 0, "cut off": 0, "POSTs": 0}
    connection = None
    for number in numbers:
        if time.monotonic() > until:
            break
        if connection is None:
            connection = socket.create_connection(("127.0.0.1", port), timeout=60)
            reader = connection.makefile("rb")
        if not ask(connection, reader, number, counts):
            reader.close()
            connection.close()
            connection = None
    return counts


def ask(connection, reader, number, counts):
    """One request; false if the connection is over."""
    method, body = ("POST", b"x" * (number % 300)) if number % 3 == 0 else ("GET", b"")
    counts["asked"] += 1
    counts["POSTs"] += method == "POST"
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    try:
        connection.sendall(f"{method} /n/{number} HTTP/1.1\r\nHost: h\r\n{length}\r\n".encode() + body)
        status, head, got = answer(reader)
    except TimeoutError:
        raise AssertionError(f"request {number} has no answer") from None
    except (EOFError, ConnectionError):
        counts["cut off"] += 1
        return False
    if status == 200:
        wanted = (b"%d:" % number) * (1 + number % 997) + body
        expect(got == wanted, f"request {number} has a wrong answer of {len(got)} bytes")
        counts["whole"] += 1
    else:
        expect(status in (502, 503, 504), f"request {number}: {status}")
        counts["refused"] += 1
    return b"connection: close\r\n" not in head


def answer(reader):
    """The status, the fields in lower case and the content of an answer."""
    status = int(line(reader).split(b" ")[1])
    head = []
    while (field := line(reader)) != b"\r\n":
        head.append(field.lower())
    for field in head:
        if field.startswith(b"content-length: "):
            return status, head, exactly(reader, int(field[16:]))
    return status, head, chunks(reader)


def chunks(reader):
    """Content in chunks."""
    content = b""
    while True:
        size = int(line(reader), 16)
        content += exactly(reader, size)
        expect(line(reader) == b"\r\n", "a chunk is longer than it says")
        if size == 0:
            return content


def line(reader):
    """A whole line."""
    got = reader.readline()
    if not got.endswith(b"\n"):
        raise EOFError
    return got


def exactly(reader, size):
    """Content of this size."""
    got = reader.read(size)
    if len(got) < size:
        raise EOFError
    return got


def together(server, ports, place, most, seconds):
    """The clients and the upstreams, and the killer of these."""
    start = lambda port: subprocess.Popen([sys.executable, "upstream.py", str(port)], cwd=place)
    processes = {port: start(port) for port in ports}
    counts = {"kills": 0}
    moments = random.Random(14)
    began = time.monotonic()
    try:
        for port in ports:
            wait_for(lambda port=port: accepts(port), "an upstream")
        with ProcessPoolExecutor(CLIENTS, get_context("fork")) as pool:
            shares = [range(first, most + 1, CLIENTS) for first in range(1, CLIENTS + 1)]
            asking = [pool.submit(client, server.port, share, began + seconds) for share in shares]
            while not all(each.done() for each in asking):
                time.sleep(moments.uniform(0, 2 * PAUSE))
                port = moments.choice(ports)
                processes[port].send_signal(signal.SIGKILL)
                processes[port].wait()
                counts["kills"] += 1
                time.sleep(moments.uniform(0, 2 * PAUSE))
                processes[port] = start(port)
            for each in asking:
                for kind, count in each.result().items():
                    counts[kind] = counts.get(kind, 0) + count
    finally:
        for process in processes.values():
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()
    counts["seconds"] = round(time.monotonic() - began)
    return counts
