//! A request: a URL, a method, fields, and perhaps content to send.

use super::GetOptions;
use super::error::Error;
use super::upload::Upload;
use super::url::Url;
use crate::http::{Field, Fields};

/// One request, as often as it is sent.
#[derive(Clone)]
pub struct Fetch<'o> {
    options: &'o GetOptions,
    /// The target.
    pub url: Url,
    /// Its method.
    pub method: String,
    /// Content to send.
    pub source: Option<&'o Upload>,
    /// True if credentials may be sent there: not to an origin that a redirect names.
    pub trusted: bool,
}

impl<'o> Fetch<'o> {
    /// As the options have it.
    pub fn new(options: &'o GetOptions, url: Url, source: Option<&'o Upload>) -> Self {
        let method = match (&options.method, options.head, source) {
            (Some(method), ..) => method,
            (None, true, _) => "HEAD",
            (None, false, Some(_)) => "POST",
            (None, false, None) => "GET",
        };
        Fetch {
            options,
            method: method.to_owned(),
            url,
            source,
            trusted: true,
        }
    }

    /// True for safe methods (RFC 9110 §9.2.1) without content: sending such a request twice does no harm.
    pub fn is_safe(&self) -> bool {
        self.source.is_none() && matches!(&*self.method, "GET" | "HEAD" | "OPTIONS")
    }

    /// The field section, pseudo-header fields first.
    pub fn fields(&self) -> Fields {
        let given = |name: &str| self.given().any(|(given, _)| given == name);
        let host = self.given().find(|(name, _)| *name == "host");
        let authority = match host {
            Some((_, host)) if !host.is_empty() => host.to_owned(),
            _ => self.url.authority(),
        };
        let mut fields = Fields::new();
        fields.push(b":method", self.method.as_bytes());
        fields.push(b":scheme", self.url.scheme().as_str().as_bytes());
        fields.push(b":authority", authority.as_bytes());
        fields.push(b":path", self.url.path().as_bytes());
        if !given("user-agent") {
            let agent = concat!("calmd/", env!("CARGO_PKG_VERSION"));
            fields.push(b"user-agent", agent.as_bytes());
        }
        if !given("accept") {
            fields.push(b"accept", b"*/*");
        }
        if let Some(len) = self.source.and_then(Upload::len)
            && !given("content-length")
        {
            fields.push(b"content-length", len.to_string().as_bytes());
        }
        for (name, value) in self.given() {
            // An empty value only takes the field of ours away.
            if name != "host" && !value.is_empty() {
                fields.push_field(Field {
                    name: name.as_bytes(),
                    value: value.as_bytes(),
                    sensitive: is_credential(name),
                });
            }
        }
        fields
    }

    /// The fields of `-H` that belong into this request.
    fn given(&self) -> impl Iterator<Item = (&str, &str)> {
        let describes_content = |name: &str| name.starts_with("content-");
        let dropped = self.options.data.is_some() && self.source.is_none();
        self.options
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(move |(name, _)| self.trusted || !(is_credential(name) || *name == "host"))
            .filter(move |(name, _)| !(dropped && describes_content(name)))
    }

    /// Says that the content can be sent now, perhaps not for the first time, or why not.
    pub fn check_source(&self) -> Result<(), Error> {
        self.source
            .map_or(Ok(()), |source| source.check_unspent(&self.url))
    }
}

fn is_credential(name: &str) -> bool {
    matches!(name, "authorization" | "cookie" | "proxy-authorization")
}
