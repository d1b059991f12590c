//! `multipart/form-data` (RFC 7578), cut into its files as it comes. Nothing is kept but an unfinished line.

/// The longest head of a part: a name of a file, and a type.
const MOST_HEAD: usize = 8 << 10;

/// The longest boundary (RFC 2046 §5.1.1).
const MOST_BOUNDARY: usize = 70;

/// The receiver of a form's parts.
pub(super) trait FormParts {
    /// The reason for which it takes no more.
    type Error;
    /// A part begins: a file of this name, or a field, which has none.
    fn begin(&mut self, file_name: Option<&[u8]>) -> Result<(), Self::Error>;
    /// Content of the part, at least a byte.
    fn content(&mut self, data: &[u8]) -> Result<(), Self::Error>;
    /// The part has ended.
    fn end(&mut self) -> Result<(), Self::Error>;
}

/// The reason for which a form cannot be read on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FormError<E> {
    /// It is not what its type says.
    Malformed(&'static str),
    /// The receiver's.
    Parts(E),
}

/// A parser of one form.
pub(super) struct FormParser {
    /// The end of a line, two hyphens and the boundary.
    delimiter: Vec<u8>,
    /// Input that could not be told from a delimiter, or a head, yet.
    rest: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first delimiter.
    Preamble,
    /// Behind a delimiter.
    Delimiter,
    /// In the head of a part.
    Head,
    /// In the content of a part.
    Content,
    /// Behind the last delimiter.
    Epilogue,
}

impl FormParser {
    /// A parser for content of this type; `None` if it is no form with a boundary.
    pub(super) fn new(content_type: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(content_type).ok()?;
        let (kind, parameters) = text.split_once(';')?;
        if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
            return None;
        }
        let boundary = parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let is_boundary = name.trim().eq_ignore_ascii_case("boundary");
            is_boundary.then(|| value.trim().trim_matches('"'))
        })?;
        let is_valid = !boundary.is_empty() && boundary.len() <= MOST_BOUNDARY;
        is_valid.then(|| FormParser {
            delimiter: [b"\r\n--", boundary.as_bytes()].concat(),
            // The first delimiter may stand at the very beginning, without the end of a line.
            rest: b"\r\n".to_vec(),
            state: State::Preamble,
        })
    }

    /// True behind the last delimiter.
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::Epilogue
    }

    /// Takes the next bytes.
    pub(super) fn receive<P: FormParts>(
        &mut self,
        data: &[u8],
        parts: &mut P,
    ) -> Result<(), FormError<P::Error>> {
        let mut input = std::mem::take(&mut self.rest);
        input.extend_from_slice(data);
        let mut at = 0;
        while let Some(taken) = self.step(input.get(at..).unwrap_or_default(), parts)? {
            at += taken;
        }
        input.drain(..at);
        // What is left is shorter than a head or a delimiter.
        input.shrink_to_fit();
        self.rest = input;
        Ok(())
    }

    /// Takes a part of the input, and returns its length; `None` if more is needed.
    fn step<P: FormParts>(
        &mut self,
        input: &[u8],
        parts: &mut P,
    ) -> Result<Option<usize>, FormError<P::Error>> {
        match self.state {
            State::Epilogue => Ok((!input.is_empty()).then_some(input.len())),
            State::Preamble | State::Content => self.pass_content(input, parts),
            State::Delimiter => match input {
                [b'-', b'-', ..] => {
                    self.state = State::Epilogue;
                    Ok(Some(2))
                }
                [b'\r', b'\n', ..] => {
                    self.state = State::Head;
                    // The end of the line stays: a head may be empty.
                    Ok(Some(0))
                }
                // RFC 2046 §5.1.1: spaces may stand behind a boundary.
                [b' ' | b'\t', ..] => Ok(Some(1)),
                [] | [b'-' | b'\r'] => Ok(None),
                _ => Err(FormError::Malformed(
                    "a boundary is followed by something else",
                )),
            },
            State::Head => match find(input, b"\r\n\r\n") {
                Some(end) if end <= MOST_HEAD => {
                    let head = input.get(..end).unwrap_or_default();
                    parts
                        .begin(file_name(head).as_deref())
                        .map_err(FormError::Parts)?;
                    self.state = State::Content;
                    Ok(Some(end + 4))
                }
                None if input.len() <= MOST_HEAD => Ok(None),
                _ => Err(FormError::Malformed("the head of a part is too long")),
            },
        }
    }

    /// Passes what stands before the next delimiter.
    fn pass_content<P: FormParts>(
        &mut self,
        input: &[u8],
        parts: &mut P,
    ) -> Result<Option<usize>, FormError<P::Error>> {
        let found = find(input, &self.delimiter);
        // A delimiter may begin in the last bytes.
        let end = found.unwrap_or_else(|| {
            let kept = (1..self.delimiter.len()).rev();
            let kept = kept.filter(|&len| len <= input.len());
            let mut begun =
                kept.filter(|&len| input.get(input.len() - len..) == self.delimiter.get(..len));
            input.len() - begun.next().unwrap_or(0)
        });
        let content = input.get(..end).unwrap_or_default();
        if self.state == State::Content {
            if !content.is_empty() {
                parts.content(content).map_err(FormError::Parts)?;
            }
            if found.is_some() {
                parts.end().map_err(FormError::Parts)?;
            }
        }
        if found.is_some() {
            self.state = State::Delimiter;
            return Ok(Some(end + self.delimiter.len()));
        }
        Ok((end > 0).then_some(end))
    }
}

