//! The configuration of a site: the directory, and the rules for what is made of its files.

use std::path::PathBuf;

/// The index of a directory, unless the operator names others.
const INDEX: &str = "index.html";

/// A directory that is served, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// The directory at `/`.
    pub root: PathBuf,
    /// Answer a directory without an index with a listing.
    pub listing: bool,
    /// Answer a path that does not exist with `/index.html`, for sites routed in the browser.
    pub spa: bool,
    /// Answer `/about` with `about.html`, and send clients from there to `/about`.
    pub clean_urls: bool,
    /// Files that answer for their directory; the first that is there does.
    pub index: Vec<String>,
    /// Answer a page that does not exist with this file of the site, relative to the root; before `spa`.
    pub fallback: Option<String>,
    /// Files of the site that are the pages of errors, by status.
    pub error_pages: Vec<(u16, String)>,
    /// Mount `/echo`, `/json`, `/html`, and the answers for load tests.
    pub demo: bool,
    /// `Cache-Control` by pattern, first match wins.
    pub cache: Vec<CacheRule>,
    /// Fields added to every response.
    pub headers: Vec<(String, String)>,
    /// Media types by extension, first match wins, before the built-in table.
    pub types: Vec<TypeRule>,
    /// The character set of text that does not name its own.
    pub charset: Charset,
    /// Files with a strong entity tag.
    pub entity_tags: EntityTags,
    /// Bytes of hot files (content and response fields) kept in memory. 1.5 MiB hold the pages and
    /// styles that most requests are for, and leave the rest to the page cache.
    pub cache_memory: usize,
    /// Open files at a time that responses are sent from. Beyond them, the least recently used one is
    /// closed until its reader goes on. One for each connection: where the system's limit of open files
    /// is lower, both are fewer.
    pub open_files: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            root: PathBuf::from("public"),
            listing: false,
            spa: false,
            clean_urls: false,
            index: vec![INDEX.into()],
            fallback: None,
            error_pages: Vec::new(),
            demo: false,
            cache: Vec::new(),
            headers: Vec::new(),
            types: Vec::new(),
            charset: Charset::default(),
            entity_tags: EntityTags::Auto,
            cache_memory: 1_536 << 10,
            open_files: 20_000,
        }
    }
}

/// Files with a strong entity tag, for which all of their content must be read. The others have a weak one,
/// made of their metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EntityTags {
    /// Files of up to 1 MiB, and longer ones once their bytes have all passed on their way to a reader.
    #[default]
    Auto,
    /// All files, which are read for it.
    Content,
}

/// `Cache-Control` for the paths that a pattern matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheRule {
    /// A glob on the path without its leading slash, such as `assets/**`.
    pub pattern: String,
    /// The field's value, such as `max-age=31536000, immutable`.
    pub value: String,
}

/// The media type of files whose names have an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeRule {
    /// The end of a name behind a dot, in lowercase, such as `log` or `tar.gz`.
    pub extension: String,
    /// The value of `Content-Type`, such as `text/plain`. One with a parameter gets no `charset`.
    pub value: String,
}

/// Character set of text (the parameter `charset` of `Content-Type`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Charset {
    /// A name, such as `utf-8`.
    Name(String),
    /// No parameter: browsers guess.
    Unsaid,
}

impl Default for Charset {
    /// UTF-8, as nearly everything that is written today is.
    fn default() -> Self {
        Charset::Name("utf-8".into())
    }
}
