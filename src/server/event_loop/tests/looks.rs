//! Looks into connections: the list, one of them whole, and the time that a look takes.

use super::*;
use crate::inspect::{Feed, Look, LookReply, Watch, WatchForm};
use crate::server::Metrics;
use crate::telemetry::metrics::ProcessFigures;
use serde_json::{Value, json};

/// Frames for a connection whose client gives each stream a window of `window` bytes, and the connection
/// the one that it has from the start; then requests for `/large` on streams 1, 3 ….
fn h2_requests(window: u16, requests: u32) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0]);
    bytes.extend(window.to_be_bytes());
    let block = b"\x82\x86\x41\x05a.org\x44\x06/large";
    for stream in (0..requests).map(|number| 2 * number + 1) {
        bytes.extend([0, 0, block.len() as u8, 1, 5]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(block);
    }
    bytes
}

impl Bench {
    /// A bench for a crowd of one address, with so much memory for files.
    fn looked_at(files_in_memory: usize) -> Bench {
        let mut config = Config::default();
        config.limits.connections_per_address = 10_000;
        let site = site::Config {
            cache_memory: files_in_memory,
            ..site::Config::default()
        };
        Bench::with(config, site)
    }

    fn look(&mut self, path: &str, query: &str) -> Value {
        let mut look = Look::parse(path, query).unwrap().unwrap();
        loop {
            match self.event_loop.look(&mut look) {
                LookReply::Json(text) => return serde_json::from_str(&text).unwrap(),
                LookReply::Unfinished => {}
                LookReply::Gone => return Value::Null,
            }
        }
    }

    /// The connection that came last, whole.
    fn last(&mut self) -> Value {
        let list = self.look("connections", "sort=id&order=desc&top=1");
        let id = &list["connections"][0]["id"];
        self.look(&format!("connections/{id}"), "")
    }
}

#[test]
fn the_list_has_every_connection_with_its_counts() {
    let mut bench = Bench::looked_at(1 << 20);
    let link = bench.connect(0, GET, usize::MAX, None);
    bench.turns(3);
    let list = bench.look("connections", "sort=id&order=asc");
    assert_eq!(
        (&list["connections_open"], &list["total"]),
        (&json!(2), &json!(2))
    );
    let line = &list["connections"][1];
    assert_eq!(line["peer"], "192.0.2.7");
    assert_eq!(line["host"], "a");
    assert_eq!(
        (&line["protocol"], &line["state"]),
        (&json!("h1"), &json!("idle"))
    );
    assert_eq!(line["requests"], 1);
    assert_eq!(line["received"], GET.len());
    assert_eq!(line["sent"], link.borrow().outgoing.len());
    assert!(line["memory"].as_u64().unwrap() > 100);
    let nobody = bench.look("connections", "filter=10.0.0.0/8");
    assert_eq!(
        (&nobody["connections_open"], &nobody["total"]),
        (&json!(2), &json!(0))
    );
}

#[test]
fn a_connection_that_is_gone_is_not_found_nor_is_its_successor_by_its_number() {
    let mut bench = Bench::looked_at(1 << 20);
    let link = bench.connect(0, GET, usize::MAX, None);
    bench.turns(3);
    let id = bench.last()["id"].as_u64().unwrap();
    link.borrow_mut().ended = true;
    bench.wake(&link);
    bench.turns(3);
    assert!(link.borrow().closed);
    assert_eq!(bench.look(&format!("connections/{id}"), ""), Value::Null);
    bench.connect(0, GET, usize::MAX, None);
    bench.turns(3);
    assert_eq!(bench.last()["id"], id + 1);
}

