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
    let location = printable(location);
    let url = request
        .url
        .join(&location)
        .map_err(|reason| Error::Location(request.url.clone(), reason))?;
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
