//! Chunk-size lines that never end: each byte of one is consumed, and their client does not come again.

use super::*;

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A chunk and the beginning of a line, without its end. Every prefix may be all that comes.
const LINE: &[u8] = b"2\r\nhi\r\n00005 ; name=\"some text\";other\r";

/// A caller behind `len` bytes of the line, each of which came alone.
fn behind(len: usize) -> TestCaller {
    let mut caller = TestCaller::new();
    caller.receive(HEAD).unwrap();
    for byte in &LINE[..len] {
        caller.receive(&[*byte]).unwrap();
        assert!(caller.input.is_empty(), "no byte waits for others");
    }
    let silence = caller.step();
    assert_eq!(silence, Ok(false), "nothing happens without bytes");
    caller
}

#[test]
fn a_chunk_size_line_that_never_ends_and_whose_client_has_gone_is_an_incomplete_request() {
    for len in 0..=LINE.len() {
        let mut caller = behind(len);
        let left = caller.connection.finish_input();
        assert_eq!(left, Err(Error::Incomplete), "behind {len} bytes");
        assert!(caller.connection.wants_close());
        assert!(caller.sent().starts_with("HTTP/1.1 400 "));
        assert_eq!(caller.connection.next_deadline(), None);
    }
}

#[test]
fn a_chunk_size_line_that_never_ends_and_whose_client_is_silent_meets_a_deadline() {
    for len in 0..=LINE.len() {
        let mut caller = behind(len);
        let error = loop {
            if let (_, Err(error)) = caller.expire() {
                break error;
            }
        };
        assert_eq!(error, Error::BodyTimeout, "behind {len} bytes");
        assert!(caller.connection.wants_close());
        assert!(caller.sent().starts_with("HTTP/1.1 408 "));
    }
}

#[test]
fn a_chunk_size_line_that_goes_on_and_on_meets_its_limit() {
    let (mut caller, mut received) = (behind(LINE.len() - 1), 0);
    let error = loop {
        match caller.receive(&[b'x'; 100]) {
            Ok(()) => received += 100,
            Err(error) => break error,
        }
        assert!(caller.input.is_empty() && received < 1 << 20);
    };
    assert_eq!(error, Error::ChunkExtensions);
    assert!((15 << 10..=16 << 10).contains(&received), "{received}");
    assert!(caller.connection.wants_close());
}
