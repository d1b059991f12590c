//! Chunk-size lines that never end: each byte of one is consumed, and their server does not come again.

use super::*;
use crate::h1::Error;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A chunk and the beginning of a line, without its end. Every prefix may be all that comes.
const LINE: &[u8] = b"2\r\nhi\r\n00005 ; name=\"some text\";other\r";

/// An asker behind `len` bytes of the line, each of which came alone.
fn behind(len: usize) -> Asker {
    let mut asker = Asker::asking("GET");
    asker.receive(HEAD).unwrap();
    for byte in &LINE[..len] {
        asker.receive(&[*byte]).unwrap();
        assert!(asker.input.is_empty(), "no byte waits for others");
    }
    let events = asker.events();
    asker.receive(b"").unwrap();
    assert!(
        asker.events().is_empty() && asker.sent().is_empty(),
        "nothing happens without bytes"
    );
    asker.events = events;
    asker
}

#[test]
fn a_chunk_size_line_that_never_ends_and_whose_server_has_gone_is_an_incomplete_response() {
    for len in 0..=LINE.len() {
        let mut asker = behind(len);
        let left = asker.finish();
        assert_eq!(left, Err(ResponseError::Incomplete), "behind {len} bytes");
        assert!(asker.connection.wants_close());
        assert_eq!(asker.connection.next_deadline(), None);
    }
}

#[test]
fn a_chunk_size_line_that_never_ends_and_whose_server_is_silent_meets_a_deadline() {
    for len in 0..=LINE.len() {
        let (_, result) = behind(len).expire();
        assert_eq!(
            result,
            Err(ResponseError::ContentTimeout),
            "behind {len} bytes"
        );
    }
}

#[test]
fn a_chunk_size_line_that_goes_on_and_on_meets_its_limit() {
    let (mut asker, mut received) = (behind(LINE.len() - 1), 0);
    let error = loop {
        match asker.receive(&[b'x'; 100]) {
            Ok(()) => received += 100,
            Err(error) => break error,
        }
        assert!(asker.input.is_empty() && received < 1 << 20);
    };
    assert_eq!(error, Error::ChunkExtensions.into());
    assert!((3 << 10..=4 << 10).contains(&received), "{received}");
}
