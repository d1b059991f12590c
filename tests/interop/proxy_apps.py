"""More applications behind `--proxy`: uvicorn with WebSocket, for Node's HTTP/2 and a browser, and PHP's own server."""

import json
import sys
import tempfile
from pathlib import Path

from devtools import Chromium
from harness import Server, expect, expect_equal, run

ASGI = '''
import json

async def application(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        offered = scope["subprotocols"]
        await send({"type": "websocket.accept", "subprotocol": offered[0] if offered else None})
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") == "bye":
                return await send({"type": "websocket.close", "code": 4001})
            if message.get("text") is not None:
                await send({"type": "websocket.send", "text": message["text"].upper()})
            else:
                await send({"type": "websocket.send", "bytes": message["bytes"][::-1]})
    if scope["type"] != "http":
        return
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = json.dumps({"path": scope["path"], "scheme": scope["scheme"], "size": size}).encode()
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"application/json")]})
    for place in range(0, len(body), 7):
        await send({"type": "http.response.body", "body": body[place:place + 7], "more_body": True})
    await send({"type": "http.response.body", "body": b""})
'''

# A client of WebSocket over HTTP/2 (RFC 8441) by Node's HTTP/2, with frames made by hand.
NODE_CLIENT = '''
const http2 = require('http2');
const session = http2.connect(process.argv[2], {rejectUnauthorized: false});
const fail = text => { console.log(text); process.exit(1); };
function frame(opcode, payload) {
  const length = payload.length < 126 ? [0x80 | payload.length]
    : [0x80 | 126, payload.length >> 8, payload.length & 255];
  // A mask of zeros changes nothing.
  return Buffer.concat([Buffer.from([0x80 | opcode, ...length, 0, 0, 0, 0]), payload]);
}
function frames(buffer, found) {
  while (buffer.length >= 2) {
    let [length, at] = [buffer[1], 2];
    if (length === 126) { length = buffer.readUInt16BE(2); at = 4; }
    if (buffer.length < at + length) break;
    found(buffer[0] & 15, buffer.subarray(at, at + length));
    buffer = buffer.subarray(at + length);
  }
  return buffer;
}
session.on('error', error => fail(String(error)));
session.once('remoteSettings', settings => {
  if (!settings.enableConnectProtocol) fail('no ENABLE_CONNECT_PROTOCOL');
  const stream = session.request({':method': 'CONNECT', ':protocol': 'websocket', ':path': '/api/chat',
    ':scheme': 'https', 'sec-websocket-version': '13', 'sec-websocket-protocol': 'shout'});
  const seen = [];
  let rest = Buffer.alloc(0);
  stream.on('response', head => {
    if (head[':status'] !== 200 || head['sec-websocket-protocol'] !== 'shout') fail(JSON.stringify(head));
    stream.write(frame(1, Buffer.from('hello')));
    stream.write(frame(2, Buffer.alloc(20000, 'ab')));
  });
  stream.on('data', data => {
    rest = frames(Buffer.concat([rest, data]), (opcode, payload) => {
      if (opcode === 1) seen.push(payload.toString());
      if (opcode === 2) seen.push('2:' + payload.length + ':' + payload.subarray(0, 2));
      if (seen.length === 2) {
        // The connection does other things meanwhile.
        const page = session.request({':path': '/api/page'});
        let text = '';
        page.on('data', data => { text += data; });
        page.on('end', () => {
          seen.push(JSON.parse(text).path);
          stream.write(frame(1, Buffer.from('bye')));
        });
      }
      if (opcode === 8) {
        seen.push('close ' + payload.readUInt16BE(0));
        stream.end(frame(8, payload));
      }
    });
  });
  stream.on('close', () => { console.log(JSON.stringify(seen)); session.close(); });
});
'''

PHP = '''<?php
header('X-Served-By: php');
echo json_encode(['method' => $_SERVER['REQUEST_METHOD'], 'uri' => $_SERVER['REQUEST_URI'],
                  'host' => $_SERVER['HTTP_HOST'], 'for' => $_SERVER['HTTP_X_FORWARDED_FOR'],
                  'size' => strlen(file_get_contents('php://input')), 'post' => $_POST]);
'''

PAGE = '''<!doctype html>
<meta charset="utf-8">
<title>both halves</title>
<link rel="icon" href="data:,">
<script src="page.js"></script>
'''

