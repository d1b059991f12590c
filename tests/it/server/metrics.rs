//! The listener for metrics: what it serves, what it counts, and what it does not.

use super::tls::{client_config, connect_with};
use crate::raw_h2::{self, RawH2, frame, get};
use crate::support::{PATIENCE, Server, exchange};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

const LISTENER: [&str; 2] = ["--metrics", "unix:metrics.sock"];

fn start(options: &[&str]) -> Server {
    let options = [&LISTENER[..], options].concat();
    Server::with_site(&options, |site| {
        fs::write(site.join("big.bin"), vec![b'x'; 1_000_000]).unwrap();
    })
}

/// The answer of the listener for metrics.
fn ask(server: &Server, method: &str, path: &str, accept: &str) -> (String, String) {
    let socket = server.directory.path().join("metrics.sock");
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: any\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, content) = answer.split_once("\r\n\r\n").expect(&answer);
    (head.to_ascii_lowercase(), content.to_owned())
}

/// Series and their values, as a reader of the text finds them.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let mut series = BTreeMap::new();
    let mut kind = "";
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let words: Vec<&str> = comment.splitn(3, ' ').collect();
            match words[..] {
                ["TYPE", _, found] => kind = found,
                ["HELP", _, help] => assert!(!help.is_empty()),
                ["EOF"] => {}
                _ => panic!("{line}"),
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').expect(line);
        assert!(
            ["counter", "gauge", "histogram"].contains(&kind),
            "{kind}: {line}"
        );
        assert_eq!(
            name.split('{').next().unwrap().ends_with("_total"),
            kind == "counter",
            "{line}"
        );
        let value: f64 = value.parse().expect(line);
        let before = series.insert(name.to_owned(), value);
        assert_eq!(before, None, "{line} is there twice");
    }
    series
}

/// The series that the listener in `metrics.sock` of the server's directory tells.
pub fn metrics(server: &Server) -> BTreeMap<String, f64> {
    let (head, content) = ask(server, "GET", "/metrics", "*/*");
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    parse(&content)
}

