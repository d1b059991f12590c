//! Requests for files whose names only a disk has: the helper opens them, and everybody else is served meanwhile.

use super::*;

/// Time in which the helper looks a name up.
const LOOK_UP: Duration = Duration::from_millis(20);

/// A bench where the helper has looked up all that `/` takes.
fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.files.slow_names(LOOK_UP);
    bench.good.borrow_mut().incoming = GET.to_vec();
    bench.wake(&bench.good);
    let good = bench.good.clone();
    // The index, and three sidecars at once.
    assert_eq!(rounds(&mut bench, &good), 2);
    let waits = bench.event_loop.services.disk_waits;
    assert_eq!((waits.named, waits.helped, waits.retried), (2, 0, 0));
    bench.expect_good("hello");
    bench
}

/// Number of tasks of the helper until a connection is answered.
fn rounds(bench: &mut Bench, link: &Shared) -> usize {
    let mut rounds = 0;
    bench.turns(3);
    while link.borrow().outgoing.is_empty() {
        rounds += 1;
        assert!(rounds < 50, "it is never answered");
        pass(bench, LOOK_UP);
    }
    rounds
}

fn pass(bench: &mut Bench, time: Duration) {
    bench.files.advance(time);
    bench.sleep(time);
    bench.turns(3);
}

fn expect_good_at_once(bench: &mut Bench) {
    bench.good.borrow_mut().incoming = GET.to_vec();
    bench.wake(&bench.good);
    bench.turns(2);
    bench.expect_good("hello");
}

#[test]
fn a_request_waits_for_its_names_in_both_protocols_and_others_do_not() {
    let get = b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n";
    for request in [&get[..], &h2_request()] {
        let mut bench = bench();
        let link = bench.connect(0, request, usize::MAX, None);
        bench.turns(3);
        // SETTINGS and the like are no answer.
        link.borrow_mut().outgoing.clear();
        expect_good_at_once(&mut bench);
        assert_eq!(rounds(&mut bench, &link), 2);
        bench.turns(20);
        assert!(link.borrow().outgoing.len() > 1 << 20);
        // Now its names are in memory.
        let again = bench.connect(0, get, usize::MAX, None);
        assert_eq!(rounds(&mut bench, &again), 0);
    }
}

#[test]
fn a_name_that_is_not_there_is_looked_up_once_with_the_page_that_tells_so() {
    let mut bench = bench();
    let opens = bench.files.counts().opens;
    for expected in [2, 0] {
        let link = bench.connect(0, b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n", usize::MAX, None);
        assert_eq!(rounds(&mut bench, &link), expected);
        assert!(link.borrow().outgoing.starts_with(b"HTTP/1.1 404 "));
        if expected > 0 {
            // The error is the helper's.
            assert_eq!(bench.files.counts().opens, opens);
        }
    }
}

#[test]
fn a_file_that_the_helper_has_opened_is_not_opened_again() {
    let mut bench = bench();
    let get = b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n";
    let opens = bench.files.counts().opens;
    // One that comes without a descriptor is opened each time that its request is asked for: once before its three
    // sidecars are waited for, and once more with them.
    for (loses, expected) in [(false, 0), (true, 1 + 4)] {
        bench.files.slow_names(LOOK_UP);
        bench.files.write("large", vec![b'x'; 300_000]);
        bench.files.advance(Duration::from_secs(10));
        if loses {
            bench.files.lose_opened();
        }
        let before = bench.files.counts().opens;
        let link = bench.connect(0, get, usize::MAX, None);
        rounds(&mut bench, &link);
        bench.turns(20);
        assert!(link.borrow().outgoing.len() > 300_000);
        assert_eq!(bench.files.counts().opens - before, expected, "{loses}");
    }
    assert!(bench.files.counts().opens > opens);
}

#[test]
fn an_error_that_the_helper_has_met_is_that_of_the_response() {
    let mut bench = bench();
    let opens = bench.files.counts().opens;
    for (errno, status) in [(13, "403"), (5, "500"), (24, "503")] {
        bench.files.slow_names(LOOK_UP);
        bench.files.fail_open("large", Some(errno));
        let get = b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n";
        let link = bench.connect(0, get, usize::MAX, None);
        rounds(&mut bench, &link);
        let answer = String::from_utf8_lossy(&link.borrow().outgoing).into_owned();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    assert_eq!(bench.files.counts().opens, opens);
}

#[test]
fn content_of_a_request_that_waits_is_kept_for_its_answer() {
    let mut bench = bench();
    let post = b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nmore";
    let get = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let link = bench.connect(0, &[&post[..], get].concat(), usize::MAX, None);
    assert_eq!(rounds(&mut bench, &link), 2);
    bench.turns(5);
    let answers = String::from_utf8(link.borrow().outgoing.clone()).unwrap();
    assert!(answers.starts_with("HTTP/1.1 404 ") && answers.ends_with("hello"));
}

#[test]
fn a_connection_that_ends_while_it_waits_leaves_nothing() {
    let mut bench = bench();
    for request in [
        &b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n"[..],
        &h2_request(),
    ] {
        let link = bench.connect(0, request, usize::MAX, Some(SocketCall::Read));
        link.borrow_mut().panics_at = None;
        bench.turns(3);
        link.borrow_mut().ended = true;
        bench.wake(&link);
        for _ in 0..10 {
            pass(&mut bench, LOOK_UP);
        }
        assert!(link.borrow().closed);
        assert_eq!(bench.event_loop.connections(), 1);
    }
    expect_good_at_once(&mut bench);
}

#[test]
fn a_helper_that_has_enough_to_do_is_not_waited_for() {
    let mut bench = bench();
    let links: Vec<_> = (0..20)
        .map(|at| {
            let request = format!("GET /none{at} HTTP/1.1\r\nhost: a\r\n\r\n");
            bench.connect(0, request.as_bytes(), usize::MAX, None)
        })
        .collect();
    bench.turns(25);
    let answered = |links: &[Shared]| {
        let is_answered = |link: &&Shared| !link.borrow().outgoing.is_empty();
        links.iter().filter(is_answered).count()
    };
    assert_eq!(answered(&links), 12, "it takes eight tasks");
    for _ in 0..10 {
        pass(&mut bench, LOOK_UP);
    }
    assert_eq!(answered(&links), 20);
}

#[test]
fn a_wait_that_has_no_end_is_answered_504() {
    let mut bench = bench();
    bench.files.slow_names(Duration::from_secs(3600));
    let get = b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n";
    let link = bench.connect(0, get, usize::MAX, None);
    bench.turns(3);
    assert!(link.borrow().outgoing.is_empty());
    pass(&mut bench, Config::default().timeouts.handler);
    pass(&mut bench, Duration::from_secs(1));
    assert!(link.borrow().outgoing.starts_with(b"HTTP/1.1 504 "));
}