#[test]
fn a_stream_whose_window_is_used_up_is_told_from_one_that_waits_for_the_connections() {
    let mut bench = Bench::looked_at(0);
    bench.connect(0, &h2_requests(1_000, 2), usize::MAX, None);
    bench.turns(5);
    let whole = bench.last();
    assert_eq!(
        (&whole["protocol"], &whole["streams"]),
        (&json!("h2"), &json!(2))
    );
    assert_eq!(
        (&whole["blocked"], &whole["blocked_by"]),
        (&json!(2), &json!("stream-window"))
    );
    let h2 = &whole["h2"];
    assert_eq!(h2["windows"]["send"], 65_535 - 2_000);
    let [first, second] = &h2["streams"].as_array().unwrap()[..] else {
        panic!("{h2}");
    };
    assert_eq!((&first["id"], &second["id"]), (&json!(1), &json!(3)));
    for stream in [first, second] {
        assert_eq!(stream["state"], "half-closed-remote");
        assert_eq!(stream["windows"]["send"], 0);
        assert_eq!(stream["sent"], 1_000);
        assert_eq!(stream["queued"], (1 << 20) - 1_000);
        assert_eq!(stream["blocked_by"], "stream-window");
        assert_eq!(
            (&stream["urgency"], &stream["incremental"]),
            (&json!(3), &json!(false))
        );
    }
    bench.connect(0, &h2_requests(u16::MAX, 2), usize::MAX, None);
    bench.turns(10);
    let whole = bench.last();
    assert_eq!(whole["h2"]["windows"]["send"], 0);
    // The first response has used both windows up.
    let blocked_by = |place: usize| &whole["h2"]["streams"][place]["blocked_by"];
    assert_eq!(blocked_by(0), "stream-window");
    assert_eq!(blocked_by(1), "connection-window");
}

#[test]
fn settings_tables_and_budgets_of_both_sides_are_told() {
    let mut bench = Bench::looked_at(0);
    bench.connect(0, &h2_requests(1_000, 1), usize::MAX, None);
    bench.turns(5);
    let h2 = bench.last()["h2"].clone();
    assert_eq!(h2["settings"]["peer"]["initial_window_size"], 1_000);
    assert_eq!(
        h2["settings"]["peer"]["max_concurrent_streams"],
        Value::Null
    );
    assert_eq!(h2["settings"]["local"]["max_frame_size"], 16_384);
    // :authority and :path of the request were literals that become entries.
    assert_eq!(h2["hpack"]["decoder"]["entries"], 2);
    assert_eq!(h2["hpack"]["decoder"]["used"], 10 + 5 + 5 + 6 + 64);
    assert!(h2["hpack"]["encoder"]["entries"].as_u64().unwrap() > 0);
    let budgets = h2["budgets"].as_array().unwrap();
    let settings = budgets
        .iter()
        .find(|it| it["name"] == "settings_per_second");
    let share = |name: &str| settings.unwrap()[name].as_u64().unwrap();
    assert_eq!(share("left"), share("limit") - 1, "one SETTINGS frame came");
}

#[test]
fn a_full_socket_is_the_obstacle_of_both_protocols() {
    let mut bench = Bench::looked_at(0);
    let get = b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n";
    bench.connect(0, get, 20_000, None);
    bench.turns(5);
    let whole = bench.last();
    assert_eq!(
        (&whole["streams"], &whole["blocked_by"]),
        (&json!(1), &json!("socket"))
    );
    assert_eq!(whole["request"]["blocked_by"], "socket");
    assert_eq!(whole["sent"], 20_000);
    assert_eq!(whole["h2"], Value::Null);
    bench.connect(0, &h2_request(), 20_000, None);
    bench.turns(5);
    let whole = bench.last();
    assert_eq!(
        (&whole["blocked"], &whole["blocked_by"]),
        (&json!(1), &json!("socket"))
    );
    assert!(whole["unsent"].as_u64().unwrap() > 0);
}

#[test]
fn a_response_that_waits_for_a_disk_says_so() {
    let mut bench = Bench::looked_at(0);
    bench.files.slow_disk(Duration::from_secs(1));
    bench.connect(0, &h2_requests(u16::MAX, 1), usize::MAX, None);
    bench.turns(5);
    assert_eq!(bench.last()["h2"]["streams"][0]["blocked_by"], "disk");
}

