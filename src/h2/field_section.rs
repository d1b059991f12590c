//! Field sections (RFC 9113 §8.2, §8.3): which are well-formed, and what they say to the core.
//!
//! A malformed message is a stream error of type PROTOCOL_ERROR (§8.1.1); [`Malformed`] is the reason
//! for it. Every rule is checked in one pass over the fields.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use super::priority::Priority;
use super::stream::RequestKind;
use crate::http::field::{Field, Fields};
use crate::http::{Expected, grammar, is_authority};

/// The fault by which a message is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

type Checked<T> = Result<T, Malformed>;

/// The facts of a request that the core has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestFacts {
    /// Its content-length.
    pub content_length: Option<u64>,
    /// Its priority, if it has a `priority` field (RFC 9218 §5).
    pub priority: Option<Priority>,
    /// The meaning of its method for the stream.
    pub kind: RequestKind,
    /// Its expectation (RFC 9110 §10.1.1).
    pub expected: Expected,
}

/// The facts of a response that the core has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseFacts {
    /// Its status.
    pub status: u16,
    /// Its content-length.
    pub content_length: Option<u64>,
}

impl ResponseFacts {
    /// Says that another response follows on the stream (RFC 9110 §15.2).
    pub fn is_informational(&self) -> bool {
        self.status < 200
    }
}

/// Checks a request (§8.3.1). `extended_connect` says whether `:protocol` may occur (RFC 8441 §4).
pub fn request(fields: &Fields, extended_connect: bool) -> Checked<RequestFacts> {
    let facts = Facts::collect(fields)?;
    if facts.status.is_some() {
        return Err(Malformed(":status in a request"));
    }
    let method = facts.method.ok_or(Malformed("no :method"))?;
    if !is_method(method) {
        return Err(Malformed(":method is not a token"));
    }
    facts.check_authority()?;
    let kind = request_kind_of(method);
    match (kind, facts.protocol) {
        (RequestKind::Tunnel, None) => facts.check_connect()?,
        (RequestKind::Tunnel, Some(_)) if extended_connect => facts.check_target(method)?,
        (_, Some(_)) => return Err(Malformed(":protocol is not allowed here")),
        (_, None) => facts.check_target(method)?,
    }
    Ok(RequestFacts {
        content_length: facts.content_length,
        priority: facts.priority,
        kind,
        expected: facts.expected,
    })
}

/// The facts of a request that is not to be checked.
pub fn unchecked_request(fields: &Fields) -> RequestFacts {
    let update = |priority: Option<Priority>, value| Some(updated(priority, value));
    RequestFacts {
        content_length: None,
        priority: fields.values("priority").fold(None, update),
        kind: request_kind_of(fields.method().unwrap_or_default()),
        expected: fields
            .values("expect")
            .fold(Expected::Nothing, Expected::with),
    }
}

/// A priority with one more line of the field.
fn updated(priority: Option<Priority>, value: &[u8]) -> Priority {
    priority.unwrap_or_default().updated(value)
}

/// The meaning of a method for its stream.
pub fn request_kind_of(method: &[u8]) -> RequestKind {
    match method {
        b"HEAD" => RequestKind::Head,
        b"CONNECT" => RequestKind::Tunnel,
        _ => RequestKind::Ordinary,
    }
}

/// Checks a response (§8.3.2).
pub fn response(fields: &Fields) -> Checked<ResponseFacts> {
    let facts = Facts::collect(fields)?;
    if facts.is_of_request() {
        return Err(Malformed("a request's pseudo-header field in a response"));
    }
    let Some(status) = fields.status() else {
        return Err(Malformed("no :status of three digits"));
    };
    if status == 101 {
        // §8.6
        return Err(Malformed("101 is not used in HTTP/2"));
    }
    Ok(ResponseFacts {
        status,
        content_length: facts.content_length,
    })
}

/// The facts of a response that is not to be checked; without a status nothing can be done.
pub fn unchecked_response(fields: &Fields) -> Checked<ResponseFacts> {
    Ok(ResponseFacts {
        status: fields
            .status()
            .ok_or(Malformed("no :status of three digits"))?,
        content_length: None,
    })
}

/// Checks trailers (§8.1): as any section, but without pseudo-header fields.
pub fn trailers(fields: &Fields) -> Checked<()> {
    let facts = Facts::collect(fields)?;
    if facts.is_of_request() || facts.status.is_some() {
        Err(Malformed("pseudo-header field in trailers"))
    } else {
        Ok(())
    }
}

/// `fields` with the crumbs of `cookie` joined into one field (§8.2.3), where the first was.
pub fn join_cookies(fields: &mut Fields) {
    if fields.values("cookie").nth(1).is_none() {
        return;
    }
    let joined = fields.values("cookie").collect::<Vec<_>>().join(&b"; "[..]);
    let mut result = Fields::new();
    let mut joined = Some(joined);
    for field in fields.iter() {
        if field.name != b"cookie" {
            result.push_field(field);
        } else if let Some(value) = joined.take() {
            let value = value.as_slice();
            result.push_field(Field { value, ..field });
        }
    }
    *fields = result;
}

