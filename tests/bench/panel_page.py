"""A panel's page, as a browser has it open: a login by the token, the stream of events, the list of connections."""

import http.client
import json
import subprocess
import time

from shared import CLIENT_CORE


class Page:
    """Somebody who is logged in to the panel at a port of this machine."""

    def __init__(self, port, output):
        """`output` is the file of the server's standard output, where the token is."""
        self.port, self.streams = port, []
        token = self.token(output)
        self.fields = {}
        answer, _ = self.ask("POST", "/api/login", json.dumps({"token": token}))
        self.fields = {"Cookie": answer.getheader("Set-Cookie").split(";")[0]}

    @staticmethod
    def token(output):
        """The token that the server has told."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            text = output.read_text()
            if "?token=" in text and text.endswith("\n"):
                return text.split("?token=")[1].split()[0]
            time.sleep(0.05)
        raise SystemExit("the server tells no token")

    def ask(self, method, path, content=None):
        """An answer and its content."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        fields = {"Content-Type": "application/json", **self.fields}
        connection.request(method, path, content, fields)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status != 200:
            raise SystemExit(f"{method} {path}: {answer.status} {text[:200]}")
        return answer, text

    def follow(self, query=""):
        """Opens a stream of events, which is read on and on."""
        self.streams.append(subprocess.Popen(
            ["taskset", "-c", CLIENT_CORE, "curl", "-sN", "-o", "/dev/null", "-H", f"Cookie: {self.fields['Cookie']}",
             f"http://127.0.0.1:{self.port}/api/events{query}"], stdin=subprocess.DEVNULL))

    def watch_busiest(self):
        """Watches the connection that has sent most, once one is busy."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            _, text = self.ask("GET", "/api/connections?sort=requests&top=1")
            first = json.loads(text)["connections"]
            if first and first[0]["requests"] > 20:
                self.follow(f"?watch={first[0]['id']}")
                return
            time.sleep(0.01)
        raise SystemExit("no connection is busy")

    def close(self):
        """Closes the streams."""
        for stream in self.streams:
            stream.kill()
            stream.wait()
        self.streams = []