#[test]
fn a_look_at_many_connections_is_cut_into_slices_of_200_microseconds() {
    const CROWD: usize = 2_000;
    let mut bench = Bench::looked_at(1 << 20);
    for _ in 0..CROWD {
        bench.connect(0, b"", usize::MAX, None);
    }
    bench.turns(2 * CROWD);
    assert_eq!(bench.event_loop.connections(), CROWD + 1);
    let takes = Duration::from_micros(10);
    bench.outside.0.borrow_mut().look_takes = takes;
    let mut look = Look::parse("connections", "top=5").unwrap().unwrap();
    let mut slices = 0;
    loop {
        let before = bench.outside.0.borrow().passed;
        let reply = bench.event_loop.look(&mut look);
        let took = bench.outside.0.borrow().passed - before;
        assert!(took <= Duration::from_micros(200) + 2 * takes, "{took:?}");
        slices += 1;
        match reply {
            LookReply::Unfinished => assert!(slices < 1_000),
            LookReply::Json(text) => {
                let list: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(list["connections_open"], CROWD + 1);
                assert_eq!(list["connections"].as_array().unwrap().len(), 5);
                break;
            }
            LookReply::Gone => panic!("it is a list"),
        }
    }
    // Twenty looks at the clock a slice, one for 32 connections.
    assert!(slices >= 3, "{slices}");
}

/// The frames that a watch has told, as JSON.
fn told(watch: &mut Watch) -> Vec<Value> {
    let mut out = String::new();
    watch.poll(&mut out);
    let data = out.lines().filter_map(|line| line.strip_prefix("data: "));
    let events = data.map(|json| serde_json::from_str::<Value>(json).unwrap());
    let frames = events.filter_map(|event| event["frames"].as_array().cloned());
    frames.flatten().collect()
}

fn find<'v>(frames: &'v [Value], direction: &str, kind: &str) -> Option<&'v Value> {
    let mut frames = frames.iter();
    frames.find(|frame| frame["dir"] == direction && frame["type"] == kind)
}

#[test]
fn a_watched_connection_tells_its_frames_its_state_and_its_round_trip() {
    let mut bench = Bench::looked_at(0);
    let link = bench.connect(0, &h2_requests(1_000, 1), usize::MAX, None);
    bench.turns(5);
    let id = bench.last()["id"].as_u64().unwrap() as u32;
    let mut watch = bench.event_loop.watch(id, WatchForm::EventStream).unwrap();
    bench.sleep(Duration::from_millis(20));
    bench.turns(2);
    // The answer to the PING, and a request of which all but the path is in the table.
    let mut bytes = b"\0\0\x08\x06\x01\0\0\0\0calmdrtt".to_vec();
    bytes.extend(b"\0\0\x09\x01\x05\0\0\0\x03\x82\x86\xbf\x04\x04/?ke");
    bytes.extend(b"\0\0\x04\x08\0\0\0\0\x01\0\0\0\x0a");
    link.borrow_mut().incoming = bytes;
    bench.wake(&link);
    bench.turns(3);
    let frames = told(&mut watch);
    let ping = find(&frames, "out", "PING").expect("the round trip is measured");
    assert_eq!(
        ping["qlog"]["data"]["frame"]["opaque_data"],
        "63616c6d64727474"
    );
    let request = find(&frames, "in", "HEADERS").unwrap();
    let fields = &request["qlog"]["data"]["frame"]["headers"];
    assert_eq!(fields[2], json!({"name": ":authority", "value": "a.org"}));
    assert_eq!(fields[3]["value"], "/?ke");
    assert!(find(&frames, "out", "HEADERS").is_some(), "{frames:?}");
    let data: Vec<_> = frames.iter().filter(|it| it["type"] == "DATA").collect();
    assert_eq!(data[0]["len"], 10, "the window that was given: {data:?}");
    let state = frames.iter().find(|frame| frame["dir"] == "state").unwrap();
    assert_eq!(state["qlog"]["name"], "calmd:connection_state");
    let round_trip = bench.look(&format!("connections/{id}"), "")["h2"]["rtt_ms"].clone();
    assert_eq!(round_trip, 20.0);
}

