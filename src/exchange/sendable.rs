//! The fields that handlers give to heads and trailers, made fit for either version.
//!
//! Both versions send the same fields: none that frames the message or concerns the connection, and
//! `content-length` where the length is known. A name or value that would break out of its line must not
//! become a response of its own. The site makes its fields itself, and pays for none of this.

use std::rc::Rc;

use super::failure::Failure;
use super::response::{Head, Response};
use crate::http::grammar::{
    decimal, is_connection_specific, is_lowercase_token, may_be_trailer, trim,
};
use crate::http::{Field, Fields, Method, is_one_line, status};
use crate::world::Files;

const BAD_FIELD: &str = "a field that no response can carry";

/// The head as it is sent to a request of this method.
pub(super) fn head(mut head: Head, method: Method) -> Result<Head, Failure> {
    let length = LengthField::of(head.status, head.len, method);
    head.fields = fields(head.fields, length)?;
    Ok(head)
}

/// The head of an upstream's response as it is sent: the core that has read it lets nothing through that would not
/// stand in either version, so only the field of the length is looked at. But the head of a tunnel and 426 have a field
/// of the connection, which HTTP/1.1 alone can carry.
pub(super) fn forwarded_head(head: Head, method: Method) -> Result<Head, Failure> {
    let length = LengthField::of(head.status, head.len, method);
    let may_upgrade = head.status == 426 || method == Method::Connect;
    // Its names are in lowercase.
    let upgrades = may_upgrade && head.fields.value("upgrade").is_some();
    if !upgrades && length.is_of(head.fields.values("content-length")) {
        return Ok(head);
    }
    self::head(head, method)
}

/// The head of a response that has nothing else, as it is sent.
pub(super) fn only_head(mut head: Head) -> Result<Head, Failure> {
    head.fields = fields(head.fields, LengthField::AsGiven)?;
    Ok(head)
}

/// The fields of trailers as they are sent.
pub(super) fn trailers(trailers: Fields) -> Result<Fields, Failure> {
    if trailers
        .iter()
        .all(|it| may_be_trailer(it.name) && is_fit(it))
    {
        return Ok(trailers);
    }
    filter(&trailers, |it| may_be_trailer(it.name))
}

impl<F: Files> Response<F> {
    /// The response of a handler as it is sent to a request of this method.
    pub(crate) fn sendable(mut self, method: Method) -> Result<Self, Failure> {
        let length = LengthField::of(self.status, self.body.len(), method);
        self.fields = fields(self.fields, length)?;
        Ok(self)
    }
}

/// The `content-length` of a head.
#[derive(Clone, Copy)]
enum LengthField {
    /// The handler's own, if it has one: no content follows, and it is the length that GET, or 200 instead
    /// of 304, would have sent (RFC 9110 §8.6).
    AsGiven,
    /// None.
    None,
    /// This one.
    Is(u64),
}

impl LengthField {
    fn of(code: u16, len: Option<u64>, method: Method) -> LengthField {
        match len {
            _ if code == 304 => LengthField::AsGiven,
            _ if status::has_no_content(code) => LengthField::None,
            Some(0) | None if method == Method::Head => LengthField::AsGiven,
            Some(len) => LengthField::Is(len),
            None => LengthField::None,
        }
    }

    /// True if it is this one that fields have which have `given` ones.
    fn is_of<'f>(self, mut given: impl Iterator<Item = &'f [u8]>) -> bool {
        match self {
            LengthField::AsGiven => true,
            LengthField::None => given.next().is_none(),
            LengthField::Is(len) => given
                .next()
                .is_some_and(|value| decimal(value) == Some(len) && !begins_with_zero(value)),
        }
    }
}

fn is_length(name: &[u8]) -> bool {
    name.len() == 14 && name.eq_ignore_ascii_case(b"content-length")
}

fn fields(fields: Rc<Fields>, length: LengthField) -> Result<Rc<Fields>, Failure> {
    let given = fields.iter().filter(|it| is_length(it.name));
    let is_right = length.is_of(given.map(|it| it.value));
    if is_right && fields.iter().all(|it| is_of_head(it.name) && is_fit(it)) {
        return Ok(fields);
    }
    let is_kept = |it: Field<'_>| is_of_head(it.name) && (is_right || !is_length(it.name));
    let mut kept = filter(&fields, is_kept)?;
    if let LengthField::Is(len) = length
        && !is_right
    {
        kept.push(b"content-length", len.to_string().as_bytes());
    }
    Ok(Rc::new(kept))
}

/// True for a number that has more digits than it needs.
fn begins_with_zero(number: &[u8]) -> bool {
    matches!(number, [b'0', _, ..])
}

/// A copy of the fields that are wanted, with names in lowercase, and without blanks around values.
fn filter(fields: &Fields, is_wanted: impl Fn(Field<'_>) -> bool) -> Result<Fields, Failure> {
    let mut kept = Fields::new();
    for field in fields.iter().filter(|it| is_wanted(*it)) {
        let name = field.name.to_ascii_lowercase();
        let fit = Field {
            name: &name,
            value: trim(field.value),
            ..field
        };
        if !is_fit(fit) {
            log::warn!("{BAD_FIELD}: {}", field.name.escape_ascii());
            return Err(Failure::misuse(BAD_FIELD));
        }
        kept.push_field(fit);
    }
    Ok(kept)
}

/// True for a field that a head of either version may have: no pseudo-header field, which is no token,
/// and none that concerns the connection.
fn is_of_head(name: &[u8]) -> bool {
    name.first() != Some(&b':') && !is_connection_specific(name)
}

/// True if the field can stand as it is in either version (RFC 9113 §8.2.1, RFC 9110 §5.5).
fn is_fit(field: Field<'_>) -> bool {
    is_lowercase_token(field.name)
        && is_one_line(field.value)
        && trim(field.value).len() == field.value.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_an_upstream_keeps_its_fields_and_gets_the_true_length() {
        let sent = |status, len, method, fields: &[(&str, &str)]| {
            let fields = Rc::new(fields.iter().copied().collect());
            let head = Head {
                status,
                len,
                fields: Rc::clone(&fields),
            };
            let head = forwarded_head(head, method).unwrap();
            let told = head.fields.iter().map(|field| format!("{field:?}"));
            (Rc::ptr_eq(&head.fields, &fields), told.collect::<Vec<_>>())
        };
        let (etag, seven) = (("etag", "\"a\""), ("content-length", "7"));
        let get = Method::Get;
        assert!(sent(200, Some(7), get, &[etag, seven]).0);
        assert!(sent(200, None, get, &[etag]).0);
        assert!(sent(304, Some(0), get, &[etag, seven]).0);
        assert!(sent(200, Some(0), Method::Head, &[etag, seven]).0);
        let told = |len, fields| sent(200, len, get, fields).1;
        assert_eq!(
            told(Some(7), &[("content-length", "007")]),
            ["content-length: 7"]
        );
        assert_eq!(told(Some(7), &[]), ["content-length: 7"]);
        assert_eq!(told(None, &[seven]), [""; 0]);
        let upgrade = ("upgrade", "h2c");
        let (_, told) = sent(426, Some(7), get, &[upgrade, seven]);
        assert_eq!(told, ["content-length: 7"]);
        // A tunnel through HTTP/2 that an upstream of HTTP/1.1 has opened.
        let accept = ("sec-websocket-accept", "x");
        let (_, told) = sent(
            200,
            None,
            Method::Connect,
            &[("upgrade", "websocket"), accept],
        );
        assert_eq!(told, ["sec-websocket-accept: x"]);
    }
}
