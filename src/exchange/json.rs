//! JSON and forms as content of requests: checked as they come, with the place of a mistake.

use percent_encoding::percent_decode;
use serde_json::Value;

use super::problem::Problem;

/// The deepest nesting, which is also the deepest that is parsed.
const MOST_DEPTH: usize = 128;

/// A mistake in JSON, and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonMistake {
    /// The line, from 1 on.
    pub line: u64,
    /// The byte of the line, from 1 on.
    pub column: u64,
    /// The reason.
    pub reason: &'static str,
    /// The status that it is answered with: 400, or 422 where it is JSON and too deep.
    pub status: u16,
}

impl JsonMistake {
    /// The answer, with the place.
    pub fn problem(&self) -> Problem {
        Problem::new(self.status, format!("the JSON is wrong: {}", self.reason))
            .with("line", self.line)
            .with("column", self.column)
    }
}

/// A check of JSON that comes in pieces (RFC 8259). It keeps a byte for each level of nesting, and nothing of the
/// content.
#[derive(Debug)]
pub struct JsonCheck {
    state: JsonPlace,
    /// The containers around the present place.
    around: Vec<JsonContainer>,
    line: u64,
    column: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JsonContainer {
    Object,
    Array,
}

/// The part of JSON that the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JsonPlace {
    /// A value; an array may end in its place if it is empty.
    Value { or_end: bool },
    /// The name of a member; an object may end in its place if it is empty.
    Name { or_end: bool },
    /// The colon behind a name.
    Colon,
    /// A comma or an end behind a value.
    Behind,
    /// Within a string.
    Text { is_name: bool, at: TextState },
    /// Within a number.
    Number(NumberState),
    /// Within a word, of which this is left.
    Word(&'static [u8]),
}

/// The place within a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TextState {
    Plain,
    Escape,
    /// Hexadecimal digits of an escape that are left.
    Digits(u8),
    /// A character of several bytes that has begun.
    Character([u8; 4], usize),
}

/// The place within a number (RFC 8259 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NumberState {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

impl Default for JsonCheck {
    fn default() -> Self {
        JsonCheck {
            state: JsonPlace::Value { or_end: false },
            around: Vec::new(),
            line: 1,
            column: 0,
        }
    }
}

impl JsonCheck {
    /// Checks the next bytes.
    pub fn receive(&mut self, data: &[u8]) -> Result<(), JsonMistake> {
        for &byte in data {
            self.column += 1;
            self.take(byte)?;
            if byte == b'\n' {
                self.line += 1;
                self.column = 0;
            }
        }
        Ok(())
    }

    /// Checks that nothing is missing at the end.
    pub fn finish(&mut self) -> Result<(), JsonMistake> {
        // A space ends a number.
        self.column += 1;
        self.take(b' ')?;
        if self.around.is_empty() && self.state == JsonPlace::Behind {
            Ok(())
        } else {
            Err(self.mistake("it ends too early"))
        }
    }

