//! The end of a head or trailer section, found byte by byte as it arrives.
//!
//! A section is parsed only once it is whole. Until then every byte is looked at exactly once, so a
//! client that sends one byte at a time costs no more than one that sends all at once, and a section
//! that is over a limit or holds a forbidden byte is refused at the byte that proves it. Because it is
//! always the lowest such byte, the answer does not depend on the cuts of the input.

use super::error::Error;
use crate::http::first_control;
use crate::http::grammar::is_token_byte;

/// Methods are 7 letters long, WebDAV's and its relatives' up to 17. RFC 9112 §3 asks for 501 where
/// a method is longer than any that the server knows.
const LONGEST_METHOD: usize = 32;

/// Progress of the scan of a section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// Number of bytes that need no second look.
    position: u32,
    /// The beginning of the line that `position` is in.
    line_start: u32,
    /// Number of lines before that one.
    lines: u16,
    /// Number of those lines that are `Cookie`.
    crumbs: u16,
}

/// Bounds of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The line before the fields.
    pub(super) first_line: FirstLine,
    /// The most bytes in all, the empty line at the end included.
    pub(super) bytes: usize,
    /// The most field lines, without those of `Cookie` in a head.
    pub(super) fields: usize,
    /// The most lines of `Cookie` in a head.
    pub(super) crumbs: usize,
}

/// The line that a section begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirstLine {
    /// A request line of at most this many bytes.
    Request(usize),
    /// A status line.
    Status,
    /// None: a trailer section has fields alone.
    Absent,
}

/// The name of the field that may come in crumbs, and its colon.
const COOKIE: &[u8] = b"cookie:";

/// Number of bytes that a line of `Cookie` takes beyond those that it would add to the line before: its
/// name, colon, blank and line end against a semicolon and a blank. They are not counted, so that a
/// head is as long in crumbs as in one line.
const CRUMB: usize = COOKIE.len() + 1;

impl Scan {
    /// True if no byte was seen yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.position == 0
    }

    /// Looks at the bytes that have arrived since the last call. `input` begins where the section
    /// begins. Returns the section's length once its end is there.
    pub(super) fn advance(
        &mut self,
        input: &[u8],
        bounds: &Bounds,
    ) -> Result<Option<usize>, Error> {
        let mut position = self.position as usize;
        if let FirstLine::Request(_) = bounds.first_line
            && position <= LONGEST_METHOD
        {
            check_method(input)?;
        }
        loop {
            let unseen = input.get(position..).unwrap_or_default();
            let Some(offset) = first_control(unseen) else {
                self.check_length(input.len(), bounds)?;
                self.position = input.len() as u32;
                return Ok(None);
            };
            let at = position + offset;
            if let Some([b'\r', b'\n', ..]) = input.get(at..) {
                if self.end_line(input, at, bounds)? {
                    return Ok(Some(at + 2));
                }
                position = at + 2;
                continue;
            }
            self.check_length(at, bounds)?;
            match (input.get(at), input.get(at + 1)) {
                // The parser judges if a tab may stand there.
                (Some(b'\t'), _) => position = at + 1,
                (Some(b'\r'), None) => {
                    self.position = at as u32;
                    return Ok(None);
                }
                (Some(b'\r'), Some(_)) => return Err(Error::BareCarriageReturn),
                (Some(b'\n'), _) => return Err(Error::BareLineFeed),
                _ => return Err(Error::ControlCharacter),
            }
        }
    }

    /// Refuses a section of which `length` bytes are there and which has not ended.
    fn check_length(&self, length: usize, bounds: &Bounds) -> Result<(), Error> {
        match bounds.first_line {
            FirstLine::Request(limit) if self.lines == 0 && length > limit => {
                Err(Error::RequestLineTooLong)
            }
            _ if length >= bounds.bytes && length >= self.most_bytes(bounds) => {
                Err(Error::HeadTooLarge)
            }
            _ => Ok(()),
        }
    }

    fn most_bytes(&self, bounds: &Bounds) -> usize {
        bounds
            .bytes
            .saturating_add(CRUMB * usize::from(self.crumbs))
    }

    /// Lines of the section so far, the first one of a head included.
    pub(super) fn field_lines(&self) -> usize {
        usize::from(self.lines)
    }

    /// Notes the end of a line at `at`, its line end not included. Returns true for the empty line.
    fn end_line(&mut self, input: &[u8], at: usize, bounds: &Bounds) -> Result<bool, Error> {
        let (start, end) = (self.line_start as usize, at + 2);
        let mut first_lines = 0;
        if bounds.first_line != FirstLine::Absent {
            first_lines = 1;
            if self.lines == 0 {
                self.check_length(at, bounds)?;
            }
        }
        if end > bounds.bytes && end > self.most_bytes(bounds) {
            return Err(Error::HeadTooLarge);
        }
        if at == start {
            return Ok(true);
        }
        self.line_start = end as u32;
        self.lines = self.lines.saturating_add(1);
        // Few names begin with that letter.
        if let Some(b'c' | b'C') = input.get(start)
            && matches!(bounds.first_line, FirstLine::Request(_))
            && is_crumb(input.get(start..at).unwrap_or_default())
        {
            self.crumbs = self.crumbs.saturating_add(1);
            if usize::from(self.crumbs) > bounds.crumbs {
                return Err(Error::TooManyFields);
            }
        }
        let others = usize::from(self.lines.saturating_sub(self.crumbs));
        if others > bounds.fields.saturating_add(first_lines) {
            return Err(Error::TooManyFields);
        }
        Ok(false)
    }
}

