//! Media types by the extension of a file's name (RFC 9110 §8.3), and the character set of text.
//!
//! The table is `media_types.txt`. `tests/media_types/update` writes it from mime-db: the registry of
//! IANA, and the types that Apache and nginx add to it. [`corrected`] holds the types of extensions
//! that mean something else on the web, and `--type` those that the operator sets.

use std::cmp::Ordering;
use std::rc::Rc;

use super::config::{Charset, Config, TypeRule};
use super::error::SiteError;
use super::path::file_name;
use crate::http::Fields;

/// The type of a file with an unknown extension (RFC 9110 §8.3): bytes, which no browser executes.
const UNKNOWN: &str = "application/octet-stream";

/// Lines of an extension and its type, sorted by the bytes of the extension. It is text because an
/// array of strings would hold addresses, which the loader has to write: that would cost every process
/// two dozen pages of memory.
const TABLE: &str = include_str!("media_types.txt");

/// Number of bytes at the beginning of a document in which it may name its character set. That is the
/// limit for a `<meta>` in HTML (HTML Standard, "Specifying the document's character encoding").
pub(crate) const HEAD_LEN: usize = 1024;

/// The rules by which files get their media types.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct MediaTypes {
    rules: Vec<TypeRule>,
    charset: Charset,
}

/// The media type of a file, without the character set, which may depend on the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MediaType<'a> {
    value: &'a str,
    /// True if the value is sent unchanged, because the operator wrote parameters.
    is_complete: bool,
}

/// The beginning of a file, where it may name a character set: [`HEAD_LEN`] bytes of it count.
pub(crate) enum DocumentHead {
    /// [`MediaType::may_name_charset`] is false.
    Needless,
    /// These bytes, or more.
    Known(Rc<[u8]>),
    /// A disk has to bring it, so that it may name any.
    OnDisk,
}

impl MediaTypes {
    /// The rules of a configuration.
    pub(crate) fn new(config: &Config) -> Result<Self, SiteError> {
        for rule in &config.types {
            check(rule)?;
        }
        Ok(MediaTypes {
            rules: config.types.clone(),
            charset: config.charset.clone(),
        })
    }

    /// The media type of the file at `path`.
    pub(crate) fn of(&self, path: &[u8]) -> MediaType<'_> {
        let name = file_name(path);
        let rule = self
            .rules
            .iter()
            .find(|rule| has_extension(name, &rule.extension));
        match rule {
            Some(rule) => MediaType {
                value: &rule.value,
                is_complete: rule.value.contains(';'),
            },
            None => MediaType {
                value: built_in(name),
                is_complete: false,
            },
        }
    }

    /// The value of `Content-Type`, which does not contradict what a document says in its head.
    pub(crate) fn content_type(&self, media_type: MediaType<'_>, head: &DocumentHead) -> String {
        let Charset::Name(name) = &self.charset else {
            return media_type.value.to_owned();
        };
        let contradicts = match head {
            DocumentHead::Needless => false,
            DocumentHead::Known(head) => {
                named_charset(head).is_some_and(|own| !own.eq_ignore_ascii_case(name.as_bytes()))
            }
            DocumentHead::OnDisk => true,
        };
        if contradicts || !media_type.is_text() {
            return media_type.value.to_owned();
        }
        format!("{}; charset={name}", media_type.value)
    }
}

impl MediaType<'_> {
    /// True if the type takes a `charset`. JSON and the types of XML take none: JSON is always UTF-8
    /// (RFC 8259 §11), and XML names its character set inside (RFC 7303 §3.2).
    fn is_text(self) -> bool {
        !self.is_complete && self.value.starts_with("text/")
    }

    /// True if a document of this type can name its character set in its first bytes. The field must
    /// not contradict it then.
    pub(crate) fn may_name_charset(self) -> bool {
        self.is_text() && matches!(self.value, "text/html" | "text/css" | "text/xml")
    }
}

/// The content coding that a file already has by its extension. Only compressed SVG is listed, because
/// browsers accept no other compressed type in place of its content (SVG 1.1 §1.2).
pub(crate) fn inherent_coding(path: &[u8]) -> Option<&'static str> {
    has_extension(file_name(path), "svgz").then_some("gzip")
}

impl TypeRule {
    /// Reads `EXTENSION=TYPE`, the form of the option `--type`.
    pub fn parse(option: &str) -> Result<TypeRule, SiteError> {
        let (extension, value) = option.split_once('=').ok_or_else(|| {
            SiteError::new(
                OPTION,
                option,
                "there is no '='; write it as 'log=text/plain'",
            )
        })?;
        let rule = TypeRule {
            extension: extension
                .trim()
                .trim_start_matches('.')
                .to_ascii_lowercase(),
            value: value.trim().to_owned(),
        };
        check(&rule)?;
        Ok(rule)
    }
}

