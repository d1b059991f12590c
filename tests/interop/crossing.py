"""Random exchanges of other HTTP/2 stacks with the library: uploads that come back, with cancellations, changes of
settings, padding, trailers and 100. python-hyper, nghttp2, Node and Go's x/net speak to an example, Java's HttpClient,
which has HTTP/2 over TLS alone, to the server. hyperium's h2 meets the library in memory, in both roles: in its tests."""

import json
import os
import random
import select
import tempfile
from pathlib import Path

from examples import Example
from harness import REPOSITORY, Server, expect, expect_equal, run
from hyper import Client
from java import TRUSTING

# Exchanges of each peer: among all checks, and in a run of their own.
FEW, MANY = 150, 10_000

# The most bytes of an upload: more than the first window of a client, 64 KiB.
LARGEST = 90_000

# Requests at a time.
AT_ONCE = 10


def checks(report, binary):
    """A few exchanges of each peer that is there everywhere."""
    cross(report, binary, FEW, [hyper, node, java])


def long_checks(report, binary):
    """As many exchanges as find what is rare."""
    cross(report, binary, MANY, [hyper, nghttp2, node, java, go, hyperium])


def cross(report, binary, count, peers):
    """The exchanges of all peers."""
    with Server(binary, options=("--demo",)) as server, Example("echo-tokio") as example:
        for peer in peers:
            with report.check(f"crossing: {count} exchanges of {peer.__name__}") as figure:
                figure.append(peer(server, example, count))


def hyper(_server, example, count):
    """python-hyper, a hundred exchanges a connection."""
    from h2.settings import SettingCodes  # pylint: disable=import-outside-toplevel
    let_empty_frames_pass()
    cancelled = 0
    for seed in range(0, count, 100):
        chance = random.Random(seed)
        client = Client(example)
        client.until(lambda: client.acknowledged == 1, "the acknowledgement of SETTINGS")
        living, left, settings, seen = {}, min(100, count - seed), 1, 1
        while left or living:
            moved = False
            if left and len(living) < AT_ONCE and chance.random() < 0.5:
                stream = client.get("/", "POST", end_stream=False)
                living[stream] = [chance.randbytes(chance.randrange(LARGEST)), 0]
                left, moved = left - 1, True
            for stream in list(living):
                if chance.random() < 0.002:
                    client.h2.reset_stream(stream, 8)
                    client.reset[stream] = 8
                    cancelled += 1
                    del living[stream]
                    continue
                moved |= send_some(client, stream, living[stream], chance)
            if settings == client.acknowledged and chance.random() < 0.05:
                client.h2.update_settings({
                    SettingCodes.INITIAL_WINDOW_SIZE: chance.choice([1_500, 65_535, 1 << 20]),
                    SettingCodes.HEADER_TABLE_SIZE: chance.choice([0, 100, 4_096]),
                })
                settings += 1
            if seen < client.acknowledged:
                seen = client.acknowledged
                open_windows(client, living)
            client.flush()
            if not moved or select.select([client.socket], [], [], 0)[0]:
                if living:
                    expect(client.read(), "the server closed")
            for stream in client.ended & living.keys():
                expect(client.bodies.get(stream, b"") == living.pop(stream)[0], "the echo is whole")
        client.close()
    return f"{cancelled} cancelled"


def let_empty_frames_pass():
    """An empty frame is no matter of windows (RFC 9113 §6.9.1), but python-hyper ends the connection where its own
    settings have made the window negative (findings/h2-empty-frame-at-negative-window.sh)."""
    from h2.windows import WindowManager  # pylint: disable=import-outside-toplevel
    consumed = WindowManager.window_consumed
    WindowManager.window_consumed = lambda window, size: consumed(window, size) if size else None


def open_windows(client, streams):
    """Opens windows that new settings have closed, which python-hyper leaves to its user."""
    for stream in streams:
        window = client.h2.remote_flow_control_window(stream)
        if window <= 0 and stream not in client.ended:
            client.h2.increment_flow_control_window(1_500 - window, stream)


def send_some(client, stream, exchange, chance):
    """Sends a part of an upload, or its end; false if it has to wait."""
    content, sent = exchange
    if sent is None:
        return False
    if sent == len(content):
        if chance.random() < 0.5:
            client.h2.send_headers(stream, [("x-sum", "none")], end_stream=True)
        else:
            client.h2.end_stream(stream)
        exchange[1] = None
        return True
    padding = chance.choice([None, 0, chance.randrange(256)])
    room = min(client.h2.local_flow_control_window(stream), client.h2.max_outbound_frame_size) - 257
    if room <= 0:
        return False
    part = content[sent:sent + chance.randint(1, room)]
    client.h2.send_data(stream, part, pad_length=padding)
    exchange[1] = sent + len(part)
    return True


