//! Digests of uploads (RFC 9530): those that a request promises, and those that it asks for.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::exchange::Problem;
use crate::http::Fields;

/// The one algorithm: RFC 9530 has it and SHA-512 as active ones, and clients that offer SHA-512 offer it too.
const ALGORITHM: &str = "sha-256";

/// A digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UploadDigest([u8; 32]);

/// A digest that is being computed.
#[derive(Clone, Debug, Default)]
pub(super) struct DigestState(Sha256);

impl DigestState {
    /// Takes bytes.
    pub(super) fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The digest of all bytes.
    pub(super) fn finish(self) -> UploadDigest {
        UploadDigest(self.0.finalize().into())
    }
}

impl UploadDigest {
    /// The digest in hexadecimal, as `sha256sum` shows it.
    pub(super) fn hexadecimal(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string never fails.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The value of a field with this digest.
    pub(super) fn field(&self) -> String {
        format!("{ALGORITHM}=:{}:", STANDARD.encode(self.0))
    }
}

/// Digests that a request's content has by its fields. Without a coding of its content, both fields are about
/// its bytes as they come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Promised(Vec<(&'static str, UploadDigest)>);

impl Promised {
    /// The digests of a request's fields. Other algorithms are passed over (RFC 9530 §2).
    pub(super) fn of(fields: &Fields) -> Result<Self, Problem> {
        let mut promised = Vec::new();
        for name in ["content-digest", "repr-digest"] {
            for field in fields.iter().filter(|field| field.name == name.as_bytes()) {
                for value in values(field.value) {
                    let digest = parse(value).ok_or_else(|| {
                        let detail = "write sha-256=:BASE64:, of 32 bytes";
                        Problem::new(400, detail).with("field", name)
                    })?;
                    promised.push((name, digest));
                }
            }
        }
        Ok(Promised(promised))
    }

    /// True if there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks the digest of the content that has come.
    pub(super) fn check(&self, digest: UploadDigest) -> Result<(), Problem> {
        match self.0.iter().find(|(_, promised)| *promised != digest) {
            None => Ok(()),
            Some((name, promised)) => {
                let detail = "the content is another than its digest says; nothing is stored";
                Err(Problem::new(400, detail)
                    .with("field", *name)
                    .with("promised", promised.field())
                    .with("received", digest.field()))
            }
        }
    }
}

/// True if a request asks for the digest of a file.
pub(super) fn is_wanted(fields: &Fields) -> bool {
    let asking = fields
        .iter()
        .filter(|field| matches!(field.name, b"want-repr-digest" | b"want-content-digest"));
    asking.flat_map(|field| values(field.value)).any(|value| {
        // A preference of 0 is a refusal (RFC 9530 §4).
        value.trim() != "0"
    })
}

/// The values of the algorithm in a dictionary (RFC 8941 §3.2), without their parameters.
fn values(field: &[u8]) -> impl Iterator<Item = &str> {
    let text = std::str::from_utf8(field).unwrap_or_default();
    text.split(',').filter_map(|member| {
        let (name, value) = member.split_once('=')?;
        (name.trim() == ALGORITHM).then(|| value.split(';').next().unwrap_or(value))
    })
}

/// The digest of a byte sequence between colons.
fn parse(value: &str) -> Option<UploadDigest> {
    let text = value.trim().strip_prefix(':')?.strip_suffix(':')?;
    let bytes = STANDARD.decode(text).ok()?;
    Some(UploadDigest(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digest of `hello`.
    const HELLO: &str = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";

    fn fields(lines: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in lines {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        fields
    }

    fn hello() -> UploadDigest {
        let mut state = DigestState::default();
        state.update(b"hel");
        state.update(b"lo");
        state.finish()
    }

    #[test]
    fn a_digest_is_shown_in_two_forms() {
        assert_eq!(hello().field(), HELLO);
        let hexadecimal = hello().hexadecimal();
        assert!(hexadecimal.starts_with("2cf24dba5f") && hexadecimal.len() == 64);
    }

    #[test]
    fn promised_digests_are_compared_and_other_algorithms_passed_over() {
        let both = format!("unixsum=5, {HELLO};a=1");
        let promised = Promised::of(&fields(&[
            ("repr-digest", &both),
            ("content-digest", HELLO),
        ]));
        let promised = promised.unwrap();
        assert_eq!(promised.0.len(), 2);
        assert!(promised.check(hello()).is_ok());
        let other = promised.check(DigestState::default().finish()).unwrap_err();
        assert_eq!(other.status(), 400);
        let none = Promised::of(&fields(&[("repr-digest", "sha-512=:AA==:")])).unwrap();
        assert!(none.is_empty() && none.check(hello()).is_ok());
    }

    #[test]
    fn a_digest_that_cannot_be_read_is_refused() {
        for value in ["sha-256=:AA==:", "sha-256=LPJN", "sha-256=:*:", "sha-256=:"] {
            let error = Promised::of(&fields(&[("repr-digest", value)])).unwrap_err();
            assert_eq!(error.status(), 400, "{value}");
        }
    }

    #[test]
    fn a_digest_is_wanted_unless_its_preference_is_nothing() {
        for (value, wanted) in [
            ("sha-256=10", true),
            ("sha-512=3, sha-256=1", true),
            ("sha-256=0", false),
            ("sha-512=10", false),
            ("", false),
        ] {
            let fields = fields(&[("want-repr-digest", value)]);
            assert_eq!(is_wanted(&fields), wanted, "{value}");
        }
    }
}
