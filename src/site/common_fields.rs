//! The fields that every response carries: those of `--header`, and `nosniff`.

use std::rc::Rc;

use super::error::SiteError;
use crate::http::{Field, Fields, check_field, parse_field};

/// Fields that calmd computes itself, or that frame a message. The option `--header` refuses them.
const RESERVED: [&str; 17] = [
    "accept-ranges",
    "allow",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "etag",
    "keep-alive",
    "last-modified",
    "location",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The fields that every response carries.
#[derive(Debug, PartialEq)]
pub(crate) struct CommonFields {
    extra: Fields,
    /// `Strict-Transport-Security`. No response in the clear may carry it (RFC 6797 §7.2), so the code
    /// that sends responses adds it over TLS. It is one field, because browsers heed the first only
    /// (§8.1).
    secure: Fields,
}

/// The field that is only sent over TLS.
const SECURE: &[u8] = b"strict-transport-security";

impl CommonFields {
    /// The fields of the configuration, after a check of each.
    pub(crate) fn new(headers: &[(String, String)]) -> Result<Self, SiteError> {
        let (mut extra, mut secure) = (Fields::new(), Fields::new());
        for (name, value) in headers {
            let name = check(name, value)?;
            let is_secure = name.as_bytes() == SECURE;
            if !is_secure {
                extra.push(name.as_bytes(), value.as_bytes());
            } else if secure.is_empty() {
                secure.push(SECURE, value.as_bytes());
            }
        }
        Ok(CommonFields { extra, secure })
    }

    /// The field that belongs into every response over TLS.
    pub(crate) fn secure(&self) -> Option<Field<'_>> {
        self.secure.iter().next()
    }

    /// Adds a field, unless `--header` sets it.
    pub(crate) fn push_default(&self, fields: &mut Fields, name: &str, value: &str) {
        if self.extra.value(name).is_none() {
            fields.push(name.as_bytes(), value.as_bytes());
        }
    }

    /// Completes the fields of a response. A field of the response itself wins over a common one.
    /// `Vary` is a list: the common values are added to those of the response.
    pub(crate) fn complete(&self, mut fields: Fields) -> Rc<Fields> {
        // A browser must not run a file as a script if it was not served as one.
        self.push_default(&mut fields, "x-content-type-options", "nosniff");
        let own = fields.len();
        for field in self.extra.iter() {
            let is_said = fields.iter().take(own).any(|said| said.name == field.name);
            if !is_said || field.name == b"vary" {
                fields.push_field(field);
            }
        }
        Rc::new(fields)
    }
}

/// Reads `NAME: VALUE`, the form of the option `--header`.
pub fn parse_header(option: &str) -> Result<(String, String), SiteError> {
    let written = option.split(':').next().unwrap_or(option);
    let error = |problem| SiteError::new("--header", written, problem);
    let (name, value) = parse_field(option).map_err(error)?;
    check_free(&name).map_err(error)?;
    Ok((name, value))
}

/// The lowercase name of a field that the operator may set.
fn check(name: &str, value: &str) -> Result<String, SiteError> {
    let error = |problem| SiteError::new("--header", name, problem);
    let name = check_field(name, value).map_err(error)?;
    check_free(&name).map_err(error)?;
    Ok(name)
}

fn check_free(name: &str) -> Result<(), &'static str> {
    if RESERVED.contains(&name) {
        return Err("calmd sets this field itself; leave the option out");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(headers: &[&str]) -> Vec<String> {
        let headers: Vec<_> = headers.iter().map(|h| parse_header(h).unwrap()).collect();
        let fields = CommonFields::new(&headers).unwrap().complete(Fields::new());
        fields.iter().map(|field| format!("{field:?}")).collect()
    }

    #[test]
    fn every_response_forbids_sniffing_and_carries_the_options() {
        assert_eq!(complete(&[]), ["x-content-type-options: nosniff"]);
        assert_eq!(
            complete(&["Server:calmd", "X-A: b: c "]),
            [
                "x-content-type-options: nosniff",
                "server: calmd",
                "x-a: b: c"
            ]
        );
        assert_eq!(
            complete(&["X-Content-Type-Options: other"]),
            ["x-content-type-options: other"]
        );
    }

    #[test]
    fn what_the_answer_says_itself_stands() {
        let headers = [
            ("Cache-Control".into(), "max-age=5".into()),
            ("Vary".into(), "origin".into()),
        ];
        let common = CommonFields::new(&headers).unwrap();
        let own = [("cache-control", "no-cache"), ("vary", "accept-encoding")];
        let fields = common.complete(own.into_iter().collect());
        assert_eq!(
            fields.values("cache-control").collect::<Vec<_>>(),
            [b"no-cache"]
        );
        assert_eq!(fields.values("vary").count(), 2);
        let fields = common.complete(Fields::new());
        assert_eq!(fields.value("cache-control"), Some(&b"max-age=5"[..]));
    }

    #[test]
    fn s7_2_of_rfc_6797_what_is_for_tls_only_is_kept_apart() {
        let headers = [
            "A: b",
            "Strict-Transport-Security: max-age=5",
            "strict-transport-security: x",
        ];
        assert!(
            complete(&headers)
                .iter()
                .all(|field| !field.starts_with("strict"))
        );
        let headers = headers.map(|header| parse_header(header).unwrap());
        let common = CommonFields::new(&headers).unwrap();
        assert_eq!(
            common.secure().map(|field| field.value),
            Some(&b"max-age=5"[..])
        );
    }

    #[test]
    fn a_wrong_header_is_named_with_its_mend() {
        let problem = |option| parse_header(option).unwrap_err().to_string();
        assert_eq!(
            problem("X-A"),
            "--header 'X-A': there is no colon; write it as 'Name: value'"
        );
        assert_eq!(
            problem("Content-Length: 5"),
            "--header 'Content-Length': calmd sets this field itself; leave the option out"
        );
        assert_eq!(
            problem("X-A: b\r\nSet-Cookie: c"),
            "--header 'X-A': its value holds a control character; leave it out"
        );
        assert_eq!(
            problem("a b: c"),
            "--header 'a b': a name is letters, digits and hyphens, such as 'X-Frame-Options: DENY'"
        );
        assert!(parse_header(": c").is_err());
        assert!(parse_header(":status: 200").is_err());
        assert!(CommonFields::new(&[("date".into(), "now".into())]).is_err());
    }
}
