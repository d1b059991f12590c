//! The visible parts of a refused request, for a log. None of them is certain.

use crate::http::Fields;

/// Number of bytes that are looked at. A log keeps less of each value, and a refused head may have any
/// size.
const BYTES: usize = 4 << 10;

/// The longest text that is taken for a method. All methods in use are shorter.
const METHOD: usize = 32;

/// Fills `fields` with what a log shows of a request (method, path, authority, referrer, user agent),
/// as far as they are in the beginning of its head, and returns its version. A first line of another
/// form becomes the path unchanged.
pub fn glimpse(input: &[u8], fields: &mut Fields) -> &'static str {
    fields.clear();
    let head = input.get(..BYTES).unwrap_or(input);
    let mut lines = head
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .skip_while(|line| line.is_empty());
    let first = lines.next().unwrap_or_default();
    let version = request_line(first, fields);
    for line in lines.take_while(|line| !line.is_empty()) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let names = [
            ("host", ":authority"),
            ("referer", "referer"),
            ("user-agent", "user-agent"),
        ];
        let known = names
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        if let Some((_, field)) = known {
            fields.push(field.as_bytes(), value);
        }
    }
    version
}

fn request_line(line: &[u8], fields: &mut Fields) -> &'static str {
    let mut words = line.splitn(3, |byte| *byte == b' ');
    let method = words.next().unwrap_or_default();
    let is_method =
        !method.is_empty() && method.len() <= METHOD && method.iter().all(u8::is_ascii_graphic);
    match words.next().filter(|_| is_method) {
        Some(path) => {
            fields.push(b":method", method);
            fields.push(b":path", path);
        }
        None if line.is_empty() => {}
        None => fields.push(b":path", line),
    }
    match words.next().filter(|_| is_method) {
        Some(b"HTTP/1.0") => "HTTP/1.0",
        Some(b"HTTP/1.1") => "HTTP/1.1",
        Some(b"HTTP/2.0" | b"HTTP/2") => "HTTP/2.0",
        _ => "-",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(input: &[u8]) -> (Vec<String>, &'static str) {
        let mut fields = Fields::new();
        let version = glimpse(input, &mut fields);
        (
            fields.iter().map(|field| format!("{field:?}")).collect(),
            version,
        )
    }

    #[test]
    fn what_a_head_tells_is_found_whatever_is_wrong_with_it() {
        let (fields, version) = seen(
            b"\r\nGET /a b HTTP/1.1\r\nHost: h\nbad line\r\nUSER-AGENT:  x \r\nX: y\r\n\r\nReferer: no",
        );
        // The path ends where the first blank is; so the rest is no version.
        assert_eq!(
            fields,
            [
                ":method: GET",
                ":path: /a",
                ":authority: h",
                "user-agent: x"
            ]
        );
        assert_eq!(version, "-");
        assert_eq!(seen(b"POST / HTTP/1.0\r\n").1, "HTTP/1.0");
    }

    #[test]
    fn what_is_no_request_is_shown_as_it_is() {
        assert_eq!(seen(b""), (vec![], "-"));
        assert_eq!(seen(b"GET"), (vec![":path: GET".into()], "-"));
        assert_eq!(
            seen(b"\x16\x03\x01 \x02 x").0,
            [":path: \\x16\\x03\\x01 \\x02 x"]
        );
        let long = vec![b'a'; 100_000];
        assert_eq!(seen(&long).0, [format!(":path: {}", "a".repeat(BYTES))]);
    }
}
