//! Connections that grow old: their clients learn it, and lose nothing.

use super::*;
use crate::h2::frame::PREFACE;

/// Seconds of the oldest connection.
const AGE: u64 = 100;

fn bench() -> Bench {
    let mut config = Config::default();
    config.timeouts.connection_age = Duration::from_secs(AGE);
    // Nothing else ends a connection before.
    config.http1.keep_alive_timeout = Duration::from_secs(10 * AGE);
    config.timeouts.idle = Duration::from_secs(10 * AGE);
    Bench::with(config, site())
}

/// Lets time pass, with a turn for each second.
fn pass(bench: &mut Bench, seconds: u64) {
    for _ in 0..seconds {
        bench.sleep(Duration::from_secs(1));
        bench.turns(3);
    }
}

#[test]
fn over_http_1_1_the_next_response_announces_the_end() {
    let mut bench = bench();
    let good = bench.good.clone();
    let ask = |bench: &mut Bench| {
        good.borrow_mut().incoming.extend_from_slice(GET);
        bench.wake(&good);
        bench.turns(3);
        let answer = std::mem::take(&mut good.borrow_mut().outgoing);
        String::from_utf8(answer).unwrap()
    };
    // Younger than any chance could have it end.
    pass(&mut bench, AGE * 4 / 5 - 1);
    assert!(!ask(&mut bench).contains("connection: close"));
    pass(&mut bench, AGE / 5 + 2);
    assert!(!good.borrow().closed, "a request may be on its way");
    let last = ask(&mut bench);
    assert!(last.starts_with("HTTP/1.1 200 OK"), "{last}");
    assert!(last.contains("connection: close"), "{last}");
    pass(&mut bench, 3);
    assert!(good.borrow().closed);
}

/// Types and stream identifiers of frames, with the last stream of GOAWAY.
pub(super) fn frames(mut bytes: &[u8]) -> Vec<(u8, u32)> {
    let mut found = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<9>() {
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (payload, behind) = rest.split_at(len);
        let number = match head[3] {
            7 => u32::from_be_bytes(payload[..4].try_into().unwrap()),
            _ => u32::from_be_bytes(head[5..].try_into().unwrap()),
        };
        found.push((head[3], number));
        bytes = behind;
    }
    found
}

#[test]
fn over_http_2_goaway_comes_in_two_steps_behind_which_open_streams_end() {
    let mut bench = bench();
    let client = bench.connect(
        0,
        &[
            &PREFACE[..],
            b"\0\0\0\x04\0\0\0\0\0",
            b"\0\0\0\x04\x01\0\0\0\0",
        ]
        .concat(),
        usize::MAX,
        None,
    );
    bench.turns(3);
    client.borrow_mut().outgoing.clear();
    pass(&mut bench, AGE * 4 / 5 - 1);
    assert_eq!(client.borrow().outgoing, b"");
    // A deadline is told up to a slot of the wheel later.
    for _ in 0..AGE / 5 + 2 {
        if client.borrow().outgoing.is_empty() {
            pass(&mut bench, 1);
        }
    }
    let told = std::mem::take(&mut client.borrow_mut().outgoing);
    assert_eq!(frames(&told)[..2], [(7, 0x7fff_ffff), (6, 0)]);
    // A request that was on its way is answered, and then the connection ends.
    let request = h2_request();
    client
        .borrow_mut()
        .incoming
        .extend_from_slice(&request[PREFACE.len()..]);
    bench.wake(&client);
    pass(&mut bench, 20);
    let told = std::mem::take(&mut client.borrow_mut().outgoing);
    let told = frames(&told);
    assert!(told.contains(&(1, 1)) && told.contains(&(7, 1)), "{told:?}");
    let data = told.iter().filter(|frame| **frame == (0, 1)).count();
    assert!(data >= 64, "{data} frames of a file of 1 MiB");
    pass(&mut bench, 5);
    assert!(client.borrow().closed);
}
