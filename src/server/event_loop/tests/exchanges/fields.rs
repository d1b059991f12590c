//! Fields of handlers: both versions send the same ones, and none that breaks out of its line.

use super::*;

/// The fields of the head that the HTTP/2 client hears, but for `date`, and all errors.
fn heads(both: &mut Both) -> Vec<String> {
    let bytes = std::mem::take(&mut both.h2.borrow_mut().outgoing);
    let (mut input, mut fields, mut seen) = (bytes.as_slice(), Fields::new(), Vec::new());
    let now = both.bench.event_loop.services.now;
    while let Some(event) = both.client.receive(&mut input, &mut fields, now).unwrap() {
        match event {
            Event::Response { fields, .. }
            | Event::Trailers { fields, .. }
            | Event::Informational { fields, .. } => {
                let lines = fields.iter().map(|field| format!("{field:?}"));
                seen.extend(lines.filter(|line| !line.starts_with("date: ")));
            }
            Event::StreamError { error, .. } => seen.push(error.to_string()),
            Event::StreamReset { code, .. } => seen.push(code.to_string()),
            _ => {}
        }
    }
    seen
}

/// The lines of the head that an HTTP/1.1 client hears, but for those that HTTP/2 has no place for.
fn lines(link: &Shared) -> Vec<String> {
    let text = heard(link);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let own = [
        "date: ",
        "connection: ",
        "keep-alive: ",
        "transfer-encoding: ",
    ];
    let lines = head
        .lines()
        .filter(|line| !own.iter().any(|it| line.starts_with(it)));
    lines.map(str::to_owned).collect()
}

#[test]
fn both_versions_send_the_same_fields_of_a_handler() {
    for (method, path, length) in [
        ("GET", "/x/odd", Some("content-length: 4")),
        ("HEAD", "/x/odd", Some("content-length: 4")),
        ("GET", "/x/odd/open", None),
        ("HEAD", "/x/odd/open", Some("content-length: 99")),
        ("GET", "/x/odd/response", Some("content-length: 4")),
        ("HEAD", "/x/odd/response", Some("content-length: 4")),
    ] {
        let mut both = Both::new();
        both.open(method, path, true);
        let mut expected = vec![":status: 200", "x-capital: blank", "x-split: 1"];
        expected.extend(length);
        let mut of_h2 = heads(&mut both);
        let is_own = |line: &String| line.starts_with("server: ");
        of_h2.retain(|line| !is_own(line));
        of_h2.sort();
        expected.sort();
        assert_eq!(of_h2, expected, "{method} {path}");
        let h1 = both.h1(&format!("{method} {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
        let mut of_h1 = lines(&h1);
        assert_eq!(of_h1.remove(0), "HTTP/1.1 200 OK");
        of_h1.retain(|line| !is_own(line));
        of_h1.push(":status: 200".into());
        of_h1.sort();
        assert_eq!(of_h1, expected, "{method} {path}");
    }
}

#[test]
fn a_field_that_would_break_out_of_its_line_is_a_500_in_both_versions() {
    for path in ["/x/odd/split", "/x/odd/split/response"] {
        let mut both = Both::new();
        both.open("GET", path, true);
        assert!(both.hear().starts_with("500 page"));
        let h1 = both.get(path);
        let text = heard(&h1);
        assert!(text.starts_with("HTTP/1.1 500 "), "{text}");
        assert!(!text.contains("evil"), "{text}");
    }
}

#[test]
fn trailers_are_filtered_and_a_bad_one_cuts_the_response_off_in_both_versions() {
    let mut both = Both::new();
    both.open("GET", "/x/more-trailers", true);
    let fields = heads(&mut both);
    assert_eq!(fields.last().unwrap(), "x-sum: 7", "{fields:?}");
    assert!(!fields.contains(&"host: a".into()), "{fields:?}");
    let h1 = heard(&both.get("/x/more-trailers"));
    assert!(h1.ends_with("\r\n0\r\nx-sum: 7\r\n\r\n"), "{h1}");
    both.open("GET", "/x/cut-trailers", true);
    let fields = heads(&mut both);
    assert_eq!(
        fields.last().unwrap(),
        &ErrorCode::INTERNAL_ERROR.to_string()
    );
    let h1 = heard(&both.get("/x/cut-trailers"));
    assert!(!h1.contains("\r\n0\r\n"), "{h1}");
}