/// Waits until a series has a value.
fn wait_for(server: &Server, series: &str, wanted: f64) -> BTreeMap<String, f64> {
    let start = Instant::now();
    loop {
        let found = metrics(server);
        let value = found
            .get(series)
            .unwrap_or_else(|| panic!("no {series}: {found:?}"));
        if *value == wanted {
            return found;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "{series} is {value} and not {wanted}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

fn requests(protocol: &str, method: &str, status: &str) -> String {
    format!(
        "calmd_http_requests_total{{host=\"default\",protocol=\"{protocol}\",\
         method=\"{method}\",status=\"{status}\"}}"
    )
}

#[test]
fn requests_are_counted_by_protocol_method_and_status() {
    let server = start(&["--demo"]);
    for _ in 0..3 {
        server.request("GET / HTTP/1.1");
    }
    server.request("GET /missing HTTP/1.1");
    server.request("HEAD /big.bin HTTP/1.1");
    let upload =
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\n12345";
    server.converse(upload);
    server.converse(b"NONSENSE\r\n\r\n");
    let mut h2 = RawH2::open(server.connect());
    let flags = raw_h2::END_HEADERS | raw_h2::END_STREAM;
    h2.send(&frame(raw_h2::HEADERS, flags, 1, &get("/")));
    h2.until(|frame| frame.stream == 1 && frame.flags & raw_h2::END_STREAM != 0);
    let code = 8_u32.to_be_bytes();
    h2.send(&frame(raw_h2::HEADERS, flags, 3, &get("/big.bin")));
    // A request whose reset comes with it has no status.
    h2.until(|frame| frame.stream == 3 && frame.kind == raw_h2::HEADERS);
    h2.send(&frame(raw_h2::RST_STREAM, 0, 3, &code));

    wait_for(&server, &requests("h1", "other", "4xx"), 1.0);
    wait_for(&server, &requests("h2", "GET", "2xx"), 2.0);
    let found = metrics(&server);
    for (series, wanted) in [
        (requests("h1", "GET", "2xx"), 3.0),
        (requests("h1", "GET", "4xx"), 1.0),
        (requests("h1", "HEAD", "2xx"), 1.0),
        (requests("h1", "POST", "2xx"), 1.0),
        (requests("h1", "GET", "5xx"), 0.0),
        (
            "calmd_http_request_content_bytes_total{protocol=\"h1\"}".into(),
            5.0,
        ),
        (
            "calmd_http_request_duration_seconds_count{protocol=\"h1\"}".into(),
            7.0,
        ),
        (
            "calmd_http_request_duration_seconds_count{protocol=\"h2\"}".into(),
            2.0,
        ),
        (
            "calmd_http_request_duration_seconds_bucket{protocol=\"h1\",le=\"+Inf\"}".into(),
            7.0,
        ),
        (
            "calmd_h2_frames_total{direction=\"received\",type=\"HEADERS\"}".into(),
            2.0,
        ),
        (
            "calmd_h2_frames_total{direction=\"received\",type=\"RST_STREAM\"}".into(),
            1.0,
        ),
        (
            "calmd_h2_resets_total{by=\"peer\",code=\"CANCEL\"}".into(),
            1.0,
        ),
        ("calmd_connections_accepted_total".into(), 8.0),
        (
            "calmd_connections{protocol=\"h2\",state=\"idle\"}".into(),
            1.0,
        ),
        ("calmd_ready".into(), 1.0),
        ("calmd_responses_blocked{by=\"stream-window\"}".into(), 0.0),
        ("calmd_connections_stalled".into(), 0.0),
    ] {
        assert_eq!(found.get(&series), Some(&wanted), "{series}: {found:#?}");
    }
    for (series, least) in [
        (
            "calmd_http_response_content_bytes_total{protocol=\"h1\"}",
            3.0 * 34.0,
        ),
        (
            "calmd_h2_frames_total{direction=\"sent\",type=\"HEADERS\"}",
            2.0,
        ),
        ("calmd_network_bytes_total{direction=\"received\"}", 200.0),
        ("calmd_network_bytes_total{direction=\"sent\"}", 500.0),
        ("calmd_cache_requests_total{result=\"hit\"}", 2.0),
        ("calmd_cache_requests_total{result=\"miss\"}", 1.0),
        ("calmd_loop_turn_seconds_count", 10.0),
        ("calmd_connections_held_bytes{holder=\"protocol\"}", 100.0),
        ("calmd_disk_waits_total{by=\"retry\"}", 0.0),
        ("calmd_name_waits_total", 0.0),
        ("calmd_loop_sleeps_total", 1.0),
        ("process_resident_memory_bytes", 1e6),
        ("process_open_fds", 8.0),
        ("process_start_time_seconds", 1e9),
    ] {
        let value = found.get(series).copied().unwrap_or(-1.0);
        assert!(value >= least, "{series} is {value}: {found:#?}");
    }
}

#[test]
fn tls_handshakes_and_failures_are_counted() {
    let server = start(&[]);
    let config = client_config(&server, &["http/1.1"]);
    for _ in 0..2 {
        let mut stream = connect_with(&server, config.clone());
        let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.is_empty());
    }
    let mut bad = std::net::TcpStream::connect(server.https).unwrap();
    bad.write_all(&[99, 3, 1, 0, 1, 0]).unwrap();
    let _ = bad.read_to_end(&mut Vec::new());
    wait_for(
        &server,
        "calmd_tls_failures_total{reason=\"malformed\"}",
        1.0,
    );
    let full = "calmd_tls_handshakes_total{version=\"1.3\",resumed=\"no\"}";
    let resumed = "calmd_tls_handshakes_total{version=\"1.3\",resumed=\"yes\"}";
    let found = metrics(&server);
    assert_eq!((found[full], found[resumed]), (1.0, 1.0), "{found:#?}");
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let lasts = found["calmd_tls_certificate_expiry_timestamp_seconds"] - now.as_secs_f64();
    assert!((390.0..398.0).contains(&(lasts / 86_400.0)), "{lasts}");
    assert_eq!(
        found["calmd_limits_fired_total{limit=\"tls-failures\"}"],
        1.0
    );
    assert_eq!(
        found["calmd_limits_fired_total{limit=\"max-connections\"}"],
        0.0
    );
}

#[test]
fn openmetrics_is_served_to_those_who_ask_for_it() {
    let server = start(&[]);
    server.request("GET / HTTP/1.1");
    let open = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5,*/*;q=0.1";
    let (head, content) = ask(&server, "GET", "/metrics", open);
    let media_type = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(head.contains(media_type), "{head}");
    assert!(content.ends_with("\n# EOF\n"), "{content}");
    assert!(content.contains("# TYPE calmd_http_requests counter\n"));
    let (plain_head, plain) = ask(&server, "GET", "/metrics", "text/plain");
    assert!(
        plain_head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{plain_head}"
    );
    assert!(!plain.contains("# EOF"));
    assert!(plain.contains("# TYPE calmd_http_requests_total counter\n"));
    assert!(!content.contains('\r') && !plain.contains('\r'));
    let names = |text: &str| parse(text).into_keys().collect::<Vec<_>>();
    assert_eq!(names(&content), names(&plain));
}

#[test]
fn the_listener_serves_no_site_and_the_sites_no_metrics() {
    let server = start(&["--access-log", "access.log"]);
    for (method, path, status) in [
        ("GET", "/", "404"),
        ("GET", "/index.html", "404"),
        ("GET", "/metrics/", "404"),
        ("POST", "/metrics", "405"),
        ("GET", "/healthz", "200"),
        ("HEAD", "/readyz", "200"),
    ] {
        let (head, content) = ask(&server, method, path, "*/*");
        let line = format!("http/1.1 {status} ");
        assert!(head.starts_with(&line), "{method} {path}: {head}");
        assert_eq!(content.is_empty(), method == "HEAD", "{content}");
        assert_eq!(head.contains("allow: get, head"), status == "405", "{head}");
    }
    let before = metrics(&server);
    assert_eq!(before["calmd_connections_accepted_total"], 0.0);
    for path in ["/metrics", "/healthz", "/readyz"] {
        let answer = server.request(&format!("GET {path} HTTP/1.1"));
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
    let found = wait_for(&server, &requests("h1", "GET", "4xx"), 3.0);
    assert_eq!(found["calmd_connections_accepted_total"], 3.0);
    let log = server.directory.path().join("access.log");
    let start = Instant::now();
    while fs::read_to_string(&log).unwrap().lines().count() < 3 {
        assert!(start.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 3);
}

#[test]
fn metrics_are_served_over_http2_as_well() {
    let server = start(&[]);
    let socket = server.directory.path().join("metrics.sock");
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut h2 = RawH2::open(stream);
    let flags = raw_h2::END_HEADERS | raw_h2::END_STREAM;
    h2.send(&frame(raw_h2::HEADERS, flags, 1, &get("/metrics")));
    let frames = h2.until(|frame| frame.stream == 1 && frame.flags & raw_h2::END_STREAM != 0);
    let data = frames.iter().filter(|frame| frame.kind == raw_h2::DATA);
    let text: Vec<u8> = data.flat_map(|frame| frame.payload.clone()).collect();
    assert!(parse(&String::from_utf8(text).unwrap()).len() > 100);
}

#[test]
fn readiness_ends_with_sigterm_and_health_goes_on() {
    let mut server = start(&["--drain-delay", "1h"]);
    server.signal("TERM");
    let found = wait_for(&server, "calmd_ready", 0.0);
    assert!(found.len() > 100);
    let (ready, _) = ask(&server, "GET", "/readyz", "*/*");
    assert!(ready.starts_with("http/1.1 503 "), "{ready}");
    let (alive, _) = ask(&server, "GET", "/healthz", "*/*");
    assert!(alive.starts_with("http/1.1 200 "), "{alive}");
    let mut client = server.connect();
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = exchange(&mut client, request, b"<title>start</title>");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
}

#[test]
fn readiness_is_told_until_the_last_open_request_has_ended() {
    let mut server = Server::with_site(&LISTENER, |site| {
        let file = fs::File::create(site.join("large.bin")).unwrap();
        file.set_len(64 << 20).unwrap();
    });
    let mut open = server.connect();
    open.write_all(b"GET /large.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut begun = [0; 1000];
    open.read_exact(&mut begun).unwrap();
    // A probe that keeps its connection.
    let socket = server.directory.path().join("metrics.sock");
    let mut kept = UnixStream::connect(&socket).unwrap();
    kept.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = b"GET /readyz HTTP/1.1\r\nHost: any\r\n\r\n";
    kept.write_all(request).unwrap();
    kept.read_exact(&mut begun[..12]).unwrap();
    assert_eq!(&begun[..12], b"HTTP/1.1 200");
    server.signal("TERM");
    server.logged("stopping: open responses have");
    for (path, status) in [("/readyz", 503), ("/healthz", 200), ("/metrics", 200)] {
        let (head, _) = ask(&server, "GET", path, "*/*");
        assert!(
            head.starts_with(&format!("http/1.1 {status} ")),
            "{path}: {head}"
        );
    }
    let mut rest = Vec::new();
    open.read_to_end(&mut rest).unwrap();
    assert!(rest.len() > (64 << 20) - 1000, "{}", rest.len());
    // Nobody waits for probes.
    let late = UnixStream::connect(&socket);
    assert_eq!(server.wait(), 0);
    drop((kept, late));
    assert!(!socket.exists());
}

#[test]
fn thirty_two_connections_have_metrics_at_a_time_and_more_are_closed() {
    let server = start(&[]);
    let socket = server.directory.path().join("metrics.sock");
    let request = b"GET /healthz HTTP/1.1\r\nHost: any\r\n\r\n";
    let ask = || {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = [0; 12];
        let answered = stream
            .write_all(request)
            .and_then(|()| stream.read_exact(&mut answer));
        (stream, answered.is_ok())
    };
    let kept: Vec<_> = (0..32).map(|_| ask()).collect();
    assert!(kept.iter().all(|(_, answered)| *answered));
    assert!(!ask().1, "one too many");
    drop(kept);
    let start = Instant::now();
    while !ask().1 {
        assert!(start.elapsed() < PATIENCE, "none is let in any more");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn requests_are_counted_by_the_host_that_answers_them() {
    let settings = r#"
metrics = "unix:metrics.sock"

[[host]]
names = ["a.test", "www.a.test"]
root = "a"

[[host]]
names = ["b.test"]
root = "b"
default = true
"#;
    let server = Server::configured(settings, |directory| {
        for root in ["a", "b"] {
            fs::create_dir(directory.join(root)).unwrap();
            fs::write(directory.join(root).join("index.html"), root).unwrap();
        }
    });
    for host in ["a.test", "www.a.test", "b.test", "elsewhere.test", "a.test"] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        server.converse(request.as_bytes());
    }
    let series = |host: &str| requests("h1", "GET", "2xx").replace("default", host);
    let found = wait_for(&server, &series("a.test"), 3.0);
    assert_eq!(found[&series("b.test")], 2.0, "{found:#?}");
    assert!(!found.contains_key(&series("elsewhere.test")));
}
