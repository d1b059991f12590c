//! Fields as a person writes them: `NAME: VALUE`.
//!
//! An error is a sentence that says what is wrong and what would be right, for a caller that has named the
//! option.

use super::grammar::is_token;

/// Reads `NAME: VALUE`. The name is lowercase then, as HTTP/2 sends it; the value has no blanks around it.
pub fn parse_field(text: &str) -> Result<(String, String), &'static str> {
    let line = text.split_once(':');
    let (name, value) = line.ok_or("there is no colon; write it as 'Name: value'")?;
    let value = value.trim_matches([' ', '\t']);
    Ok((check_field(name, value)?, value.to_owned()))
}

/// The lowercase name of a field that may be sent (RFC 9110 §5.1, §5.5).
pub fn check_field(name: &str, value: &str) -> Result<String, &'static str> {
    if !is_token(name.as_bytes()) {
        return Err("a name is letters, digits and hyphens, such as 'X-Frame-Options: DENY'");
    }
    let is_control = |byte: u8| byte.is_ascii_control() && byte != b'\t';
    if value.bytes().any(is_control) {
        return Err("its value holds a control character; leave it out");
    }
    Ok(name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_from_the_form_that_people_write() {
        let read = |text: &str| parse_field(text).unwrap();
        assert_eq!(read("X-A:\t a\tb "), ("x-a".into(), "a\tb".into()));
        assert_eq!(read("x-empty:"), ("x-empty".into(), String::new()));
        assert_eq!(read("x: a:b"), ("x".into(), "a:b".into()));
        for (text, said) in [
            ("x", "no colon"),
            (": a", "a name is"),
            ("a : b", "a name is"),
            (":path: /", "a name is"),
            ("a: b\r\nc: d", "control character"),
            ("a: \x7f", "control character"),
        ] {
            let error = parse_field(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
