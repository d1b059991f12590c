//! Secrets in fields: they are left out of everything that shows a message to somebody.

use super::field::Field;
use super::text::printable;

/// Fields whose values are credentials.
const SECRET_FIELDS: [&[u8]; 9] = [
    b"authorization",
    b"cookie",
    b"proxy-authorization",
    b"set-cookie",
    b"x-amz-security-token",
    b"x-api-key",
    b"x-auth-token",
    b"x-csrf-token",
    b"x-xsrf-token",
];

/// Fields whose values are references, with parameters in their queries.
const REFERENCES: [&[u8]; 5] = [
    b":path",
    b"content-location",
    b"location",
    b"referer",
    b"refresh",
];

/// Parts of names of parameters whose values are credentials.
const SECRET_PARTS: [&str; 11] = [
    "api-key",
    "api_key",
    "apikey",
    "auth",
    "credential",
    "jwt",
    "passw",
    "secret",
    "session",
    "signature",
    "token",
];

/// Whole names of parameters whose values are credentials: as parts of longer names they are no secret.
const SECRET_NAMES: [&str; 8] = ["code", "key", "otp", "pass", "pin", "pwd", "sid", "sig"];

/// The characters that end a parameter, or begin the first one.
const SEPARATORS: [char; 4] = ['?', '&', ';', '#'];

/// True if the value of a field of this name is a credential. The name is in lower case.
pub(crate) fn is_credential(name: &[u8]) -> bool {
    SECRET_FIELDS.contains(&name)
}

/// A field's value as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShownValue {
    /// Its text, with parameters of references left out that are credentials.
    Text(String),
    /// It is a credential of so many bytes.
    Secret(usize),
}

impl ShownValue {
    /// The value of a field, whose name is in lower case.
    pub fn of(field: Field<'_>) -> ShownValue {
        if is_credential(field.name) {
            return ShownValue::Secret(field.value.len());
        }
        let text = printable(field.value);
        if REFERENCES.contains(&field.name) {
            return ShownValue::Text(without_secrets(&text));
        }
        ShownValue::Text(text)
    }

    /// The text, or what stands for it.
    pub fn into_text(self) -> String {
        match self {
            ShownValue::Text(text) => text,
            ShownValue::Secret(len) => format!("({len} bytes, not shown)"),
        }
    }
}

/// A reference without the values of parameters that are credentials.
fn without_secrets(reference: &str) -> String {
    let Some(start) = reference.find(SEPARATORS) else {
        return reference.to_owned();
    };
    let (path, mut rest) = reference.split_at(start);
    let mut shown = path.to_owned();
    while let Some((separator, behind)) = rest.split_at_checked(1) {
        let end = behind.find(SEPARATORS).unwrap_or(behind.len());
        let (parameter, next) = behind.split_at(end);
        shown.push_str(separator);
        match parameter.split_once('=') {
            Some((name, value)) if !value.is_empty() && is_secret(name) => {
                shown.push_str(name);
                shown.push_str("=(not shown)");
            }
            _ => shown.push_str(parameter),
        }
        rest = next;
    }
    shown
}

/// True if a parameter of this name is a credential.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.contains(&name.as_str()) || SECRET_PARTS.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str, value: &str) -> String {
        ShownValue::of(Field::new(name.as_bytes(), value.as_bytes())).into_text()
    }

    #[test]
    fn credentials_are_not_shown_but_their_length_is() {
        for name in [
            "authorization",
            "cookie",
            "set-cookie",
            "proxy-authorization",
        ] {
            assert_eq!(shown(name, "s3cret"), "(6 bytes, not shown)", "{name}");
        }
        assert_eq!(shown("user-agent", "s3cret"), "s3cret");
    }

    #[test]
    fn parameters_that_are_credentials_are_left_out_of_references() {
        for (value, expected) in [
            ("/", "/"),
            ("/a=b/token=c", "/a=b/token=c"),
            ("/a?token=abc", "/a?token=(not shown)"),
            (
                "/a?x=1&Access_Token=abc&y=2",
                "/a?x=1&Access_Token=(not shown)&y=2",
            ),
            (
                "/a?key=abc#id_token=x",
                "/a?key=(not shown)#id_token=(not shown)",
            ),
            (
                "/a?X-Amz-Signature=f00;monkey=1",
                "/a?X-Amz-Signature=(not shown);monkey=1",
            ),
            ("/a?token=", "/a?token="),
            ("/a?token", "/a?token"),
            ("/ä?ö=token", "/ä?ö=token"),
        ] {
            assert_eq!(shown(":path", value), expected);
        }
        let location = shown("location", "https://a.example/back?code=4711&state=up");
        assert_eq!(location, "https://a.example/back?code=(not shown)&state=up");
    }
}
