//! The built-in error pages, which are sent if the site has none of its own.

use std::rc::Rc;

use super::common_fields::CommonFields;
use crate::http::{Fields, status};

/// A page, ready to be sent.
#[derive(Debug)]
pub(crate) struct ErrorPage {
    status: u16,
    pub(crate) fields: Rc<Fields>,
    pub(crate) content: Rc<[u8]>,
}

/// The pages that were needed so far, at most one a status.
#[derive(Debug)]
pub(crate) struct ErrorPages(Vec<ErrorPage>);

/// The statuses that crowds meet. Their pages are made at the start: one that was made in a crowd would lie
/// above what the crowd leaves behind, and keep the allocator from giving that back. A page is 1 KiB.
const FREQUENT: [u16; 5] = [400, 404, 405, 413, 421];

/// Room for pages from the start, for the same reason: more than there are statuses that we give.
const MOST_PAGES: usize = 24;

impl ErrorPages {
    /// No pages yet, for one of many sites: a thousand of them would hold 6 MiB of pages that nobody meets.
    pub(crate) fn none() -> Self {
        ErrorPages(Vec::new())
    }

    /// The pages of the statuses that are met most.
    pub(crate) fn new(common: &CommonFields) -> Self {
        let mut pages = Vec::with_capacity(MOST_PAGES);
        pages.extend(FREQUENT.map(|status| ErrorPage::new(status, common)));
        ErrorPages(pages)
    }

    /// The page of a status, made when it is needed for the first time.
    #[expect(clippy::indexing_slicing, reason = "it was found or put there above")]
    pub(crate) fn page(&mut self, status: u16, common: &CommonFields) -> &ErrorPage {
        let at = match self.0.iter().position(|page| page.status == status) {
            Some(at) => at,
            None => {
                self.0.push(ErrorPage::new(status, common));
                self.0.len() - 1
            }
        };
        &self.0[at]
    }
}

impl ErrorPage {
    fn new(status: u16, common: &CommonFields) -> Self {
        let content = html(status).into_bytes();
        let fields = fields(status, content.len());
        ErrorPage {
            status,
            fields: common.complete(fields),
            content: content.into(),
        }
    }
}

/// The fields of a page with a status and length, before those that every response has.
pub(crate) fn fields(status: u16, len: usize) -> Fields {
    let mut fields = Fields::new();
    fields.push(b"content-type", b"text/html; charset=utf-8");
    fields.push(b"content-length", len.to_string().as_bytes());
    // A missing or broken file may be there in a second. A cached answer would outlive the repair.
    fields.push(b"cache-control", b"no-cache");
    match status {
        // A 405 names the methods that are supported (RFC 9110 §15.5.6).
        405 => fields.push(b"allow", super::ALLOW),
        // One second (RFC 9110 §10.2.3), because descriptors are short for moments, not minutes.
        503 => fields.push(b"retry-after", b"1"),
        _ => {}
    }
    fields
}

fn html(status: u16) -> String {
    let reason = match status::reason(status) {
        "" => "Error",
        reason => reason,
    };
    let explanation = match status {
        400 => "The address or the request is not well-formed.",
        401 => "This address needs a name and a password.",
        403 => "This address may not be read.",
        404 => "There is nothing at this address.",
        410 => "There is nothing at this address any more.",
        405 => "This address can be read, not written to.",
        412 => "The file is not in the state that the request demands.",
        413 => "The request is larger than the server takes.",
        414 => "The address is longer than any file has.",
        416 => "The file does not have the bytes that were asked for.",
        421 => "This connection leads to a server that does not have this name.",
        429 => "There were too many requests. Try again later.",
        431 => "The request's header is larger than the server takes.",
        503 => "The server is busy. Try again in a moment.",
        status if status < 500 => "The request cannot be answered like this.",
        _ => "Something went wrong on the server.",
    };
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>{status} {reason}</title>\n<style>{STYLE}</style>\n\
         <main><p>{status}</p><h1>{reason}</h1><p>{explanation}</p></main>\n</html>\n"
    )
}

const STYLE: &str = ":root{color-scheme:light dark}\
body{margin:0;min-height:100vh;display:grid;place-items:center;\
font:1rem/1.5 system-ui,sans-serif;background:Canvas;color:CanvasText}\
main{padding:2rem;max-width:32rem}h1{margin:0 0 .5rem;font-size:1.75rem}\
p{margin:0;opacity:.75}p:first-child{font:600 1rem ui-monospace,monospace;color:#2a7f62;opacity:1}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_made_once_and_says_what_happened() {
        let common = CommonFields::new(&[]).unwrap();
        let mut pages = ErrorPages::new(&common);
        let first = pages.page(404, &common).content.clone();
        let again = &pages.page(404, &common).content;
        assert!(Rc::ptr_eq(&first, again));
        let text = std::str::from_utf8(&first).unwrap();
        assert!(text.contains("<title>404 Not Found</title>"));
        let fields = &pages.page(404, &common).fields;
        assert_eq!(
            fields.value("content-length"),
            Some(first.len().to_string().as_bytes())
        );
        assert_eq!(fields.value("cache-control"), Some(&b"no-cache"[..]));
    }

    #[test]
    fn the_pages_that_crowds_meet_are_there_from_the_start() {
        let pages = ErrorPages::new(&CommonFields::new(&[]).unwrap());
        let statuses: Vec<u16> = pages.0.iter().map(|page| page.status).collect();
        assert_eq!(statuses, FREQUENT);
        assert!(pages.0.capacity() >= MOST_PAGES);
    }

    #[test]
    fn a_page_says_what_can_be_done_instead() {
        let common = CommonFields::new(&[]).unwrap();
        let mut pages = ErrorPages::new(&common);
        let mut value = |status, name| {
            let fields = pages.page(status, &common).fields.clone();
            fields.value(name).map(<[u8]>::to_vec)
        };
        assert_eq!(value(405, "allow").unwrap(), b"GET, HEAD, OPTIONS");
        assert_eq!(value(503, "retry-after").unwrap(), b"1");
        assert_eq!(value(404, "allow"), None);
        assert!(value(599, "content-length").is_some());
    }
}
