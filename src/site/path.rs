//! From a request target to a path beneath the root.
//!
//! The target is decoded once and normalised before anything is opened. So every spelling of a path
//! becomes one name, and a rule that looks at the path (hidden files, cache rules, mounts) cannot be
//! bypassed by another spelling. The file system is protected a second time by
//! [`Files::open`](crate::world::Files::open), which never leaves the root.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// The longest path that is looked up, in bytes: one less than Linux's PATH_MAX. No file can have a
/// longer one.
pub const MAX_LEN: usize = 4095;

/// Characters that stay unescaped in a link: the unreserved ones of RFC 3986 §2.3 and the slash. None
/// of them has a meaning in HTML, in a header field, or as the beginning of a scheme or an authority.
const LITERAL: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// A path beneath the root: decoded, without empty or dot segments, without a slash at either end.
///
/// One `SitePath` is used for one request after another, so that parsing stops allocating.
#[derive(Debug, Default)]
pub struct SitePath {
    bytes: Vec<u8>,
    form: TargetForm,
}

/// Kind of the named thing, by the end of the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetForm {
    /// No slash at the end: a file, or a directory whose request is redirected.
    File,
    /// A slash at the end: a directory.
    #[default]
    Directory,
}

/// Reason why a target names nothing on the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// The target is no absolute path, or it has an invalid escape, NUL, a backslash, overlong UTF-8,
    /// or dot segments that leave the root.
    Malformed,
    /// The path is longer than any path of the file system.
    TooLong,
    /// A name in the path begins with a dot.
    Hidden,
}

impl PathError {
    /// The status of the answer to such a target.
    pub fn status(self) -> u16 {
        match self {
            PathError::Malformed => 400,
            // Not 414, because RFC 9112 §3 wants targets of 8,000 bytes accepted. No file can have so
            // long a name, so 404 is true.
            PathError::TooLong | PathError::Hidden => 404,
        }
    }
}

impl SitePath {
    /// An empty path, into which `target` is parsed without another allocation.
    pub fn with_room_for(target: &[u8]) -> Self {
        SitePath {
            // The slash at either end of `into_absolute`.
            bytes: Vec::with_capacity(target.len() + 2),
            form: TargetForm::Directory,
        }
    }

    /// The path from its first slash on, with a slash at the end of a directory.
    pub fn into_absolute(self) -> Vec<u8> {
        let mut whole = self.bytes;
        if self.form == TargetForm::Directory && !whole.is_empty() {
            whole.push(b'/');
        }
        whole.insert(0, b'/');
        whole
    }

    /// Parses the target of a request: path and query, in origin form (RFC 9112 §3.2.1).
    pub fn parse(&mut self, target: &[u8]) -> Result<(), PathError> {
        self.bytes.clear();
        self.form = TargetForm::Directory;
        if let Some(name) = plain_name(target) {
            self.form = TargetForm::File;
            self.bytes.extend_from_slice(name);
            return Ok(());
        }
        let (path, _) = split_query(target);
        let path = path.strip_prefix(b"/").ok_or(PathError::Malformed)?;
        for segment in path.split(|byte| *byte == b'/') {
            self.push(segment)?;
        }
        if self.bytes.len() > MAX_LEN {
            return Err(PathError::TooLong);
        }
        if is_overlong(&self.bytes) {
            return Err(PathError::Malformed);
        }
        if self.bytes.first() == Some(&b'.') || self.bytes.windows(2).any(|pair| pair == b"/.") {
            return self.check_hidden();
        }
        Ok(())
    }

    /// The decoded path; empty is the root.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The form of the target's end: with a slash, or without.
    pub fn form(&self) -> TargetForm {
        self.form
    }

    /// The last segment; empty for a directory.
    pub fn file_name(&self) -> &[u8] {
        match self.form {
            TargetForm::File => file_name(&self.bytes),
            TargetForm::Directory => b"",
        }
    }

