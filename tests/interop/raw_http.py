"""HTTP/1.1 by hand: requests as bytes, for what clients would not send."""

import socket

from harness import expect_equal


class Answer:
    """A response."""

    def __init__(self, text):
        head, _, self.content = text.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ")
        self.status = int(words[1]) if len(words) > 1 else 0
        self.fields = [(name.lower(), value.strip()) for name, _, value in
                       (line.partition(":") for line in lines)]

    def field(self, name):
        """The first field of this name, or `None`."""
        return next((value for other, value in self.fields if other == name), None)


def ask(port, request, seconds=10):
    """All that comes until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(request)
        answer = b""
        try:
            while part := connection.recv(1 << 16):
                answer += part
        except ConnectionResetError:
            pass
        return answer


def get(port, target, *fields, method="GET"):
    """One request on a connection of its own."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n"
    return Answer(ask(port, head.encode()))


def ranged(value, content, path="/hundred"):
    """A check that a range is all of the file, as 206 or as 200."""
    def check(port):
        answer = get(port, path, ("Range", value))
        expect_equal(answer.content, content, "the content")
        expected = {206: f"bytes 0-{len(content) - 1}/{len(content)}", 200: None}
        expect_equal(answer.field("content-range"), expected[answer.status], "Content-Range")
    return check
