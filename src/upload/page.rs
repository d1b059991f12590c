//! The pages of a directory for uploads: a form that works without scripts, and better with one; what is there.
//!
//! Script and style are files of their own at the directory's address with a query, so that the policy of the
//! pages allows nothing within them. Their version is in the query: a browser keeps them for as long as they are
//! the same.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::digest::DigestState;
use crate::site::html::escape;

/// The policy of the pages: their own script and style, a form, and nothing else.
pub(super) const PAGE_POLICY: &[u8] = b"default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const SCRIPT: &str = include_str!("page/page.js");
const STYLE: &str = include_str!("page/page.css");

/// Characters that stand for themselves in a path (RFC 3986 §2.3).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A file that belongs to the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UploadPageFile {
    /// Its name in the query.
    name: &'static str,
    /// Its media type.
    pub(super) media_type: &'static str,
    /// Its content.
    pub(super) content: &'static str,
}

const FILES: [UploadPageFile; 2] = [
    UploadPageFile {
        name: "script",
        media_type: "text/javascript; charset=utf-8",
        content: SCRIPT,
    },
    UploadPageFile {
        name: "style",
        media_type: "text/css; charset=utf-8",
        content: STYLE,
    },
];

impl UploadPageFile {
    /// The file that a query asks for, in any version: it is the present one that is sent.
    pub(super) fn asked_for(query: &[u8]) -> Option<Self> {
        let name = query.split(|byte| *byte == b'=').next()?;
        FILES.into_iter().find(|file| file.name.as_bytes() == name)
    }

    /// The version, which changes with the content.
    fn version(&self) -> String {
        let mut state = DigestState::default();
        state.update(self.content.as_bytes());
        let mut version = state.finish().hexadecimal();
        version.truncate(16);
        version
    }

    /// The address.
    fn address(&self, path: &str) -> String {
        format!("{path}/?{}={}", self.name, self.version())
    }
}

/// A file's name in a path.
pub(super) fn encode(name: &str) -> String {
    utf8_percent_encode(name, PLAIN).to_string()
}

/// The page of a directory: a form, and links to the files.
pub(super) fn directory<'n>(path: &str, names: impl Iterator<Item = &'n str>) -> String {
    let form = format!(
        "<form method=\"post\" action=\"{path}/\" enctype=\"multipart/form-data\">\n\
         <p><input type=\"file\" name=\"file\" multiple required aria-label=\"Files\">\n\
         <button>Upload</button></p>\n</form>\n\
         <p id=\"drop\" hidden>Or drop files here</p>\n\
         <ul id=\"sending\" aria-label=\"Files being sent\"></ul>\n\
         <h2>Files</h2>\n"
    );
    let [script, _] = FILES;
    let script = format!("<script src=\"{}\" defer></script>\n", script.address(path));
    page(path, "Upload", &script, &(form + &links(path, names)))
}

/// The page of an upload: links to the files that were stored.
pub(super) fn stored<'n>(path: &str, names: impl Iterator<Item = &'n str>) -> String {
    let back = format!("<p><a href=\"{path}/\">More</a></p>\n");
    page(path, "Stored", "", &(links(path, names) + &back))
}

fn links<'n>(path: &str, names: impl Iterator<Item = &'n str>) -> String {
    let mut list = String::from("<ul id=\"stored\">\n");
    for name in names {
        list.push_str(&format!("<li><a href=\"{path}/{}\">", encode(name)));
        escape(&mut list, name);
        list.push_str("</a></li>\n");
    }
    list + "</ul>\n"
}

fn page(path: &str, title: &str, script: &str, content: &str) -> String {
    let [_, style] = FILES;
    let style = style.address(path);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>{title}</title>\n<link rel=\"stylesheet\" href=\"{style}\">\n{script}</head>\n\
         <body>\n<h1>{title}</h1>\n{content}</body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_where_they_stand() {
        let page = directory("/in", ["a&b c.txt"].into_iter());
        assert!(
            page.contains("<a href=\"/in/a%26b%20c.txt\">a&amp;b c.txt</a>"),
            "{page}"
        );
        assert!(page.contains("action=\"/in/\""), "{page}");
    }

    #[test]
    fn nothing_in_a_page_is_run_or_styled_within_it() {
        let names = ["<script>alert(1)</script>", "\" onload=\"x"];
        let page = directory("/in", names.into_iter());
        assert_eq!(page.matches("<script").count(), 1, "{page}");
        assert!(page.contains("defer></script>"), "{page}");
        for part in [" style=", "<style", "javascript:", " on"] {
            let tags = page.split('<').filter_map(|part| part.split('>').next());
            let with: Vec<_> = tags.filter(|tag| tag.contains(part)).collect();
            assert!(with.is_empty(), "{part}: {with:?}");
        }
    }

    #[test]
    fn the_files_of_a_page_are_found_by_their_query() {
        for file in FILES {
            let address = file.address("/in");
            let (path, query) = address.split_once('?').unwrap();
            assert_eq!(path, "/in/");
            assert_eq!(UploadPageFile::asked_for(query.as_bytes()), Some(file));
        }
        assert_eq!(UploadPageFile::asked_for(b"scripts=1"), None);
        assert_eq!(UploadPageFile::asked_for(b""), None);
    }
}
