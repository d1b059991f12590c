//! A parser of HTTP/1.1 responses, with just enough of RFC 9112 to check the server.

use super::ask::Answer;

/// Result of a step of the parser.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// More bytes are needed.
    Incomplete,
    /// An interim response.
    Continue,
    /// The response is complete. `Persistence` tells if another may follow.
    Complete(Persistence),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    KeepAlive,
    Close,
}

/// The response that is being read.
#[derive(Default)]
pub struct Parser {
    pub answer: Answer,
    state: ParserState,
}

#[derive(Default)]
enum ParserState {
    #[default]
    Head,
    Body {
        framing: Framing,
        persistence: Persistence,
    },
}

enum Framing {
    Length(usize),
    ChunkSize,
    /// Within a chunk: the number of missing bytes. The end of the line follows.
    Chunk(usize),
    UntilClose,
}

impl Parser {
    /// Parses as much as possible off the front of `input`. `has_body` is false for a response to HEAD.
    pub fn parse(&mut self, input: &mut Vec<u8>, has_body: bool) -> Parsed {
        if let ParserState::Head = self.state {
            let Some(end) = find(input, b"\r\n\r\n") else {
                return Parsed::Incomplete;
            };
            let head = input.drain(..end + 4).collect::<Vec<_>>();
            let Some((framing, persistence)) = self.head(&head[..end], has_body) else {
                return Parsed::Continue;
            };
            self.state = ParserState::Body {
                framing,
                persistence,
            };
        }
        self.body(input)
    }

    /// Handles the server's close. Returns true if it is the regular end of the response.
    pub fn ends_with_close(&self) -> bool {
        matches!(
            self.state,
            ParserState::Body {
                framing: Framing::UntilClose,
                ..
            }
        )
    }

    /// The framing of the body and the persistence of the connection; `None` for an interim response.
    fn head(&mut self, head: &[u8], has_body: bool) -> Option<(Framing, Persistence)> {
        let text = std::str::from_utf8(head).expect("a head in ASCII");
        let mut lines = text.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3));
        let status: u16 = status
            .and_then(|code| code.parse().ok())
            .expect("a status line");
        if status < 200 {
            assert_eq!(status, 100, "an interim response that nobody asked for");
            return None;
        }
        self.answer = Answer {
            status,
            ..Answer::default()
        };
        let mut persistence = Persistence::KeepAlive;
        let mut is_chunked = false;
        for line in lines {
            let (name, value) = line.split_once(':').expect("a field line");
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => self.answer.length = value.parse().ok(),
                "transfer-encoding" => is_chunked = value == "chunked",
                "connection" if value == "close" => persistence = Persistence::Close,
                "location" => self.answer.location = Some(value.into()),
                "content-encoding" => self.answer.coding = Some(value.into()),
                "content-range" => self.answer.range = Some(value.into()),
                _ => {}
            }
        }
        let framing = match self.answer.length {
            _ if !has_body || matches!(status, 204 | 304) => Framing::Length(0),
            _ if is_chunked => Framing::ChunkSize,
            Some(length) => Framing::Length(length),
            None => Framing::UntilClose,
        };
        Some((framing, persistence))
    }

    fn body(&mut self, input: &mut Vec<u8>) -> Parsed {
        let ParserState::Body {
            framing,
            persistence,
        } = &mut self.state
        else {
            return Parsed::Incomplete;
        };
        loop {
            match framing {
                Framing::Length(left) => {
                    let len = input.len().min(*left);
                    self.answer.body.extend_from_slice(&input[..len]);
                    input.drain(..len);
                    *left -= len;
                    if *left == 0 {
                        return Parsed::Complete(*persistence);
                    }
                    return Parsed::Incomplete;
                }
                Framing::ChunkSize => {
                    let Some(end) = find(input, b"\r\n") else {
                        return Parsed::Incomplete;
                    };
                    let size = std::str::from_utf8(&input[..end]).expect("a chunk size");
                    let size = usize::from_str_radix(size, 16).expect("a chunk size");
                    if size > 0 {
                        input.drain(..end + 2);
                        *framing = Framing::Chunk(size + 2);
                    } else if input.len() >= end + 4 {
                        input.drain(..end + 4);
                        return Parsed::Complete(*persistence);
                    } else {
                        return Parsed::Incomplete;
                    }
                }
                Framing::Chunk(left) => {
                    let len = input.len().min(*left);
                    let content = len.min(left.saturating_sub(2));
                    self.answer.body.extend_from_slice(&input[..content]);
                    input.drain(..len);
                    *left -= len;
                    if *left > 0 {
                        return Parsed::Incomplete;
                    }
                    *framing = Framing::ChunkSize;
                }
                Framing::UntilClose => {
                    self.answer.body.append(input);
                    return Parsed::Incomplete;
                }
            }
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
