//! Redirects: the request that a 3xx response leads to (RFC 9110 §15.4).

use super::error::Error;
use super::request::Fetch;
use super::style::printable;

/// The request that a response of this status asks to make instead; `None` where it asks for none.
pub fn follow<'o>(
    request: &Fetch<'o>,
    status: u16,
    location: Option<&[u8]>,
) -> Result<Option<Fetch<'o>>, Error> {
    let (301 | 302 | 303 | 307 | 308, Some(location)) = (status, location) else {
        return Ok(None);
    };
    let url = request
        .url
        .join(&reference(location))
        .map_err(|reason| Error::Location(request.url.clone(), printable(reason.as_bytes())))?;
    let mut next = request.clone();
    next.trusted &= request.url.has_same_origin(&url);
    next.url = url;
    let becomes_get = match status {
        // What browsers have always done, which RFC 9110 allows.
        301 | 302 => request.method == "POST",
        303 => request.method != "HEAD",
        _ => false,
    };
    if becomes_get {
        next.method = "GET".into();
        next.source = None;
    }
    Ok(Some(next))
}

/// A `location` as text. Bytes beyond ASCII are percent-encoded, as URLs have them (RFC 3986 §2.5).
fn reference(location: &[u8]) -> String {
    let mut text = String::with_capacity(location.len());
    for byte in location {
        match byte {
            0..=0x7f => text.push(char::from(*byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::url::Url;

    #[test]
    fn a_location_is_followed_byte_by_byte() {
        let base = Url::parse("http://h/").unwrap();
        for (location, path) in [
            (&b"/a\xc2\xadb"[..], "/a%C2%ADb"),
            (b"/a\xffb?\xe9", "/a%FFb?%E9"),
            (b"/a\x07b", "/a%07b"),
        ] {
            let url = base.join(&reference(location)).unwrap();
            assert_eq!(url.path(), path);
        }
    }
}
