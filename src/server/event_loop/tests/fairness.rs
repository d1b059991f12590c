//! Waits of one connection while many others are ready at once.

use super::*;
use crate::server::slots::Weight;

/// Files of a page with three sidecars each.
const FILES: usize = 20;

/// A page's worth of requests for files that are not in memory.
fn requests(first: usize) -> Vec<u8> {
    (first..first + FILES)
        .flat_map(|n| format!("HEAD /cold/{n} HTTP/1.1\r\nhost: a\r\n\r\n").into_bytes())
        .collect()
}

/// A crowd whose connections are open, and have nothing to say yet.
fn connect_crowd(bench: &mut Bench, count: usize) -> Vec<Shared> {
    let crowd: Vec<Shared> = (0..count)
        .map(|_| bench.connect(0, b"", usize::MAX, None))
        .collect();
    // Each comes in and is found to have nothing to say yet.
    bench.turns(2 * count);
    assert_eq!(bench.event_loop.connections(), count + 1);
    crowd
}

/// Number of turns of the loop until the good client, which asks now, is answered.
fn turns_until_good(bench: &mut Bench) -> usize {
    bench.good.borrow_mut().incoming = GET.to_vec();
    bench.wake(&bench.good);
    let mut turns = 0;
    while bench.good.borrow().outgoing.is_empty() {
        bench.turns(1);
        turns += 1;
    }
    bench.expect_good("200 OK");
    turns
}

#[test]
fn opening_many_files_at_once_holds_nobody_else_up() {
    const CROWD: usize = 256;
    let mut bench = Bench::new();
    for n in 0..CROWD * FILES {
        for sidecar in ["", ".gz", ".zst", ".br"] {
            bench.files.write(&format!("cold/{n}{sidecar}"), "cold");
        }
    }
    let crowd = connect_crowd(&mut bench, CROWD);
    for (n, link) in crowd.iter().enumerate() {
        link.borrow_mut().incoming = requests(n * FILES);
        bench.wake(link);
    }
    for ask in 0..40 {
        // One more is ready in each poll, the first time behind all of them.
        let before = bench.files.counts().opens;
        let turns = turns_until_good(&mut bench);
        let opened = bench.files.counts().opens - before;
        let (most_turns, most_opened) = if ask == 0 { (6, 8_000) } else { (1, 2_500) };
        assert!(turns <= most_turns, "it waits for {turns} turns");
        // All of them together open 20,480.
        assert!(opened <= most_opened, "{opened} files are opened before");
    }
    bench.turns(1_000);
    for link in &crowd {
        let answers = String::from_utf8_lossy(&link.borrow().outgoing).into_owned();
        assert_eq!(answers.matches("200 OK").count(), FILES);
    }
}

#[test]
fn many_ranges_of_many_connections_hold_nobody_else_up() {
    const CROWD: usize = 64;
    const RANGES: usize = 256;
    const APART: usize = 16 << 10;
    let mut bench = Bench::new();
    bench.files.write("large", vec![b'x'; RANGES * APART]);
    let crowd = connect_crowd(&mut bench, CROWD);
    let ranges: Vec<String> = (0..RANGES).map(|n| format!("{0}-{0}", n * APART)).collect();
    let range = ranges.join(",");
    for link in &crowd {
        link.borrow_mut().incoming =
            format!("GET /large HTTP/1.1\r\nhost: a\r\nrange: bytes={range}\r\n\r\n").into_bytes();
        bench.wake(link);
    }
    for ask in 0..20 {
        // The first time it is ready behind all of them.
        let before = bench.files.counts().reads;
        let turns = turns_until_good(&mut bench);
        let read = bench.files.counts().reads - before;
        let (most_turns, most_read) = if ask == 0 { (6, 2_000) } else { (1, 500) };
        assert!(turns <= most_turns, "ask {ask}: it waits for {turns} turns");
        // All of them together read 16,384 parts.
        assert!(read <= most_read, "ask {ask}: {read} parts are read before");
    }
    bench.turns(1_000);
    for link in &crowd {
        let answer = String::from_utf8_lossy(&link.borrow().outgoing).into_owned();
        assert_eq!(answer.matches("content-range: bytes").count(), RANGES);
    }
}