/// Drops the fields of a trailer section that frame or route a message, where there are any (RFC 9110
/// §6.5.1).
pub fn drop_forbidden_trailers(fields: &mut Fields) {
    if fields
        .iter()
        .all(|field| grammar::may_be_trailer(field.name))
    {
        return;
    }
    let mut kept = Fields::new();
    for field in fields.iter() {
        if grammar::may_be_trailer(field.name) {
            kept.push_field(field);
        }
    }
    *fields = kept;
}

/// Strips blanks around the values of `fields`, where there are any (§8.2.1).
pub fn trim_values(fields: &mut Fields) {
    let has_blanks = |field: Field<'_>| has_blank_ends(field.value);
    if !fields.iter().any(has_blanks) {
        return;
    }
    let mut trimmed = Fields::new();
    for field in fields.iter() {
        trimmed.push_field(Field {
            value: grammar::trim(field.value),
            ..field
        });
    }
    *fields = trimmed;
}

/// Cookies of fewer bytes enter no compression context: they are guessed too easily (RFC 7541 §7.1.3).
const SHORT_COOKIE: usize = 20;

/// A copy of `fields` in the form that HTTP/2 asks for: names in lowercase, names and values without blanks around
/// them (§8.2.1), no fields that are about one connection of HTTP/1.1 nor those that `connection` names, of
/// `te` nothing but `trailers` (§8.2.2), credentials and short cookies sensitive (RFC 7541 §7.1.3).
pub fn normalized<'f>(fields: impl Iterator<Item = Field<'f>>) -> Fields {
    let mut result = Fields::new();
    let mut named: Vec<Vec<u8>> = Vec::new();
    for field in fields {
        let name = grammar::trim(field.name).to_ascii_lowercase();
        let mut value = grammar::trim(field.value);
        if name == b"connection" {
            named.extend(list(value).map(<[u8]>::to_ascii_lowercase));
        }
        if grammar::is_connection_specific(&name) {
            continue;
        }
        if name == b"te" {
            let Some(trailers) = list(value).find(|item| item.eq_ignore_ascii_case(b"trailers"))
            else {
                continue;
            };
            value = trailers;
        }
        let sensitive = field.sensitive || is_secret(&name, value);
        result.push_field(Field {
            name: &name,
            value,
            sensitive,
        });
    }
    // `te` is itself named by `connection` in HTTP/1.1, and what is left of it has its place here.
    named.retain(|name| name != b"te");
    let is_named = |field: Field<'_>| named.iter().any(|name| name == field.name);
    if named.is_empty() || !result.iter().any(is_named) {
        return result;
    }
    let mut kept = Fields::new();
    let is_kept = |field: &Field<'_>| !is_named(*field);
    result
        .iter()
        .filter(is_kept)
        .for_each(|field| kept.push_field(field));
    kept
}

/// The members of a list, without blanks (RFC 9110 §5.6.1).
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(grammar::trim)
}

/// Says that an attacker who can make the sender send guesses could find the value out by its compression.
fn is_secret(name: &[u8], value: &[u8]) -> bool {
    match name {
        b"authorization" | b"proxy-authorization" => true,
        b"cookie" => value.len() < SHORT_COOKIE,
        _ => false,
    }
}

/// The facts that one pass over a section finds.
#[derive(Default)]
struct Facts<'f> {
    method: Option<&'f [u8]>,
    scheme: Option<&'f [u8]>,
    authority: Option<&'f [u8]>,
    path: Option<&'f [u8]>,
    protocol: Option<&'f [u8]>,
    status: Option<&'f [u8]>,
    host: Option<&'f [u8]>,
    content_length: Option<u64>,
    priority: Option<Priority>,
    expected: Expected,
}

impl<'f> Facts<'f> {
    fn collect(fields: &'f Fields) -> Checked<Self> {
        let mut facts = Facts::default();
        let mut regular = false;
        for field in fields.iter() {
            check_value(field.value)?;
            if field.name.first() != Some(&b':') {
                regular = true;
                facts.regular(field)?;
            } else if regular {
                return Err(Malformed("pseudo-header field behind a field"));
            } else {
                facts.pseudo(field)?;
            }
        }
        Ok(facts)
    }

    /// §8.3: only those that exist, and none twice. The most frequent ones come first.
    fn pseudo(&mut self, field: Field<'f>) -> Checked<()> {
        let place = match (field.name.len(), field.name) {
            (5, b":path") => &mut self.path,
            (7, b":method") => &mut self.method,
            (7, b":scheme") => &mut self.scheme,
            (7, b":status") => &mut self.status,
            (9, b":protocol") => &mut self.protocol,
            (10, b":authority") => &mut self.authority,
            _ => return Err(Malformed("unknown pseudo-header field")),
        };
        match place.replace(field.value) {
            None => Ok(()),
            Some(_) => Err(Malformed("pseudo-header field twice")),
        }
    }

