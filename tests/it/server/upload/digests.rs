//! Digests of uploads (RFC 9530).

use super::{names, send, server};

/// The digest of `hello`.
const HELLO: &str = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";

#[test]
fn a_file_is_stored_if_its_content_has_the_digest_that_was_sent() {
    let (server, directory) = server(&[]);
    for field in ["Repr-Digest", "Content-Digest"] {
        let head = format!("PUT /in/a HTTP/1.1\r\n{field}: {HELLO}");
        let answer = send(&server, &head, b"hallo");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(
            answer.contains("application/problem+json") && answer.contains(HELLO),
            "{answer}"
        );
        assert!(names(&directory).is_empty());
        let answer = send(&server, &head, b"hello");
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
        std::fs::remove_file(directory.join("a")).unwrap();
    }
    let answer = send(&server, "PUT /in/a HTTP/1.1\r\nRepr-Digest: sha-256=5", b"");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let answer = send(&server, "PUT /in/a HTTP/1.1\r\nContent-Encoding: gzip", b"");
    assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
}

#[test]
fn the_digest_of_a_form_is_that_of_all_of_it() {
    let (server, directory) = server(&[]);
    let form =
        "--b\r\nContent-Disposition: form-data; name=f; filename=x\r\n\r\nhello\r\n--b--\r\n";
    let head = "POST /in/ HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b";
    let wrong = format!("{head}\r\nContent-Digest: {HELLO}");
    let answer = send(&server, &wrong, form.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(names(&directory).is_empty());
    let right = "sha-256=:q11/4QT9gJhxAJlqd11X8VlMpbeYIGQgoUBt+nfpZxw=:";
    let answer = send(
        &server,
        &format!("{head}\r\nContent-Digest: {right}"),
        form.as_bytes(),
    );
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(names(&directory), ["x"]);
}

#[test]
fn a_digest_that_is_wanted_is_told_with_the_file() {
    let (server, _directory) = server(&[]);
    let wanted = "Want-Repr-Digest: sha-256=10";
    let answer = send(
        &server,
        &format!("PUT /in/a HTTP/1.1\r\n{wanted}"),
        b"hello",
    );
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert!(
        answer.contains("\"sha-256\": \"2cf24dba5fb0a30e"),
        "{answer}"
    );
    let answer = send(
        &server,
        &format!("PUT /in/a HTTP/1.1\r\n{wanted}"),
        b"hello",
    );
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    assert!(
        answer.contains(&format!("repr-digest: {HELLO}")),
        "{answer}"
    );
    for (head, told) in [
        (format!("GET /in/a HTTP/1.1\r\n{wanted}"), true),
        (format!("HEAD /in/a HTTP/1.1\r\n{wanted}"), true),
        (
            format!("GET /in/a HTTP/1.1\r\nRange: bytes=1-2\r\n{wanted}"),
            true,
        ),
        ("GET /in/a HTTP/1.1".to_owned(), false),
    ] {
        let answer = server.request(&head);
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
        assert_eq!(
            answer.contains(&format!("repr-digest: {HELLO}")),
            told,
            "{head}"
        );
    }
}