/// A crowd that has asked, each for a small file.
fn ask_in_a_crowd(bench: &mut Bench, count: usize) -> Vec<Shared> {
    let crowd = connect_crowd(bench, count);
    for link in &crowd {
        link.borrow_mut().incoming = GET.to_vec();
        bench.wake(link);
    }
    crowd
}

#[test]
fn an_absence_is_charged_once() {
    const CROWD: usize = 200;
    let mut bench = Bench::new();
    for takes in [Duration::from_millis(500), Duration::ZERO] {
        bench.outside.0.borrow_mut().call_takes = takes;
        bench.good.borrow_mut().incoming = GET.to_vec();
        bench.wake(&bench.good);
        bench.turns(2);
        bench.expect_good("200 OK");
    }
    let crowd = ask_in_a_crowd(&mut bench, CROWD);
    bench.turns(1);
    let answered = answered(&crowd);
    assert!(answered >= 100, "{answered} in one turn of the loop");
}

#[test]
fn ends_of_many_connections_hold_nobody_else_up() {
    const CROWD: usize = 2_000;
    let mut config = Config::default();
    config.limits.connections_per_address = 10_000;
    let mut bench = Bench::with(config, site());
    let _crowd = connect_crowd(&mut bench, CROWD);
    bench.good.borrow_mut().incoming = GET.to_vec();
    bench.wake(&bench.good);
    bench.turns(1);
    bench.expect_good("200 OK");
    let timeout = bench.event_loop.services.timeouts.preface;
    bench.sleep(timeout + Duration::from_secs(1));
    let mut most = 0;
    for _ in 0..10 {
        let before = bench.event_loop.connections();
        bench.turns(1);
        most = most.max(before - bench.event_loop.connections());
    }
    assert!(bench.event_loop.connections() <= 1);
    // Each is worth a request, of which the deadlines of a turn have some 1,280.
    assert!(most <= 1_300, "{most} end in one turn of the loop");
}

#[test]
fn work_that_takes_longer_than_its_effort_tells_holds_nobody_else_up() {
    const CROWD: usize = 200;
    let mut bench = Bench::new();
    let crowd = ask_in_a_crowd(&mut bench, CROWD);
    bench.good.borrow_mut().incoming = GET.to_vec();
    bench.wake(&bench.good);
    bench.outside.0.borrow_mut().call_takes = Duration::from_micros(100);
    let mut before = 0;
    while before < CROWD {
        bench.turns(1);
        let answered = answered(&crowd);
        assert!(answered > before, "none is answered in a turn of the loop");
        assert!(answered - before <= 64, "{} in one turn", answered - before);
        before = answered;
    }
    // It is the last of them, of which no more is known.
    bench.turns(1);
    bench.expect_good("200 OK");
}

#[test]
fn a_crowd_of_new_connections_holds_nobody_up_that_is_known_to_take_little() {
    const CROWD: usize = 200;
    let mut bench = Bench::new();
    for _ in 0..4 {
        assert_eq!(turns_until_good(&mut bench), 1);
    }
    let crowd = ask_in_a_crowd(&mut bench, CROWD);
    bench.outside.0.borrow_mut().call_takes = Duration::from_micros(100);
    bench.good.borrow_mut().incoming = GET.to_vec();
    bench.wake(&bench.good);
    bench.turns(1);
    bench.expect_good("200 OK");
    let mut before = 0;
    while before < CROWD {
        let answered = answered(&crowd);
        assert!(answered > before, "none is answered in a turn of the loop");
        before = answered;
        bench.turns(1);
    }
}

#[test]
fn a_crowd_that_asks_much_after_little_holds_nobody_else_up() {
    const CROWD: usize = 100;
    const REQUESTS: usize = 100;
    let mut bench = Bench::with(Config::default(), site::Config::default());
    let crowd = ask_in_a_crowd(&mut bench, CROWD);
    bench.turns(10);
    assert_eq!(answered(&crowd), CROWD);
    for link in &crowd {
        link.borrow_mut().outgoing.clear();
        link.borrow_mut().incoming = GET.repeat(REQUESTS);
        bench.wake(link);
    }
    // With turns as long as each might have alone it takes ten.
    assert!(turns_until_good(&mut bench) <= 4);
    bench.turns(1_000);
    for link in &crowd {
        let answers = String::from_utf8_lossy(&link.borrow().outgoing).into_owned();
        assert_eq!(answers.matches("200 OK").count(), REQUESTS);
    }
}