NODE = """
const http2 = require('http2');
const crypto = require('crypto');
const [url, count, largest, atOnce] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const result = {whole: 0, cancelled: 0, continued: 0};
let left = count, done = 0, changed = 0;
const session = http2.connect(url, {paddingStrategy: http2.constants.PADDING_STRATEGY_ALIGNED});
session.on('error', fail);
function fail(error) { console.error(error); process.exit(1); }
function finish() {
    done += 1;
    if (done === count) { console.log(JSON.stringify(result)); session.close(); } else next();
}
function next() {
    if (left === 0) return;
    left -= 1;
    const content = crypto.randomBytes(Math.floor(Math.random() * largest));
    const expects = Math.random() < 0.2, trailers = Math.random() < 0.5;
    const headers = {':method': 'POST', ':path': '/'};
    if (expects) headers.expect = '100-continue';
    const request = session.request(headers, {waitForTrailers: trailers});
    if (trailers) request.on('wantTrailers', () => request.sendTrailers({'x-sum': 'none'}));
    const parts = [];
    let isCancelled = false;
    request.on('continue', () => { result.continued += 1; request.end(content); });
    request.on('data', part => parts.push(part));
    request.on('error', error => { if (!isCancelled) fail(error); });
    request.on('close', () => {
        if (isCancelled) result.cancelled += 1;
        else if (Buffer.concat(parts).equals(content)) result.whole += 1;
        else fail(new Error('the echo is not whole'));
        finish();
    });
    if (!expects) request.end(content);
    if (Math.random() < 0.1) {
        setTimeout(() => { if (!request.closed) { isCancelled = true; request.close(8); } }, Math.random() * 5);
    }
    // Four times a second at most: more SETTINGS are a flood.
    if (Math.random() < 0.05 && Date.now() > changed + 250) {
        changed = Date.now();
        session.settings({initialWindowSize: [1500, 65535, 1 << 20][Math.floor(Math.random() * 3)]}, () => {});
    }
}
session.on('remoteSettings', () => { for (let i = 0; i < atOnce; i += 1) next(); });
"""

JAVA = """
import java.net.URI;
import java.net.http.*;
import java.util.*;
import java.util.concurrent.*;

public class Crossing {
    public static void main(String[] arguments) throws Exception {
        HttpClient client = HttpClient.newBuilder().sslContext(Trusting.context()).build();
        URI uri = URI.create(arguments[0]);
        int count = Integer.parseInt(arguments[1]), largest = Integer.parseInt(arguments[2]);
        Semaphore places = new Semaphore(Integer.parseInt(arguments[3]));
        Random chance = new Random(1);
        int[] whole = {0}, cancelled = {0};
        List<String> wrong = Collections.synchronizedList(new ArrayList<>());
        for (int i = 0; i < count; i++) {
            places.acquire();
            byte[] content = new byte[chance.nextInt(largest)];
            chance.nextBytes(content);
            HttpRequest request = HttpRequest.newBuilder(uri).expectContinue(chance.nextInt(5) == 0)
                .POST(HttpRequest.BodyPublishers.ofByteArray(content)).build();
            CompletableFuture<HttpResponse<byte[]>> answer =
                client.sendAsync(request, HttpResponse.BodyHandlers.ofByteArray());
            boolean cancels = chance.nextInt(10) == 0;
            answer.whenComplete((response, error) -> {
                synchronized (whole) {
                    if (cancels && String.valueOf(error).contains("ancel")) cancelled[0]++;
                    else if (error != null) wrong.add(error.toString());
                    else if (response.version() != HttpClient.Version.HTTP_2
                        || !Arrays.equals(response.body(), content)) wrong.add("the echo is not whole");
                    else whole[0]++;
                }
                places.release();
            });
            if (cancels) {
                Thread.sleep(chance.nextInt(3));
                answer.cancel(true);
            }
        }
        places.acquire(Integer.parseInt(arguments[3]));
        if (!wrong.isEmpty()) throw new Exception(wrong.get(0));
        System.out.println("{\\"whole\\": " + whole[0] + ", \\"cancelled\\": " + cancelled[0] + "}");
        System.exit(0);
    }
}
""" + TRUSTING

