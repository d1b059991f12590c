//! The pages of a directory for uploads: a form that works without scripts, and what is there.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::answer::StoredFile;
use crate::site::html::escape;

/// Characters that stand for themselves in a path (RFC 3986 §2.3).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A file's name in a path.
pub(super) fn encode(name: &str) -> String {
    utf8_percent_encode(name, PLAIN).to_string()
}

/// The page of a directory: a form, and links to the files.
pub(super) fn directory<'n>(path: &str, names: impl Iterator<Item = &'n str>) -> String {
    let form = format!(
        "<form method=\"post\" action=\"{path}/\" enctype=\"multipart/form-data\">\n\
         <p><input type=\"file\" name=\"file\" multiple required aria-label=\"Files\">\n\
         <button>Upload</button></p>\n</form>\n"
    );
    page("Upload", &(form + &links(path, names)))
}

/// The page of an upload: links to the files that were stored.
pub(super) fn stored(path: &str, files: &[StoredFile]) -> String {
    let back = format!("<p><a href=\"{path}/\">More</a></p>\n");
    let names = files.iter().map(|file| file.name.as_str());
    page("Stored", &(links(path, names) + &back))
}

fn links<'n>(path: &str, names: impl Iterator<Item = &'n str>) -> String {
    let mut list = String::from("<ul>\n");
    for name in names {
        list.push_str(&format!("<li><a href=\"{path}/{}\">", encode(name)));
        escape(&mut list, name);
        list.push_str("</a></li>\n");
    }
    list + "</ul>\n"
}

fn page(title: &str, content: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>{title}</title>\n<h1>{title}</h1>\n{content}</html>\n"
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
}
