//! The content of a request of the panel: a short JSON text.

use crate::exchange::Part;

/// The longest content, in bytes: a user, and a password of 1,024 bytes, however it is escaped.
const MOST_CONTENT: usize = 8 << 10;

/// Content as it comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// More may come.
    Open(Vec<u8>),
    /// It is all there.
    Complete(Vec<u8>),
    /// It is longer than any request of the panel.
    TooLarge,
}

impl Content {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Content::Open(Vec::new())
    }

    /// Takes a part of the request.
    pub(super) fn receive(&mut self, part: &Part<'_>) {
        let Content::Open(content) = self else {
            return;
        };
        match part {
            Part::Data(data) if content.len() + data.len() > MOST_CONTENT => {
                *self = Content::TooLarge;
            }
            Part::Data(data) => content.extend_from_slice(data),
            Part::Trailers(_) => {}
            Part::End | Part::Gone => *self = Content::Complete(std::mem::take(content)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_has_a_bound_and_an_end() {
        let mut content = Content::new();
        content.receive(&Part::Data(b"ab"));
        content.receive(&Part::Data(b"c"));
        assert_eq!(content, Content::Open(b"abc".to_vec()));
        content.receive(&Part::End);
        assert_eq!(content, Content::Complete(b"abc".to_vec()));
        let mut content = Content::new();
        content.receive(&Part::Data(&[0; MOST_CONTENT]));
        content.receive(&Part::Data(&[0]));
        content.receive(&Part::End);
        assert_eq!(content, Content::TooLarge);
    }
}