/// True for a request that accepts a media type by name (RFC 9110 §12.5.1). Wildcards do not count: a
/// browser names the type of a page, while most other clients accept everything.
pub(crate) fn accepts(request: &Fields, essence: &[u8]) -> bool {
    let values = request.values("accept");
    let mut ranges = values.flat_map(|value| value.split(|byte| *byte == b','));
    ranges.any(|range| {
        let own = range.split(|byte| *byte == b';').next().unwrap_or(range);
        own.trim_ascii().eq_ignore_ascii_case(essence)
    })
}

const OPTION: &str = "--type";

fn check(rule: &TypeRule) -> Result<(), SiteError> {
    let error = |problem: &str| Err(SiteError::new(OPTION, &rule.extension, problem));
    if rule.extension.is_empty() || rule.extension.contains('/') {
        return error("name the end of a file's name, as in 'log=text/plain'");
    }
    let essence = rule.value.split(';').next().unwrap_or_default().trim_end();
    let is_token = |part: &str| {
        let is_sign = |byte: u8| b"!#$&-^_.+".contains(&byte);
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || is_sign(byte))
    };
    let is_type = essence
        .split_once('/')
        .is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
    if !is_type || !rule.value.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
        return error("its value is no media type; write one as in 'log=text/plain'");
    }
    Ok(())
}

fn has_extension(name: &[u8], extension: &str) -> bool {
    let Some(stem) = name.len().checked_sub(extension.len() + 1) else {
        return false;
    };
    let (_, end) = name.split_at(stem);
    matches!(end.split_first(), Some((b'.', end)) if end.eq_ignore_ascii_case(extension.as_bytes()))
}

fn built_in(name: &[u8]) -> &'static str {
    let extension = match name.iter().rposition(|byte| *byte == b'.') {
        Some(dot) => name.get(dot + 1..).unwrap_or_default(),
        None => return by_whole_name(name),
    };
    let Ok(extension) = std::str::from_utf8(extension) else {
        return UNKNOWN;
    };
    let extension = extension.to_ascii_lowercase();
    corrected(&extension)
        .or_else(|| registered(&extension))
        .unwrap_or(UNKNOWN)
}

/// Types of well-known file names without an extension.
fn by_whole_name(name: &[u8]) -> &'static str {
    match name {
        b"README" | b"LICENSE" | b"LICENCE" | b"COPYING" | b"NOTICE" | b"AUTHORS"
        | b"CHANGELOG" | b"CHANGES" | b"NEWS" | b"INSTALL" | b"TODO" | b"Makefile"
        | b"Dockerfile" => "text/plain",
        // Lists of checksums beside downloads, and the index files of Debian's repositories.
        b"MD5SUMS" | b"SHA1SUMS" | b"SHA256SUMS" | b"SHA512SUMS" | b"Release" | b"InRelease" => {
            "text/plain"
        }
        // Apple's file for universal links, which has no extension and must be JSON.
        b"apple-app-site-association" => "application/json",
        _ => UNKNOWN,
    }
}

/// Types of extensions that the table lacks, or gives another type than the web.
fn corrected(extension: &str) -> Option<&'static str> {
    Some(match extension {
        // A script for a browser as much as `.mjs` (RFC 9239), not for Node.js alone.
        "cjs" => "text/javascript",
        // Feeds, sitemaps and other files with this extension are text that browsers show.
        "xml" => "text/xml",
        // Rust, not a service description of 2004.
        "rs" => "text/plain",
        "zst" => "application/zstd",
        // Compressed: a coding of something, and no type (RFC 7932 registers none).
        "br" => UNKNOWN,
        _ => return None,
    })
}

/// The type of an extension in the table.
fn registered(extension: &str) -> Option<&'static str> {
    let mut lines = TABLE;
    // A binary search that cuts at the beginning of a line, until one line is left.
    while !lines.is_empty() {
        let middle = lines.len() / 2;
        let start = lines.get(..middle)?.rfind('\n').map_or(0, |end| end + 1);
        let (before, rest) = lines.split_at(start);
        let (line, behind) = rest.split_once('\n').unwrap_or((rest, ""));
        let (found, value) = line.split_once(' ')?;
        match extension.cmp(found) {
            Ordering::Less => lines = before,
            Ordering::Equal => return Some(value),
            Ordering::Greater => lines = behind,
        }
    }
    None
}