GO = """
package main

import (
    "bytes"
    "context"
    "crypto/tls"
    "fmt"
    "golang.org/x/net/http2"
    "io"
    "math/rand"
    "net"
    "net/http"
    "os"
    "strconv"
    "sync"
    "time"
)

func main() {
    count, _ := strconv.Atoi(os.Args[2])
    largest, _ := strconv.Atoi(os.Args[3])
    atOnce, _ := strconv.Atoi(os.Args[4])
    transport := &http2.Transport{AllowHTTP: true, DialTLS: func(network, address string, _ *tls.Config) (net.Conn, error) {
        return net.Dial(network, address)
    }}
    var lock sync.Mutex
    var all sync.WaitGroup
    whole, cancelled := 0, 0
    places := make(chan bool, atOnce)
    for i := 0; i < count; i++ {
        places <- true
        all.Add(1)
        content := make([]byte, rand.Intn(largest))
        rand.Read(content)
        cancels, trailers, expects := rand.Intn(10) == 0, rand.Intn(2) == 0, rand.Intn(5) == 0
        pause := time.Duration(rand.Intn(3000)) * time.Microsecond
        go func() {
            defer func() { <-places; all.Done() }()
            within, cancel := context.WithCancel(context.Background())
            defer cancel()
            request, _ := http.NewRequestWithContext(within, "POST", os.Args[1], bytes.NewReader(content))
            if trailers {
                request.ContentLength = -1
                request.Trailer = http.Header{"X-Sum": {"none"}}
            }
            if expects {
                request.Header.Set("Expect", "100-continue")
            }
            if cancels {
                time.AfterFunc(pause, cancel)
            }
            var echo []byte
            response, err := transport.RoundTrip(request)
            if err == nil {
                echo, err = io.ReadAll(response.Body)
            }
            lock.Lock()
            defer lock.Unlock()
            if err != nil && cancels {
                cancelled++
            } else if err != nil || !bytes.Equal(echo, content) {
                fmt.Fprintln(os.Stderr, "the echo is not whole", err)
                os.Exit(1)
            } else {
                whole++
            }
        }()
    }
    all.Wait()
    fmt.Printf("{\\"whole\\": %d, \\"cancelled\\": %d}\\n", whole, cancelled)
}
"""


def program(command, text, name, url, count, **options):
    """Runs a program of another language over its exchanges; its own words about them."""
    with tempfile.TemporaryDirectory(prefix="calmd-crossing-") as place:
        path = Path(place) / name
        path.write_text(text)
        return told_by([*command, path, url], count, **options)


def told_by(command, count, **options):
    """The words of a program about its exchanges, of which none is wrong or missing."""
    done = run(*command, count, LARGEST, AT_ONCE, timeout=1_200, **options)
    expect_equal(done.returncode, 0, f"its exit code ({done.stderr[-800:].decode(errors='replace')})")
    told = json.loads(done.stdout)
    expect_equal(told["whole"] + told["cancelled"], count, "the number of exchanges")
    expect(told["whole"] > count // 2, told)
    return done.stdout.decode().strip()


def nghttp2(_server, example, count):
    """nghttp2's library."""
    with tempfile.TemporaryDirectory(prefix="calmd-crossing-") as place:
        made = run("cc", "-O1", "-o", f"{place}/crossing", Path(__file__).with_name("crossing.c"), "-lnghttp2")
        expect_equal(made.returncode, 0, made.stderr.decode(errors="replace"))
        return told_by([f"{place}/crossing", example.port], count)


def hyperium(_server, _example, count):
    """hyperium's h2, 48 exchanges a connection of each role."""
    seeds = count // 48 + 1
    done = run("cargo", "test", "--lib", "--quiet", "h2::tests::hyperium::traffic", cwd=REPOSITORY, timeout=2_400,
               env={**os.environ, "CALMD_HYPERIUM_SEEDS": str(seeds)})
    expect(done.returncode == 0 and b"2 passed" in done.stdout, (done.stdout + done.stderr)[-2_000:].decode())
    return f"{seeds * 48} of each role"


def node(_server, example, count):
    """Node's http2."""
    return program(["node"], NODE, "crossing.js", example.url, count)


def java(server, _example, count):
    """Java's HttpClient, which finds HTTP/2 by ALPN."""
    return program(["java"], JAVA, "Crossing.java", f"{server.https}/echo", count)


def go(_server, example, count):
    """Go's x/net, as Debian has it."""
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode",
                   "GOCACHE": tempfile.gettempdir() + "/calmd-go"}
    return program(["go", "run"], GO, "crossing.go", example.url + "/", count, env=environment)