#[test]
fn a_watch_from_before_the_protocol_was_known_misses_no_frame() {
    let mut bench = Bench::looked_at(0);
    let link = bench.connect(0, b"", usize::MAX, None);
    bench.turns(3);
    let id = bench.last()["id"].as_u64().unwrap() as u32;
    let mut watch = bench.event_loop.watch(id, WatchForm::EventStream).unwrap();
    link.borrow_mut().incoming = h2_requests(1_000, 1);
    bench.wake(&link);
    bench.turns(3);
    let frames = told(&mut watch);
    let settings = frames.iter().filter(|it| it["type"] == "SETTINGS");
    let ways: Vec<_> = settings.map(|it| (&it["dir"], &it["text"])).collect();
    let (ours, acknowledged) = (json!("out"), json!("ACK"));
    assert_eq!(ways[0], (&ours, &json!("")), "ours, once: {ways:?}");
    assert_eq!(ways.len(), 3);
    assert!(ways.contains(&(&ours, &acknowledged)));
}

#[test]
fn heads_of_http1_are_told_and_a_watch_that_has_ended_makes_room_for_another() {
    let mut bench = Bench::looked_at(0);
    let link = bench.connect(0, GET, usize::MAX, None);
    bench.turns(3);
    let id = bench.last()["id"].as_u64().unwrap() as u32;
    let mut watches: Vec<_> = (0..8)
        .map(|_| bench.event_loop.watch(id, WatchForm::EventStream).unwrap())
        .collect();
    assert!(bench.event_loop.watch(id, WatchForm::Qlog).is_none());
    assert!(bench.event_loop.watch(id + 1, WatchForm::Qlog).is_none());
    link.borrow_mut().incoming = b"GET /?token=abc HTTP/1.1\r\nhost: a\r\n\r\n".to_vec();
    bench.wake(&link);
    bench.turns(2);
    for watch in &mut watches {
        let frames = told(watch);
        let [request, response] = &frames[..] else {
            panic!("{frames:?}");
        };
        let fields = request["qlog"]["data"]["headers"].to_string();
        assert!(fields.contains("/?token=(not shown)"), "{fields}");
        assert_eq!(
            (&response["dir"], &response["text"]),
            (&json!("out"), &json!("HTTP/1.1 200"))
        );
    }
    watches.pop();
    let watch = bench.event_loop.watch(id, WatchForm::Qlog).unwrap();
    drop(watches);
    assert!(!watch.is_over());
    link.borrow_mut().ended = true;
    bench.wake(&link);
    bench.turns(3);
    let mut out = String::new();
    let mut watch = watch;
    watch.poll(&mut out);
    assert!(out.starts_with("\u{1e}{\"file_schema\""), "{out}");
    assert!(watch.is_over());
}

#[test]
fn a_scraper_waits_until_all_connections_were_looked_at_in_slices() {
    const CROWD: usize = 2_000;
    let mut bench = Bench::looked_at(1 << 20);
    for _ in 0..CROWD {
        bench.connect(0, b"", usize::MAX, None);
    }
    bench.turns(2 * CROWD);
    let figures = ProcessFigures::open(std::time::SystemTime::UNIX_EPOCH);
    bench.event_loop.services.metrics = Some(Box::new(Metrics::new(figures)));
    bench.event_loop.listeners[0].role = ListenerRole::Metrics;
    bench.outside.0.borrow_mut().look_takes = Duration::from_micros(10);
    let request = b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n";
    let scraper = bench.connect(0, request, usize::MAX, None);
    let mut turns = 0;
    while scraper.borrow().outgoing.is_empty() {
        let before = bench.outside.0.borrow().passed;
        bench.turns(1);
        let took = bench.outside.0.borrow().passed - before;
        assert!(took < Duration::from_millis(1), "{took:?}");
        turns += 1;
        assert!(turns < 1_000);
    }
    // Four slices a turn, each of some 80 connections.
    assert!(turns > 5, "{turns}");
    let answer = String::from_utf8_lossy(&scraper.borrow().outgoing).into_owned();
    let opening = format!("calmd_connections{{protocol=\"none\",state=\"opening\"}} {CROWD}\n");
    assert!(answer.contains(&opening), "{answer}");
    assert!(answer.contains("calmd_connections{protocol=\"h1\",state=\"idle\"} 1\n"));
}