/// The character set that a document names in `head`: by `<meta>` in HTML, by `@charset` in CSS, by its
/// declaration in XML.
fn named_charset(head: &[u8]) -> Option<&[u8]> {
    let head = head.get(..HEAD_LEN).unwrap_or(head);
    if let Some(rest) = head.strip_prefix(b"@charset ") {
        return Some(word(rest));
    }
    let (key, until): (&[u8], &[u8]) = if head.starts_with(b"<?xml") {
        (b"encoding", b"?>")
    } else {
        (b"charset", b"<body")
    };
    let end = position(head, until).unwrap_or(head.len());
    let mut rest = head.get(..end).unwrap_or_default();
    while let Some(at) = position(rest, key) {
        rest = rest.get(at + key.len()..).unwrap_or_default();
        if let Some(value) = rest.trim_ascii_start().strip_prefix(b"=") {
            return Some(word(value.trim_ascii_start()));
        }
    }
    None
}

/// The name at the beginning of a value, without its quotes.
fn word(value: &[u8]) -> &[u8] {
    let value = match value {
        [b'"' | b'\'', value @ ..] => value,
        value => value,
    };
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+".contains(byte);
    let end = value
        .iter()
        .position(|byte| !is_part(byte))
        .unwrap_or(value.len());
    value.get(..end).unwrap_or_default()
}