    /// §8.2: lowercase names, and nothing that is about one connection of HTTP/1.1.
    fn regular(&mut self, field: Field<'f>) -> Checked<()> {
        check_name(field.name)?;
        // By length first, since most fields are none of these.
        match (field.name.len(), field.name) {
            (2, b"te") if !field.value.eq_ignore_ascii_case(b"trailers") => {
                return Err(Malformed("te other than trailers"));
            }
            (4, b"host") if self.host.replace(field.value).is_some() => {
                return Err(Malformed("host twice"));
            }
            (6, b"expect") => self.expected = self.expected.with(field.value),
            (8, b"priority") => self.priority = Some(updated(self.priority, field.value)),
            (14, b"content-length") => {
                let length = grammar::decimal(field.value)
                    .ok_or(Malformed("content-length is no number"))?;
                if self.content_length.replace(length).is_some() {
                    return Err(Malformed("content-length twice"));
                }
            }
            (_, name) if grammar::is_connection_specific_lowercase(name) => {
                return Err(Malformed("connection-specific field"));
            }
            _ => {}
        }
        Ok(())
    }

    /// Says that something is there that only requests have.
    fn is_of_request(&self) -> bool {
        let all = [
            self.method,
            self.scheme,
            self.authority,
            self.path,
            self.protocol,
        ];
        all.iter().any(Option::is_some)
    }

    /// §8.3.1: `:authority` without userinfo, and `host` either absent or the same.
    fn check_authority(&self) -> Checked<()> {
        if !self.authority.is_none_or(is_authority) || !self.host.is_none_or(is_authority) {
            return Err(Malformed(":authority or host is not a host with a port"));
        }
        match (self.authority, self.host) {
            (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
                Err(Malformed(":authority and host differ"))
            }
            _ => Ok(()),
        }
    }

    /// §8.5
    fn check_connect(&self) -> Checked<()> {
        match (self.authority, self.scheme, self.path) {
            (Some(_), None, None) => Ok(()),
            _ => Err(Malformed(
                "CONNECT has :method and :authority and nothing else",
            )),
        }
    }

    /// §8.3.1: what all requests have but CONNECT. An authority is none of it: whether one is needed
    /// is a question of the scheme (RFC 9110 §4.2), and a server says so with 400.
    fn check_target(&self, method: &[u8]) -> Checked<()> {
        let scheme = self.scheme.ok_or(Malformed("no :scheme"))?;
        if !is_scheme(scheme) {
            return Err(Malformed(":scheme is not a scheme"));
        }
        let path = self.path.ok_or(Malformed("no :path"))?;
        let rooted = path.first() == Some(&b'/') || (path == b"*" && method == b"OPTIONS");
        if !rooted || path.iter().any(|&byte| byte <= b' ' || byte == 0x7f) {
            return Err(Malformed(":path is not a path"));
        }
        Ok(())
    }
}

/// A method is nearly always this one.
fn is_method(method: &[u8]) -> bool {
    method == b"GET" || grammar::is_token(method)
}

/// A scheme is nearly always one of these; others are as RFC 3986 §3.1 has it.
fn is_scheme(scheme: &[u8]) -> bool {
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let begins = scheme.first().is_some_and(u8::is_ascii_alphabetic);
    matches!(scheme, b"https" | b"http") || begins && scheme.iter().all(inside)
}

fn check_name(name: &[u8]) -> Checked<()> {
    if name.is_empty() {
        return Err(Malformed("empty field name"));
    }
    if grammar::is_lowercase_token(name) {
        return Ok(());
    }
    Err(Malformed("field name with a byte that is not allowed"))
}

/// §8.2.1. Values are nearly always free of all control bytes, which is seen eight bytes at a time.
fn check_value(value: &[u8]) -> Checked<()> {
    if has_control(value) && value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
        return Err(Malformed("field value with NUL, CR or LF"));
    }
    if has_blank_ends(value) {
        return Err(Malformed("field value within blanks"));
    }
    Ok(())
}

fn has_blank_ends(value: &[u8]) -> bool {
    let (Some(&first), Some(&last)) = (value.first(), value.last()) else {
        return false;
    };
    // Nearly all values begin and end with bytes above both blanks.
    first.min(last) <= b' ' && (grammar::is_blank(first) || grammar::is_blank(last))
}

/// Says that a byte is under 16.
fn has_control(bytes: &[u8]) -> bool {
    const LIMIT: u64 = u64::from_ne_bytes([16; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    // Subtracting borrows into the high bit of a byte that is smaller; that of a byte that had it
    // already does not count. A borrow beyond its byte needs a smaller one below, so none is imagined.
    let under = |&chunk: &[u8; 8]| {
        let word = u64::from_ne_bytes(chunk);
        word.wrapping_sub(LIMIT) & !word & HIGH
    };
    let Some(last) = bytes.last_chunk() else {
        return bytes.iter().any(|&byte| byte < 16);
    };
    let (chunks, _) = bytes.as_chunks();
    chunks
        .iter()
        .fold(under(last), |found, chunk| found | under(chunk))
        != 0
}
