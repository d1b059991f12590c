//! Limits hold exactly at their edges.

use super::*;
use crate::h1::Error;

const OK: &str = "HTTP/1.1 200 OK\r\n";

fn result(response: &str) -> Result<(), ResponseError> {
    Asker::asking("GET").receive(response.as_bytes())
}

#[test]
fn a_head_may_have_32_kib() {
    let response = |length: usize| {
        let value = "y".repeat(length - OK.len() - "X: \r\n\r\n".len());
        format!("{OK}X: {value}\r\n\r\n")
    };
    assert_eq!(result(&response(32 << 10)), Ok(()));
    let error = Err(Error::HeadTooLarge.into());
    assert_eq!(result(&response((32 << 10) + 1)), error);
    let endless = "y".repeat(40 << 10);
    assert_eq!(result(&format!("HTTP/1.1 200 {endless}")), error);
}

#[test]
fn a_head_may_have_100_fields_whatever_they_are() {
    for line in ["X: y\r\n", "Cookie: a\r\n", "Set-Cookie: a\r\n"] {
        let response = |count: usize| format!("{OK}{}\r\n", line.repeat(count));
        assert_eq!(result(&response(100)), Ok(()));
        let error = Err(Error::TooManyFields.into());
        assert_eq!(result(&response(101)), error);
    }
    let mut asker = Asker::with(|config| config.head_fields = 1_000);
    asker.ask("GET", &[], BodyLength::None).unwrap();
    let response = format!("{OK}{}\r\n", "X: y\r\n".repeat(129));
    let error = Err(Error::TooManyFields.into());
    assert_eq!(asker.receive(response.as_bytes()), error);
}

#[test]
fn connection_may_name_128_options() {
    let response = |count: usize| format!("{OK}Connection: {}\r\n\r\n", ",".repeat(count - 1));
    assert_eq!(result(&response(128)), Ok(()));
    assert_eq!(result(&response(129)), Err(Error::TooManyFields.into()));
}

#[test]
fn there_may_be_32_informational_responses() {
    let response = |count: usize| {
        let hints = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(count);
        format!("{hints}HTTP/1.1 204 No Content\r\n\r\n")
    };
    assert_eq!(result(&response(32)), Ok(()));
    assert_eq!(
        result(&response(33)),
        Err(ResponseError::TooManyInformational)
    );
    // They are counted for each request.
    let mut asker = Asker::new();
    for _ in 0..3 {
        asker.ask("GET", &[], BodyLength::None).unwrap();
        asker.receive(response(32).as_bytes()).unwrap();
    }
}

#[test]
fn the_extensions_and_trailers_of_a_body_are_bounded() {
    let body = |rest: &str| format!("{OK}Transfer-Encoding: chunked\r\n\r\n{rest}");
    let extension = |length: usize| format!("1;{}\r\na\r\n0\r\n\r\n", "e".repeat(length - 1));
    assert_eq!(result(&body(&extension(4 << 10))), Ok(()));
    let error = Err(Error::ChunkExtensions.into());
    assert_eq!(result(&body(&extension((4 << 10) + 1))), error);
    let trailers = |count: usize| format!("0\r\n{}\r\n", "X: y\r\n".repeat(count));
    assert_eq!(result(&body(&trailers(100))), Ok(()));
    let error = Err(Error::TooManyFields.into());
    assert_eq!(result(&body(&trailers(101))), error);
}