/// True for a line of `Cookie`.
fn is_crumb(line: &[u8]) -> bool {
    let name = line.get(..COOKIE.len()).unwrap_or_default();
    name.eq_ignore_ascii_case(COOKIE)
}

/// Refuses input that cannot begin with a method. Bytes that are no token there are no HTTP, for
/// example a TLS handshake, and need not be waited for.
fn check_method(input: &[u8]) -> Result<(), Error> {
    let start = input.get(..=LONGEST_METHOD).unwrap_or(input);
    match start.iter().position(|byte| !is_token_byte(*byte)) {
        Some(0) => Err(Error::Method),
        Some(length) if input.get(length) == Some(&b' ') => Ok(()),
        Some(_) => Err(Error::Method),
        None if start.len() > LONGEST_METHOD => Err(Error::MethodTooLong),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        first_line: FirstLine::Request(40),
        bytes: 100,
        fields: 3,
        crumbs: 2,
    };

    /// The result of a scan that gets the bytes in pieces of this size.
    fn scan(input: &[u8], piece: usize) -> Result<Option<usize>, Error> {
        let mut scan = Scan::default();
        let mut end = 0;
        while end < input.len() {
            end = input.len().min(end + piece);
            match scan.advance(&input[..end], &BOUNDS) {
                Ok(None) => {}
                result => return result,
            }
        }
        Ok(None)
    }

    #[test]
    fn the_result_is_the_same_however_the_input_is_cut() {
        let long_line = [b"GET /".as_slice(), &[b'a'; 26], b" HTTP/1.1"].concat();
        let head = |fields: &[u8]| [&long_line, b"\r\n".as_slice(), fields, b"\r\n"].concat();
        let cases = [
            (head(b"a: b\r\n"), Ok(Some(50))),
            (head(b"a: b\r\nc: d\r\ne: f\r\n"), Ok(Some(62))),
            (head(b"a:\r\nb:\r\nc:\r\nd:\r\n"), Err(Error::TooManyFields)),
            (head(b"cookie:\r\na: b\r\nCookie:c\r\n"), Ok(Some(69))),
            (
                head(b"cookie:\r\ncookie:\r\ncookie:\r\n"),
                Err(Error::TooManyFields),
            ),
            (
                head(&[b"cookie: a\r\n", &[b'a'; 51][..], b"\r\n"].concat()),
                Ok(Some(108)),
            ),
            (
                head(&[b"cookie: a\r\n", &[b'a'; 52][..], b"\r\n"].concat()),
                Err(Error::HeadTooLarge),
            ),
            (head(&[&[b'a'; 54][..], b"\r\n"].concat()), Ok(Some(100))),
            (
                head(&[&[b'a'; 55][..], b"\r\n"].concat()),
                Err(Error::HeadTooLarge),
            ),
            (
                head(&[&[b'a'; 58][..], b"\0"].concat()),
                Err(Error::HeadTooLarge),
            ),
            (
                head(&[&[b'a'; 57][..], b"\0"].concat()),
                Err(Error::ControlCharacter),
            ),
            (
                [&long_line[..], b"1\r\n\r\n"].concat(),
                Err(Error::RequestLineTooLong),
            ),
            (
                [&long_line[..], b"1\0"].concat(),
                Err(Error::RequestLineTooLong),
            ),
            (
                [&long_line[..], b"\0"].concat(),
                Err(Error::ControlCharacter),
            ),
            ([b'A'; 33].to_vec(), Err(Error::MethodTooLong)),
            ([[b'A'; 32].as_slice(), b" "].concat(), Ok(None)),
            (b"G\x16T / HTTP/1.1".to_vec(), Err(Error::Method)),
            (b"GET /\r \n".to_vec(), Err(Error::BareCarriageReturn)),
        ];
        assert_eq!(long_line.len(), 40);
        for (input, expected) in cases {
            for piece in 1..=input.len() {
                let name = input.escape_ascii();
                assert_eq!(scan(&input, piece), expected, "{name} by {piece}");
            }
        }
    }
}