/// The place of a lowercase word in a text of any case.
fn position(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len())
        .position(|window| window.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_accepted_by_its_name_alone() {
        let accepts_json = |value: &[u8]| {
            let mut request = Fields::new();
            request.push(b"accept", value);
            accepts(&request, b"application/json")
        };
        for value in [
            &b"application/json"[..],
            b"text/html, Application/JSON;q=0.5",
            b" application/json ;x=,",
        ] {
            assert!(accepts_json(value), "{value:?}");
        }
        for value in [&b""[..], b"*/*", b"application/*", b"application/json5"] {
            assert!(!accepts_json(value), "{value:?}");
        }
        assert!(!accepts(&Fields::new(), b"application/json"));
    }

    fn content_type(name: &str) -> String {
        let types = MediaTypes::default();
        types.content_type(types.of(name.as_bytes()), &DocumentHead::Needless)
    }

    #[test]
    fn the_types_of_the_web_are_right() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("a/style.css", "text/css; charset=utf-8"),
            ("app.js", "text/javascript; charset=utf-8"),
            ("app.mjs", "text/javascript; charset=utf-8"),
            ("APP.JS", "text/javascript; charset=utf-8"),
            ("app.js.map", "application/json"),
            ("data.json", "application/json"),
            ("site.webmanifest", "application/manifest+json"),
            ("logo.svg", "image/svg+xml"),
            ("logo.svgz", "image/svg+xml"),
            ("feed.xml", "text/xml; charset=utf-8"),
            ("feed.atom", "application/atom+xml"),
            ("notes.txt", "text/plain; charset=utf-8"),
            ("main.rs", "text/plain; charset=utf-8"),
            ("photo.avif", "image/avif"),
            ("photo.jxl", "image/jxl"),
            ("photo.webp", "image/webp"),
            ("photo.jpg", "image/jpeg"),
            ("image.png", "image/png"),
            ("favicon.ico", "image/vnd.microsoft.icon"),
            ("font.woff", "font/woff"),
            ("font.woff2", "font/woff2"),
            ("font.otf", "font/otf"),
            ("module.wasm", "application/wasm"),
            ("film.mp4", "video/mp4"),
            ("live.m3u8", "application/vnd.apple.mpegurl"),
            ("live0.ts", "video/mp2t"),
            ("live0.m4s", "video/iso.segment"),
            ("song.m4a", "audio/mp4"),
            ("scene.glb", "model/gltf-binary"),
            ("scene.usdz", "model/vnd.usdz+zip"),
            ("part.obj", "model/obj"),
            ("part.stl", "model/stl"),
            ("tool.rpm", "application/x-redhat-package-manager"),
            ("tool.deb", "application/x-debian-package"),
            ("paper.pdf", "application/pdf"),
            ("style.css.gz", "application/gzip"),
            ("style.css.zst", "application/zstd"),
            ("style.css.br", "application/octet-stream"),
            ("README", "text/plain; charset=utf-8"),
            ("a/LICENSE", "text/plain; charset=utf-8"),
            (".well-known/apple-app-site-association", "application/json"),
        ] {
            assert_eq!(content_type(name), expected, "{name}");
        }
    }

    #[test]
    fn files_of_unknown_kinds_are_bytes() {
        for name in [
            &b"LICENSES"[..],
            b"a.b/c",
            b"x.",
            b"x.unheard-of",
            b"x.\xff",
            b"",
        ] {
            assert_eq!(MediaTypes::default().of(name).value, UNKNOWN);
        }
    }

    #[test]
    fn every_line_of_the_table_is_found() {
        let mut lines = 0;
        for line in TABLE.lines() {
            let (extension, value) = line.split_once(' ').unwrap();
            assert_eq!(registered(extension), Some(value), "{extension}");
            lines += 1;
        }
        assert!(lines > 1_000);
        for extension in ["", "0", "a", "htm1", "zzzz", "~"] {
            assert_eq!(registered(extension), None, "{extension}");
        }
    }

    #[test]
    fn the_operator_has_the_last_word() {
        let rules = [
            "ts=text/x-typescript",
            ".tar.gz=application/x-gtar",
            "log=text/plain; charset=latin1",
        ];
        let mut config = Config {
            types: rules
                .iter()
                .map(|rule| TypeRule::parse(rule).unwrap())
                .collect(),
            ..Config::default()
        };
        let types = MediaTypes::new(&config).unwrap();
        let value = |types: &MediaTypes, name: &str| {
            types.content_type(types.of(name.as_bytes()), &DocumentHead::Needless)
        };
        assert_eq!(value(&types, "a.TS"), "text/x-typescript; charset=utf-8");
        assert_eq!(value(&types, "a.tar.gz"), "application/x-gtar");
        assert_eq!(value(&types, "a.gz"), "application/gzip");
        assert_eq!(value(&types, "tar.gz"), "application/gzip");
        assert_eq!(value(&types, "a.log"), "text/plain; charset=latin1");
        config.charset = Charset::Unsaid;
        let types = MediaTypes::new(&config).unwrap();
        assert_eq!(value(&types, "a.html"), "text/html");
        config.charset = Charset::Name("windows-1252".into());
        let types = MediaTypes::new(&config).unwrap();
        assert_eq!(value(&types, "a.html"), "text/html; charset=windows-1252");
    }

    #[test]
    fn wrong_rules_are_told_with_the_mend() {
        for rule in [
            "log",
            "=text/plain",
            "a/b=text/plain",
            "log=text",
            "log=a/b/c",
            "log=text/\nx",
            "log=",
        ] {
            let error = TypeRule::parse(rule).unwrap_err().to_string();
            assert!(error.contains("'log=text/plain'"), "{rule:?}: {error}");
        }
    }

    #[test]
    fn a_document_that_names_its_character_set_is_not_contradicted() {
        let types = MediaTypes::default();
        let value = |name: &str, head: &str| {
            let head = DocumentHead::Known(head.as_bytes().into());
            types.content_type(types.of(name.as_bytes()), &head)
        };
        for (name, head) in [
            ("a.html", "<!doctype html><META CHARSET=iso-8859-1>"),
            (
                "a.html",
                "<meta http-equiv=content-type content=\"text/html; charset = koi8-r\">",
            ),
            ("a.css", "@charset \"shift_jis\";"),
            ("a.xml", "<?xml version=\"1.0\" encoding='utf-16'?>"),
        ] {
            assert!(!value(name, head).contains("charset"), "{head}");
        }
        for (name, head) in [
            (
                "a.html",
                "<!doctype html><title>the charset of a page</title>",
            ),
            ("a.html", "<p><body>charset=x"),
            ("a.html", "<meta charset=UTF-8>"),
            ("a.html", "<meta charset='utf-8'>"),
            ("a.css", "@charset \"utf-8\";"),
            ("a.xml", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"),
            ("a.css", "a{}"),
            ("a.xml", "<?xml version=\"1.0\"?><a encoding='x'/>"),
        ] {
            assert!(value(name, head).ends_with("; charset=utf-8"), "{head}");
        }
        let far = format!("<!--{}--><meta charset=koi8-r>", "x".repeat(HEAD_LEN));
        assert!(value("a.html", &far).ends_with("; charset=utf-8"));
    }

    #[test]
    fn only_documents_that_may_name_a_character_set_are_looked_into() {
        let types = MediaTypes::default();
        let may = |name: &str| types.of(name.as_bytes()).may_name_charset();
        assert!(may("a.html") && may("a.css") && may("a.xml"));
        assert!(!may("a.js") && !may("a.txt") && !may("a.png") && !may("a.svg"));
    }
}
