//! Two times that are up at once: neither takes away what the other has to say.

use super::age::frames;
use super::*;
use crate::h2::frame::PREFACE;
use crate::world::Signal;

/// GOAWAY that announces the end, and GOAWAY with the last stream, of which there is none.
const ANNOUNCED: (u8, u32) = (7, 0x7fff_ffff);
const LEFT: (u8, u32) = (7, 0);

/// Preface and SETTINGS, in which nothing is asked for.
fn opening() -> Vec<u8> {
    [
        &PREFACE[..],
        b"\0\0\0\x04\0\0\0\0\0",
        b"\0\0\0\x04\x01\0\0\0\0",
    ]
    .concat()
}

fn stop(bench: &Bench) {
    let mut outside = bench.outside.0.borrow_mut();
    outside.ready.push(Ready::Signal(Signal::Stop));
}

/// The frames that a connection was sent since the last look.
fn told(link: &Shared) -> Vec<(u8, u32)> {
    frames(&std::mem::take(&mut link.borrow_mut().outgoing))
}

#[test]
fn the_end_of_a_wait_for_a_first_request_is_told_at_once_though_idle_memory_is_due_as_well() {
    let mut bench = Bench::new();
    let client = bench.connect(0, b"", usize::MAX, None);
    bench.turns(3);
    // The preface comes in the very moment of the order: its time for a first request and its first second
    // without one end at once.
    stop(&bench);
    bench.turns(2);
    client.borrow_mut().incoming.extend(opening());
    bench.wake(&client);
    bench.turns(3);
    let first = told(&client);
    assert!(!first.contains(&ANNOUNCED), "{first:?}");
    // Each poll sleeps until the next deadline of anybody, and deadlines have ticks.
    bench.sleep(Duration::from_millis(1100));
    bench.turns(20);
    assert_eq!(told(&client).first(), Some(&ANNOUNCED));
    bench.sleep(Duration::from_millis(1100));
    bench.turns(20);
    assert!(told(&client).contains(&LEFT));
    // It lingers, and then it is gone.
    client.borrow_mut().ended = true;
    bench.wake(&client);
    bench.turns(3);
    assert!(client.borrow().closed);
}

#[test]
fn a_second_reason_to_leave_does_not_hasten_the_second_goaway() {
    let mut config = Config::default();
    config.timeouts.connection_age = Duration::from_secs(10);
    let mut bench = Bench::with(config, site());
    let client = bench.connect(0, &opening(), usize::MAX, None);
    bench.turns(3);
    told(&client);
    let mut heard = Vec::new();
    for _ in 0..120 {
        if heard.is_empty() {
            bench.sleep(Duration::from_millis(100));
            bench.turns(2);
            heard = told(&client);
        }
    }
    assert_eq!(heard.first(), Some(&ANNOUNCED), "it has grown old");
    stop(&bench);
    bench.turns(3);
    assert_eq!(told(&client), [], "a request may be on its way");
    let request = h2_request();
    client
        .borrow_mut()
        .incoming
        .extend_from_slice(&request[PREFACE.len()..]);
    bench.wake(&client);
    bench.turns(60);
    let heard = told(&client);
    assert!(heard.contains(&(1, 1)), "it is answered: {heard:?}");
}