    fn mistake(&self, reason: &'static str) -> JsonMistake {
        JsonMistake {
            line: self.line,
            column: self.column,
            reason,
            status: 400,
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), JsonMistake> {
        self.state = match self.state {
            JsonPlace::Text { is_name, at } => return self.take_text(byte, is_name, at),
            JsonPlace::Number(at) => match digit(at, byte) {
                Some(next) => JsonPlace::Number(next),
                None if is_number(at) => {
                    self.state = JsonPlace::Behind;
                    return self.take(byte);
                }
                None => return Err(self.mistake("a number is not complete")),
            },
            JsonPlace::Word(rest) => match rest.split_first() {
                Some((&expected, [])) if expected == byte => JsonPlace::Behind,
                Some((&expected, rest)) if expected == byte => JsonPlace::Word(rest),
                _ => return Err(self.mistake("a word is none of true, false and null")),
            },
            state if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') => state,
            JsonPlace::Value { or_end } => return self.begin(byte, or_end),
            JsonPlace::Name { or_end } => match byte {
                b'"' => JsonPlace::Text {
                    is_name: true,
                    at: TextState::Plain,
                },
                b'}' if or_end => return self.end(JsonContainer::Object),
                _ => return Err(self.mistake("a name in quotation marks is missing")),
            },
            JsonPlace::Colon if byte == b':' => JsonPlace::Value { or_end: false },
            JsonPlace::Colon => return Err(self.mistake("a colon is missing")),
            JsonPlace::Behind => match (byte, self.around.last()) {
                (b',', Some(JsonContainer::Object)) => JsonPlace::Name { or_end: false },
                (b',', Some(JsonContainer::Array)) => JsonPlace::Value { or_end: false },
                (b'}', _) => return self.end(JsonContainer::Object),
                (b']', _) => return self.end(JsonContainer::Array),
                (_, None) => return Err(self.mistake("something follows the value")),
                _ => return Err(self.mistake("a comma or an end is missing")),
            },
        };
        Ok(())
    }

    /// Begins a value.
    fn begin(&mut self, byte: u8, or_end: bool) -> Result<(), JsonMistake> {
        self.state = match byte {
            b'{' => {
                self.enter(JsonContainer::Object)?;
                JsonPlace::Name { or_end: true }
            }
            b'[' => {
                self.enter(JsonContainer::Array)?;
                JsonPlace::Value { or_end: true }
            }
            b']' if or_end => return self.end(JsonContainer::Array),
            b'"' => JsonPlace::Text {
                is_name: false,
                at: TextState::Plain,
            },
            b't' => JsonPlace::Word(b"rue"),
            b'f' => JsonPlace::Word(b"alse"),
            b'n' => JsonPlace::Word(b"ull"),
            b'-' => JsonPlace::Number(NumberState::Minus),
            b'0' => JsonPlace::Number(NumberState::Zero),
            b'1'..=b'9' => JsonPlace::Number(NumberState::Whole),
            _ => return Err(self.mistake("a value is missing")),
        };
        Ok(())
    }

    fn enter(&mut self, container: JsonContainer) -> Result<(), JsonMistake> {
        if self.around.len() == MOST_DEPTH {
            return Err(JsonMistake {
                status: 422,
                ..self.mistake("it is nested too deep")
            });
        }
        self.around.push(container);
        Ok(())
    }

    fn end(&mut self, container: JsonContainer) -> Result<(), JsonMistake> {
        if self.around.pop() != Some(container) {
            return Err(self.mistake("an end has no beginning"));
        }
        self.state = JsonPlace::Behind;
        Ok(())
    }

    fn take_text(&mut self, byte: u8, is_name: bool, at: TextState) -> Result<(), JsonMistake> {
        let at = match at {
            TextState::Plain => match byte {
                b'"' => {
                    self.state = if is_name {
                        JsonPlace::Colon
                    } else {
                        JsonPlace::Behind
                    };
                    return Ok(());
                }
                b'\\' => TextState::Escape,
                0..0x20 => return Err(self.mistake("a control character is not escaped")),
                0x20..0x80 => TextState::Plain,
                _ => self.character([byte, 0, 0, 0], 1)?,
            },
            TextState::Escape => match byte {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => TextState::Plain,
                b'u' => TextState::Digits(4),
                _ => return Err(self.mistake("there is no such escape")),
            },
            TextState::Digits(left) if byte.is_ascii_hexdigit() => match left {
                1 => TextState::Plain,
                left => TextState::Digits(left - 1),
            },
            TextState::Digits(_) => return Err(self.mistake("an escape has four digits")),
            TextState::Character(mut bytes, len) => {
                if let Some(place) = bytes.get_mut(len) {
                    *place = byte;
                }
                self.character(bytes, len + 1)?
            }
        };
        self.state = JsonPlace::Text { is_name, at };
        Ok(())
    }

    /// The state behind bytes of one character.
    fn character(&self, bytes: [u8; 4], len: usize) -> Result<TextState, JsonMistake> {
        match std::str::from_utf8(bytes.get(..len).unwrap_or_default()) {
            Ok(_) => Ok(TextState::Plain),
            Err(error) if error.error_len().is_none() => Ok(TextState::Character(bytes, len)),
            Err(_) => Err(self.mistake("a character is not UTF-8")),
        }
    }
}

/// The state of a number behind a byte; `None` if the byte is not of it.
fn digit(at: NumberState, byte: u8) -> Option<NumberState> {
    use NumberState::{
        Exponent, ExponentDigits, ExponentSign, Fraction, Minus, Point, Whole, Zero,
    };
    Some(match (at, byte) {
        (Minus, b'0') => Zero,
        (Minus, b'1'..=b'9') | (Whole, b'0'..=b'9') => Whole,
        (Zero | Whole, b'.') => Point,
        (Point | Fraction, b'0'..=b'9') => Fraction,
        (Zero | Whole | Fraction, b'e' | b'E') => Exponent,
        (Exponent, b'+' | b'-') => ExponentSign,
        (Exponent | ExponentSign | ExponentDigits, b'0'..=b'9') => ExponentDigits,
        _ => return None,
    })
}

fn is_number(at: NumberState) -> bool {
    use NumberState::{ExponentDigits, Fraction, Whole, Zero};
    matches!(at, Zero | Whole | Fraction | ExponentDigits)
}

/// The value of JSON that has come whole. A mistake is told with its place; 422 is for JSON that has no value here,
/// such as a number that is too large.
pub fn parse_json(content: &[u8]) -> Result<Value, Problem> {
    let mut check = JsonCheck::default();
    let checked = check.receive(content).and_then(|()| check.finish());
    checked.map_err(|mistake| mistake.problem())?;
    serde_json::from_slice(content).map_err(|error| {
        Problem::new(422, format!("the JSON has no value here: {error}"))
            .with("line", error.line())
            .with("column", error.column())
    })
}

/// The names and values of a form (`application/x-www-form-urlencoded`). What is not UTF-8 is replaced.
pub fn parse_form(content: &[u8]) -> Vec<(String, String)> {
    let decode = |text: &[u8]| {
        let spaced: Vec<_> = text
            .iter()
            .map(|&byte| if byte == b'+' { b' ' } else { byte })
            .collect();
        percent_decode(&spaced).decode_utf8_lossy().into_owned()
    };
    let pairs = content
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        let mut part = || decode(parts.next().unwrap_or_default());
        (part(), part())
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The outcome of a check of content in pieces of this length.
    fn check(content: &[u8], len: usize) -> Result<(), JsonMistake> {
        let mut check = JsonCheck::default();
        for piece in content.chunks(len) {
            check.receive(piece)?;
        }
        check.finish()
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        for (text, line, column) in [
            ("", 1, 1),
            ("{", 1, 2),
            ("{\"a\":1,}", 1, 8),
            ("{\n  \"a\": 1\n  \"b\": 2\n}", 3, 3),
            ("[1, 2,, 3]", 1, 7),
            ("[01]", 1, 3),
            ("[1.]", 1, 4),
            ("tru", 1, 4),
            ("truth", 1, 4),
            ("[1}", 1, 3),
            ("1 2", 1, 3),
            ("'a'", 1, 1),
            ("\"a\nb\"", 1, 3),
            ("\"\\x\"", 1, 3),
            ("\"\\u12g4\"", 1, 6),
            ("{a: 1}", 1, 2),
            ("{\"a\" 1}", 1, 6),
            ("[1, 2", 1, 6),
        ] {
            let mistake = check(text.as_bytes(), 99).unwrap_err();
            assert_eq!(
                (mistake.line, mistake.column),
                (line, column),
                "{text}: {mistake:?}"
            );
            assert_eq!(check(text.as_bytes(), 1), Err(mistake), "{text}");
            assert_eq!(mistake.problem().status(), 400);
        }
        assert!(check(b"\"\xff\"", 9).is_err());
        let deep = "[".repeat(MOST_DEPTH + 1);
        assert_eq!(check(deep.as_bytes(), 9).unwrap_err().status, 422);
    }

    #[test]
    fn json_without_a_value_here_is_422() {
        for text in ["1e999", "\"\\ud800\""] {
            assert_eq!(check(text.as_bytes(), 1), Ok(()), "{text}");
            assert_eq!(
                parse_json(text.as_bytes()).unwrap_err().status(),
                422,
                "{text}"
            );
        }
        assert_eq!(parse_json(b"{\"a\": [1]}").unwrap()["a"][0], 1);
        assert_eq!(parse_json(b"{").unwrap_err().status(), 400);
    }

    #[test]
    fn a_form_is_decoded() {
        let pairs = parse_form(b"a=b+c&d=%C3%A4&&e&f=g=h");
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        assert_eq!(pairs, [("a", "b c"), ("d", "ä"), ("e", ""), ("f", "g=h")]);
    }

    proptest! {
        #[test]
        fn the_check_agrees_with_the_parser(text in "[\\[\\]{},:\" a\\\\untrefls0-9.eE+\\-]{0,24}", len in 1usize..8) {
            let parsed = serde_json::from_str::<Value>(&text);
            let checked = check(text.as_bytes(), len);
            match parsed {
                Ok(_) => prop_assert_eq!(checked, Ok(())),
                // What the parser takes no value from may be JSON all the same.
                Err(error) if error.to_string().contains("out of range") => {}
                Err(error) if error.to_string().contains("surrogate") => {}
                Err(_) => prop_assert!(checked.is_err(), "{}", text),
            }
        }

        #[test]
        fn what_is_written_is_taken(numbers in proptest::collection::vec(any::<f64>(), 0..5), text in "\\PC{0,9}", len in 1usize..8) {
            let value = serde_json::json!({"n": numbers, "t": [text, null, {}], "b": [true, false, []]});
            let written = serde_json::to_vec_pretty(&value).unwrap();
            prop_assert_eq!(check(&written, len), Ok(()));
        }
    }
}
