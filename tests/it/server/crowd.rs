//! Memory after a crowd has gone.

use crate::raw_h2::{self, RawH2, frame, get, setting};
use crate::support::Server;
use std::fs;
use std::time::{Duration, Instant};

/// Number of requests that one connection may have open.
const STREAMS: u32 = 100;

/// INITIAL_WINDOW_SIZE (RFC 9113 §6.5.2).
const INITIAL_WINDOW_SIZE: u16 = 4;

fn server() -> Server {
    Server::with_site(&[], |site| {
        let big = fs::File::create(site.join("big")).unwrap();
        big.set_len(1 << 30).unwrap();
    })
}

/// A connection with requests for a large file, whose closed windows let no byte pass.
fn blocked(server: &Server) -> RawH2 {
    let mut h2 = RawH2::open(server.connect());
    let mut bytes = frame(raw_h2::SETTINGS, 0, 0, &setting(INITIAL_WINDOW_SIZE, 0));
    bytes.extend(frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]));
    for n in 0..STREAMS {
        let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
        bytes.extend(frame(raw_h2::HEADERS, end, 2 * n + 1, &get("/big")));
    }
    h2.send(&bytes);
    h2.until(|frame| frame.kind == raw_h2::HEADERS && frame.stream == 2 * STREAMS - 1);
    h2
}

#[test]
fn the_memory_of_a_crowd_goes_with_it_though_somebody_stays() {
    let server = server();
    let stays = blocked(&server);
    let before = server.anonymous_kib();
    let crowd: Vec<RawH2> = (0..150).map(|_| blocked(&server)).collect();
    let peak = server.anonymous_kib();
    assert!(peak > before + 2_048, "{before} KiB grew to {peak}");
    drop(crowd);
    let start = Instant::now();
    while server.anonymous_kib() > before + 512 {
        let rest = server.anonymous_kib();
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{before} KiB grew to {peak}, and {rest} stay"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(stays);
}

#[test]
fn responses_whose_windows_nobody_can_open_any_more_end_with_the_peers_side() {
    let server = server();
    let mut h2 = blocked(&server);
    h2.stream.shutdown(std::net::Shutdown::Write).unwrap();
    let start = Instant::now();
    while h2.next().is_some() {}
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
}