    /// Appends one segment of the target, decoded (RFC 3986 §2.1), and follows dot segments (RFC 3986
    /// §5.2.4). An encoded dot is a dot, and an encoded slash separates segments like a plain one:
    /// package managers ask for `@scope%2fname`, and nginx and lighttpd read it so.
    fn push(&mut self, segment: &[u8]) -> Result<(), PathError> {
        let (end, start) = self.begin();
        let slashes = decode(segment, &mut self.bytes)?;
        if slashes == 0 {
            return self.settle(end, start);
        }
        let decoded = self.bytes.split_off(start);
        self.bytes.truncate(end);
        for segment in decoded.split(|byte| *byte == b'/') {
            let (end, start) = self.begin();
            self.bytes.extend_from_slice(segment);
            self.settle(end, start)?;
        }
        Ok(())
    }

    /// Begins a segment. Returns the place where the path ended before, and the place where the segment
    /// starts.
    fn begin(&mut self) -> (usize, usize) {
        let end = self.bytes.len();
        if end > 0 {
            self.bytes.push(b'/');
        }
        (end, self.bytes.len())
    }

    /// Follows the segment that was appended from `start` on, if it is a dot segment.
    fn settle(&mut self, end: usize, start: usize) -> Result<(), PathError> {
        self.form = TargetForm::Directory;
        match self.bytes.get(start..).unwrap_or_default() {
            b"" | b"." => self.bytes.truncate(end),
            b".." if end == 0 => return Err(PathError::Malformed),
            b".." => {
                let before = self.bytes.get(..end).unwrap_or_default();
                let parent = before.iter().rposition(|byte| *byte == b'/');
                self.bytes.truncate(parent.unwrap_or(0));
            }
            _ => self.form = TargetForm::File,
        }
        Ok(())
    }

    /// Refuses hidden names: those that begin with a dot, except `.well-known` at the root (RFC 8615
    /// §3).
    fn check_hidden(&self) -> Result<(), PathError> {
        let mut segments = self.bytes.split(|byte| *byte == b'/');
        let first = segments.next().unwrap_or_default();
        if (is_hidden(first) && first != b".well-known") || segments.any(is_hidden) {
            return Err(PathError::Hidden);
        }
        Ok(())
    }
}

/// The path of a target that says what it means: segments of letters, digits and a few signs, none of them empty
/// or begun by a dot, and no slash at the end. That is most of them, and it takes no more than one look at each byte.
fn plain_name(target: &[u8]) -> Option<&[u8]> {
    let name = target.strip_prefix(b"/")?;
    let mut before = b'/';
    for &byte in name {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {}
            b'/' | b'.' if before != b'/' => {}
            _ => return None,
        }
        before = byte;
    }
    (before != b'/' && name.len() <= MAX_LEN).then_some(name)
}

/// The path of a target from its first slash on, decoded and normalised, with a slash at its end where the target has
/// one.
pub fn absolute_path(target: &[u8]) -> Result<Cow<'_, [u8]>, PathError> {
    let (plain, _) = split_query(target);
    if plain_name(plain).is_some() {
        return Ok(Cow::Borrowed(plain));
    }
    let mut path = SitePath::with_room_for(target);
    path.parse(target)?;
    Ok(Cow::Owned(path.into_absolute()))
}

/// Splits a target at its first question mark.
pub fn split_query(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut parts = target.splitn(2, |byte| *byte == b'?');
    (parts.next().unwrap_or_default(), parts.next())
}

/// The last segment of a path.
pub fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// A path in the form that links and `Location` have.
pub fn encode(path: &[u8]) -> impl Iterator<Item = &str> {
    percent_encode(path, LITERAL)
}

/// True if [`SitePath::parse`] can give the name. A listing shows no other names.
pub fn is_reachable(name: &[u8], directory: &[u8]) -> bool {
    let hidden = is_hidden(name) && !(name == b".well-known" && directory.is_empty());
    !hidden && !name.contains(&b'\\') && !is_overlong(name)
}

fn is_hidden(segment: &[u8]) -> bool {
    segment.first() == Some(&b'.')
}