#[test]
fn faults_of_streams_count_as_requests() {
    const CROWD: usize = 200;
    const FAULTS: usize = 100;
    let mut bench = Bench::new();
    bench.files.write("large", vec![b'x'; 64 << 10]);
    let mut input = h2_request();
    for _ in 0..FAULTS {
        // PRIORITY of another length than 5 (RFC 9113 §6.3).
        input.extend([0, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    }
    let crowd = connect_crowd(&mut bench, CROWD);
    for link in &crowd {
        link.borrow_mut().incoming.clone_from(&input);
        bench.wake(link);
    }
    bench.turns(1);
    let answered = answered(&crowd);
    assert!(answered > 0);
    assert!(answered <= 80, "{answered} in one turn of the loop");
}

/// A crowd that has sent the beginning of a head, and waits.
fn begin_heads(bench: &mut Bench, count: usize) -> Vec<Shared> {
    let crowd: Vec<Shared> = (0..count)
        .map(|_| bench.connect(0, b"GET / HTTP/1.1\r\n", usize::MAX, None))
        .collect();
    bench.turns(2 * count);
    assert_eq!(bench.event_loop.connections(), count + 1);
    crowd
}

fn answered(crowd: &[Shared]) -> usize {
    let is_answered = |link: &&Shared| !link.borrow().outgoing.is_empty();
    crowd.iter().filter(is_answered).count()
}

#[test]
fn deadlines_that_pass_together_hold_nobody_else_up() {
    const CROWD: usize = 200;
    let mut bench = Bench::new();
    let crowd = begin_heads(&mut bench, CROWD);
    let timeout = bench.event_loop.services.timeouts.header;
    bench.sleep(timeout + Duration::from_secs(1));
    bench.outside.0.borrow_mut().call_takes = Duration::from_micros(100);
    let mut before = 0;
    while before < CROWD {
        // The poll sleeps until the deadlines only as long as nobody is ready.
        if before > 0 {
            bench.good.borrow_mut().incoming = GET.to_vec();
            bench.wake(&bench.good);
        }
        bench.turns(1);
        if before > 0 {
            bench.expect_good("200 OK");
        }
        // 2 ms of work, each with two calls at most.
        let handled = answered(&crowd) - before;
        assert!(handled <= 25, "{handled} in one turn of the loop");
        before += handled;
    }
    for link in &crowd {
        let answer = String::from_utf8_lossy(&link.borrow().outgoing).into_owned();
        assert_eq!(answer.matches("HTTP/1.1 408").count(), 1, "{answer}");
    }
}

#[test]
fn a_turn_whose_few_bytes_take_long_is_heavy() {
    let mut bench = Bench::new();
    let token = bench.good.borrow().token.unwrap();
    let states = [
        (1, 4, Weight::Light),
        (100, 1, Weight::Heavy),
        (1, 1, Weight::Unknown),
        (1, 3, Weight::Light),
    ];
    for (takes, asks, weight) in states {
        bench.outside.0.borrow_mut().call_takes = Duration::from_micros(takes);
        for _ in 0..asks {
            // As long as input has to be for its turn to be measured.
            let field = [
                b"GET / HTTP/1.1\r\nhost: a\r\nx: ",
                [b'x'; 600].as_slice(),
                b"\r\n\r\n",
            ];
            bench.good.borrow_mut().incoming = field.concat();
            bench.wake(&bench.good);
            bench.turns(2);
            bench.expect_good("200 OK");
        }
        let found = bench.event_loop.connections.weight(token);
        assert_eq!(found, weight, "{takes} µs");
    }
}

#[test]
fn no_more_is_read_while_whole_requests_wait() {
    let mut config = Config::default();
    config.http1.keep_alive_requests = u32::MAX;
    let mut bench = Bench::with(config, site::Config::default());
    bench.good.borrow_mut().incoming = GET.repeat(20_000);
    bench.wake(&bench.good);
    let token = bench.good.borrow().token.unwrap();
    let turn = bench.event_loop.services.limits.turn_read_bytes;
    while !bench.good.borrow().incoming.is_empty() {
        bench.turns(1);
        let connection = bench.event_loop.connections.value(token).unwrap();
        let held = connection.memory();
        // What one turn reads, and the connection itself.
        assert!(held < turn + (4 << 10), "{held} bytes are held");
    }
}