/// The place of a needle, which begins with a character that is rare in a file.
fn find(input: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    loop {
        let rest = input.get(from..)?;
        let at = from + rest.iter().position(|byte| *byte == first)?;
        if input.get(at..)?.starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// The name of a part's file, of its head.
fn file_name(head: &[u8]) -> Option<Vec<u8>> {
    const FIELD: &[u8] = b"content-disposition:";
    let mut lines = head.split(|byte| *byte == b'\n');
    let line = lines.find(|line| {
        let name = line.get(..FIELD.len());
        name.is_some_and(|name| name.eq_ignore_ascii_case(FIELD))
    })?;
    let at = find_parameter(line, b"filename=")?;
    let value = line.get(at..)?;
    let Some(quoted) = value.strip_prefix(b"\"") else {
        let end = value.iter().position(|byte| b";\r".contains(byte));
        return Some(value.get(..end.unwrap_or(value.len()))?.to_vec());
    };
    let end = quoted.iter().position(|byte| *byte == b'"')?;
    Some(unescape(quoted.get(..end)?))
}

/// The place behind the name of a parameter, which is no end of another name.
fn find_parameter(line: &[u8], name: &[u8]) -> Option<usize> {
    let mut places = line.windows(name.len()).enumerate();
    let (at, _) = places.find(|(at, window)| {
        let before = at.checked_sub(1).and_then(|before| line.get(before));
        window.eq_ignore_ascii_case(name) && matches!(before, Some(b' ' | b';' | b'\t'))
    })?;
    Some(at + name.len())
}

/// A name as browsers write it: a quotation mark and the ends of lines are percent-encoded (HTML §4.10.21.8).
fn unescape(name: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(name);
    let text = text
        .replace("%22", "\"")
        .replace("%0D", "\r")
        .replace("%0A", "\n");
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of a form, as they were received.
    #[derive(Default, Debug, PartialEq, Eq)]
    struct Collected(Vec<(Option<String>, Vec<u8>, &'static str)>);

    impl FormParts for Collected {
        type Error = ();

        fn begin(&mut self, file_name: Option<&[u8]>) -> Result<(), ()> {
            let name = file_name.map(|name| String::from_utf8(name.to_vec()).unwrap());
            self.0.push((name, Vec::new(), "open"));
            Ok(())
        }

        fn content(&mut self, data: &[u8]) -> Result<(), ()> {
            self.0.last_mut().unwrap().1.extend_from_slice(data);
            Ok(())
        }

        fn end(&mut self) -> Result<(), ()> {
            self.0.last_mut().unwrap().2 = "whole";
            Ok(())
        }
    }

    const TYPE: &[u8] = b"multipart/form-data; boundary=\"b1\"";

    const FORM: &str = "preamble\r\n--b1\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nfield\r\n\
        --b1 \r\ncontent-disposition: form-data; name=\"filename=\"; filename=\"a%22.txt\"\r\n\
        Content-Type: text/plain\r\n\r\n\r\n--b\r\n--b2\r\r\n\r\n--b1\r\n\
        Content-Disposition: form-data; name=f; filename=b\r\n\r\n\r\n--b1--\r\nepilogue --b1";

    fn parse(pieces: &[&[u8]]) -> (Collected, bool) {
        let mut parser = FormParser::new(TYPE).unwrap();
        let mut parts = Collected::default();
        for piece in pieces {
            parser.receive(piece, &mut parts).unwrap();
        }
        (parts, parser.is_complete())
    }

    #[test]
    fn a_form_cut_at_every_byte_has_the_same_parts() {
        let wanted = Collected(vec![
            (None, b"field".to_vec(), "whole"),
            (
                Some("a\".txt".into()),
                b"\r\n--b\r\n--b2\r\r\n".to_vec(),
                "whole",
            ),
            (Some("b".into()), Vec::new(), "whole"),
        ]);
        let form = FORM.as_bytes();
        assert_eq!(parse(&[form]), (wanted, true));
        let (wanted, _) = parse(&[form]);
        for cut in 0..form.len() {
            let (first, second) = form.split_at(cut);
            assert_eq!(parse(&[first, second]).0, wanted, "cut at {cut}");
        }
        let bytes: Vec<_> = form.chunks(1).collect();
        assert_eq!(parse(&bytes), (wanted, true));
    }

    #[test]
    fn a_form_that_was_cut_off_is_not_complete() {
        let end = FORM.find("--\r\nepilogue").unwrap();
        for len in 0..end + 1 {
            assert!(!parse(&[&FORM.as_bytes()[..len]]).1, "{len} bytes");
        }
    }

    #[test]
    fn other_content_is_no_form() {
        for content_type in [
            "",
            "multipart/form-data",
            "multipart/mixed; boundary=b",
            "text/plain; boundary=b",
        ] {
            assert!(
                FormParser::new(content_type.as_bytes()).is_none(),
                "{content_type}"
            );
        }
        let refused = |form: &[u8]| {
            let mut parser = FormParser::new(TYPE).unwrap();
            parser.receive(form, &mut Collected::default()).is_err()
        };
        assert!(refused(b"--b1x\r\n"));
        let head = [b"--b1\r\nA: ".as_slice(), &vec![b'x'; MOST_HEAD]].concat();
        assert!(refused(&head));
    }

    #[test]
    fn little_is_kept_of_a_long_part() {
        let mut parser = FormParser::new(TYPE).unwrap();
        let mut parts = Collected::default();
        parser.receive(b"--b1\r\n\r\n", &mut parts).unwrap();
        parser.receive(&[b'\r'; 100_000], &mut parts).unwrap();
        assert!(parser.rest.capacity() < 16);
    }
}