/// Appends a segment with its escapes decoded, and counts the slashes among them.
fn decode(segment: &[u8], out: &mut Vec<u8>) -> Result<usize, PathError> {
    let mut slashes = 0;
    let mut rest = segment.iter();
    while let Some(&byte) = rest.next() {
        let decoded = match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| (*digit as char).to_digit(16));
                match (digit(), digit()) {
                    (Some(high), Some(low)) => (high * 16 + low) as u8,
                    _ => return Err(PathError::Malformed),
                }
            }
            // A request target never has a fragment (RFC 9112 §3.2).
            b'#' => return Err(PathError::Malformed),
            byte => byte,
        };
        match decoded {
            0 | b'\\' => return Err(PathError::Malformed),
            decoded => {
                slashes += usize::from(decoded == b'/');
                out.push(decoded);
            }
        }
    }
    Ok(slashes)
}

/// True if the bytes spell a character longer than UTF-8 allows (RFC 3629 §3), a classic disguise of
/// dots and slashes. Other bytes that are not UTF-8 are allowed in names.
fn is_overlong(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| {
        matches!(
            pair,
            [0xc0 | 0xc1, 0x80..=0xbf] | [0xe0, 0x80..=0x9f] | [0xf0, 0x80..=0x8f]
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(target: impl AsRef<[u8]>) -> Result<(String, TargetForm), PathError> {
        let mut path = SitePath::default();
        path.parse(target.as_ref())?;
        let bytes = path.as_bytes().to_vec();
        Ok((String::from_utf8_lossy(&bytes).into_owned(), path.form()))
    }

    fn file(path: &str) -> Result<(String, TargetForm), PathError> {
        Ok((path.to_owned(), TargetForm::File))
    }

    fn directory(path: &str) -> Result<(String, TargetForm), PathError> {
        Ok((path.to_owned(), TargetForm::Directory))
    }

    #[test]
    fn a_plain_target_has_the_path_that_it_would_have_decoded() {
        for target in [
            "/",
            "/a",
            "/a/b.txt?q=/../x",
            "/%61",
            "//a",
            "/a/",
            "/a/..",
            "/.a",
            "/a?",
            "a",
            "*",
            "",
        ] {
            let mut path = SitePath::default();
            let parsed = path.parse(target.as_bytes());
            let expected = parsed.map(|()| path.into_absolute());
            let found = absolute_path(target.as_bytes()).map(Cow::into_owned);
            assert_eq!(found, expected, "{target}");
        }
    }

    #[test]
    fn a_target_becomes_one_path_however_it_is_spelled() {
        assert_eq!(parse("/"), directory(""));
        assert_eq!(parse("/a/b.txt?q=/../x"), file("a/b.txt"));
        assert_eq!(parse("/%61/%62.txt"), file("a/b.txt"));
        assert_eq!(parse("//a///b.txt"), file("a/b.txt"));
        assert_eq!(parse("/a/./b/../c"), file("a/c"));
        assert_eq!(parse("/a/%2e/b/%2E%2e/c"), file("a/c"));
        assert_eq!(parse("/a/b/"), directory("a/b"));
        assert_eq!(parse("/a/b/."), directory("a/b"));
        assert_eq!(parse("/a/b/.."), directory("a"));
        assert_eq!(parse("/a/.."), directory(""));
        assert_eq!(parse("/caf%C3%A9 x"), file("café x"));
    }

    #[test]
    fn an_encoded_slash_separates_segments_like_any_other() {
        assert_eq!(parse("/@scope%2fname"), file("@scope/name"));
        assert_eq!(
            parse("/@scope%2Fname/-/name-1.0.0.tgz"),
            file("@scope/name/-/name-1.0.0.tgz")
        );
        assert_eq!(parse("/a%2f%2f.%2f..%2fb"), file("b"));
        assert_eq!(parse("/a%2f"), directory("a"));
        assert_eq!(parse("/%2fevil.com"), file("evil.com"));
        assert_eq!(parse("/a%252fb"), file("a%2fb"));
        assert_eq!(parse("/a%2f.git%2fconfig"), Err(PathError::Hidden));
    }

    #[test]
    fn decoding_happens_once() {
        assert_eq!(parse("/%252e%252e/x"), file("%2e%2e/x"));
        assert_eq!(parse("/%%32%65"), Err(PathError::Malformed));
    }

    #[test]
    fn what_could_leave_the_root_is_refused() {
        for target in [
            "/..",
            "/../x",
            "/a/../../x",
            "/%2e%2e/x",
            "/.%2e/x",
            "/..%2fx",
            "/a%2f..%2F%2e%2e/x",
            "/%2f../x",
            "/a\\b",
            "/a%5cb",
            "/a%00b",
            "/a\0b",
            "/%",
            "/%4",
            "/%zz",
            "/%+1",
            "/a#b",
            "/%c0%ae%c0%ae/x",
            "/%e0%80%ae",
            "/%f0%80%80%ae",
            "",
            "*",
            "a",
            "http://host/a",
        ] {
            assert_eq!(parse(target), Err(PathError::Malformed), "{target}");
        }
    }

    #[test]
    fn names_that_are_not_utf8_are_names() {
        let mut path = SitePath::default();
        path.parse(b"/caf%e9").unwrap();
        assert_eq!(path.as_bytes(), b"caf\xe9");
        path.parse(b"/caf\xe9").unwrap();
        assert_eq!(path.as_bytes(), b"caf\xe9");
    }

    #[test]
    fn dotfiles_are_hidden_but_well_known() {
        for target in [
            "/.git/config",
            "/a/.env",
            "/%2egit",
            "/.well-known/.x",
            "/a/.well-known/x",
            "/...",
            "/a/..b",
        ] {
            assert_eq!(parse(target), Err(PathError::Hidden), "{target}");
        }
        assert_eq!(
            parse("/.well-known/security.txt"),
            file(".well-known/security.txt")
        );
        assert_eq!(parse("/.git/../a"), file("a"));
        assert_eq!(parse("/a.b"), file("a.b"));
    }

    #[test]
    fn a_path_longer_than_any_file_has_is_refused() {
        let target = format!("/{}", "a".repeat(MAX_LEN));
        assert!(parse(&target).is_ok());
        assert_eq!(parse(target + "a"), Err(PathError::TooLong));
    }

    #[test]
    fn an_encoded_path_can_neither_name_a_host_nor_end_an_attribute() {
        let encoded: String = encode("a b/\"<é>'&:@?#%\\".as_bytes()).collect();
        assert_eq!(encoded, "a%20b/%22%3C%C3%A9%3E%27%26%3A%40%3F%23%25%5C");
    }

    proptest! {
        /// A target that begins with a dot segment is not plain.
        #[test]
        fn a_plain_target_means_what_another_spelling_of_it_means(target in "[a-z/.~%2?]{0,12}") {
            let other = parse(format!("/./{target}"));
            prop_assert_eq!(parse(format!("/{target}")), other);
        }

        #[test]
        fn every_path_that_is_accepted_is_plain(target in proptest::collection::vec(
            prop_oneof![Just(b'/'), Just(b'.'), Just(b'%'), Just(b'2'), Just(b'e'), Just(b'f'), any::<u8>()],
            0..40,
        )) {
            let mut path = SitePath::default();
            if path.parse(&[b"/", &target[..]].concat()).is_ok() && !path.as_bytes().is_empty() {
                for segment in path.as_bytes().split(|byte| *byte == b'/') {
                    prop_assert!(!matches!(segment, b"" | b"." | b".."));
                    prop_assert!(!segment.contains(&0) && !segment.contains(&b'\\'));
                }
            }
        }

        #[test]
        fn what_is_encoded_is_decoded_to_the_same_path(name in "[^/\\\\\\x00.][^/\\\\\\x00]{0,20}") {
            let target: String = std::iter::once("/").chain(encode(name.as_bytes())).collect();
            let mut path = SitePath::default();
            path.parse(target.as_bytes()).unwrap();
            prop_assert_eq!(path.as_bytes(), name.as_bytes());
        }
    }
}
