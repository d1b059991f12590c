"""A server that is killed while it takes uploads: its files are whole, and the next start removes what is left."""

import os
import random
import socket
import tempfile
import threading
import time
from pathlib import Path

from harness import Server, expect, expect_equal

ROUNDS = 200

# Uploads at a time, and the bytes of each: long enough for a kill to meet it, short enough for 200 rounds.
CLIENTS, SIZE = 4, 1_000_000


def long_checks(report, binary):
    """All checks of this group."""
    with report.check(f"upload: {ROUNDS} servers killed at random leave whole files alone") as figure:
        killed(binary, figure)


def killed(binary, figure):
    """Each server is killed at a random moment of some uploads, of which half replace a file."""
    moments = random.Random(14)
    counts = {"stored": 0, "cut off": 0, "hidden": 0}
    with tempfile.TemporaryDirectory(prefix="calmd-killed-") as place:
        longest = 0.0
        for number in range(ROUNDS):
            with Server(binary, options=("--upload", f"/in={place}", "--upload-free", "0"), tls=False) as server:
                expect_equal([name for name in os.listdir(place) if name.startswith(".")], [],
                             f"round {number}: leftovers behind the start")
                began = time.monotonic()
                answers = []
                clients = [threading.Thread(target=client, args=(server.port, number, each, answers))
                           for each in range(CLIENTS)]
                for each in clients:
                    each.start()
                if number:
                    time.sleep(moments.uniform(0, longest))
                    server.process.kill()
                for each in clients:
                    each.join()
                if not number:
                    longest = 1.2 * (time.monotonic() - began)
            counts["stored"] += len(answers)
            counts["cut off"] += CLIENTS - len(answers)
            judge(Path(place), number, answers, counts)
    expect(counts["cut off"] > ROUNDS // 4 and counts["stored"] > ROUNDS // 4, f"the kills are one-sided: {counts}")
    figure.append(f"{counts}, within {longest * 1000:.0f} ms")


def client(port, number, each, answers):
    """One upload; what was answered is noted with its name."""
    # An even client replaces the file of the round before, an odd one makes a file.
    name = f"same-{each}" if each % 2 == 0 else f"new-{number}-{each}"
    fill = bytes([1 + (CLIENTS * number + each) % 255])
    head = f"PUT /in/{name} HTTP/1.1\r\nHost: h\r\nContent-Length: {SIZE}\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(head.encode() + fill * SIZE)
            if connection.recv(12).split()[1:] in ([b"201"], [b"204"]):
                answers.append((name, fill))
    except (OSError, IndexError):
        pass


def judge(place, number, answers, counts):
    """Every file is whole, and those that were answered are there."""
    for path in place.iterdir():
        if path.name.startswith("."):
            counts["hidden"] += 1
            continue
        content = path.read_bytes()
        expect_equal(len(content), SIZE, f"round {number}: the length of {path.name}")
        expect(content == content[:1] * SIZE, f"round {number}: {path.name} is of two files")
    for name, fill in answers:
        expect_equal((place / name).read_bytes()[:1], fill, f"round {number}: the content of {name}")
    for path in place.glob("new-*"):
        path.unlink()