SCRIPT = '''
window.seen = [];
async function talk() {
  const answer = await fetch('/api/x', {method: 'POST', body: 'y'.repeat(100000)});
  window.seen.push((await answer.json()).size);
  const socket = new WebSocket('wss://' + location.host + '/api/chat', ['shout']);
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => { window.seen.push(socket.protocol); socket.send('hello'); };
  socket.onmessage = event => {
    if (typeof event.data === 'string') {
      window.seen.push(event.data);
      socket.send(new Uint8Array([1, 2, 3]));
    } else {
      window.seen.push([...new Uint8Array(event.data)].join());
      socket.send('bye');
    }
  };
  socket.onclose = event => window.seen.push(event.code);
  socket.onerror = () => window.seen.push('error');
}
talk();
'''


def checks(report, binary, application):
    """The checks, by an `Application` of the group `proxy`."""
    uvicorn = [sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", "PORT", "application:application"]
    with tempfile.TemporaryDirectory(prefix="calmd-proxy-site-") as site, \
            application("application.py", ASGI, uvicorn) as asgi:
        (Path(site) / "index.html").write_text(PAGE)
        (Path(site) / "page.js").write_text(SCRIPT)
        options = ("--proxy", f"/api={asgi.url}", "--access-log", "access.log", "--log-format", "json")
        with Server(binary, site=site, options=options) as server:
            with report.check("proxy: uvicorn's WebSocket for Node's HTTP/2, in clear text and TLS"):
                for url in (server.http, server.https):
                    websocket(url)
            with report.check("proxy: a browser's page of the site, whose data and WebSocket are uvicorn's") as figure:
                browser(server, figure)
    php = ["php", "-S", "127.0.0.1:PORT", "index.php"]
    with application("index.php", PHP, php) as built_in, \
            Server(binary, options=("--proxy", f"/={built_in.url}")) as server:
        with report.check("proxy: PHP's own server over HTTP/1.1, HTTP/2 and TLS"):
            for base, options in [(server.http, ["--http1.1"]), (server.https, ["--http2"])]:
                done = run("curl", "-sSki", *options, "-d", "a=b", base + "/x.php?q=1")
                head, _, body = done.stdout.decode().partition("\r\n\r\n")
                seen = json.loads(body)
                expect("x-served-by: php" in head.lower(), head)
                expect_equal((seen["method"], seen["uri"], seen["host"], seen["post"]),
                             ("POST", "/x.php?q=1", base.split("//")[1], {"a": "b"}), "the request")
                # The built-in server closes after each answer.
                done = run("curl", "-sSkfZ", *options, *[f"{base}/{number}" for number in range(10)])
                expect_equal((done.returncode, done.stdout.count(b'"GET"')), (0, 10), "ten at a time")


def websocket(url):
    """An exchange of text, bytes and the end, beside another request."""
    with tempfile.TemporaryDirectory() as place:
        program = Path(place) / "client.js"
        program.write_text(NODE_CLIENT)
        done = run("node", str(program), url)
    seen = json.loads(done.stdout or b"[]")
    expect_equal(seen, ["HELLO", "2:20000:ba", "/api/page", "close 4001"], done.stdout + done.stderr)


def browser(server, figure):
    """Chromium over one connection of HTTP/2."""
    with Chromium("--ignore-certificate-errors") as chromium:
        chromium.load(server.https + "/")
        wanted = [100000, "shout", "HELLO", "3,2,1", 4001]
        for _ in range(100):
            if len(chromium.evaluate("JSON.stringify(window.seen)") or "") >= len(json.dumps(wanted).replace(" ", "")):
                break
            chromium.watch(0.1)
        expect_equal(json.loads(chromium.evaluate("JSON.stringify(window.seen)")), wanted, "what the page saw")
    server.terminate()
    lines = [json.loads(line) for line in (server.place / "access.log").read_text().splitlines()]
    lines = [line for line in lines if line["path"] == "/api/chat" and "Chrome" in line.get("user_agent", "")]
    expect_equal(len(lines), 1, "tunnels of the browser")
    expect_equal((lines[0]["version"], lines[0]["method"]), ("HTTP/2.0", "CONNECT"), lines[0])
    figure.append(f"WebSocket over {lines[0]['version']}, upstream {lines[0]['upstream_ms']} ms")
