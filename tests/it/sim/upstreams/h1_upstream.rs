//! An upstream of HTTP/1.1, which answers each request in a way of its own.

use super::delivery::{Claim, Delivery, Given};
use super::outside::SmallOutside;
use super::requests;
use std::time::Duration;

/// An upstream's treatment of a request over HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum H1Play {
    Whole,
    Chunked,
    Trailers,
    Trickle,
    /// A whole response, and bytes behind it, with which the connection ends.
    TooLong,
    /// A whole response behind which the connection ends.
    Farewell,
    /// A response without its last byte.
    Short,
    /// Chunks without the last one.
    CutChunks,
    Garbage,
    /// The end without a byte.
    Nothing,
    /// Nothing at all.
    Hang,
    /// The beginning of a response, in whose reading the server panics.
    Panic,
}

impl H1Play {
    pub const ALL: [H1Play; 12] = [
        H1Play::Whole,
        H1Play::Chunked,
        H1Play::Trailers,
        H1Play::Trickle,
        H1Play::TooLong,
        H1Play::Farewell,
        H1Play::Short,
        H1Play::CutChunks,
        H1Play::Garbage,
        H1Play::Nothing,
        H1Play::Hang,
        H1Play::Panic,
    ];

    fn given(self) -> Given {
        match self {
            H1Play::Whole
            | H1Play::Chunked
            | H1Play::Trailers
            | H1Play::Trickle
            | H1Play::TooLong
            | H1Play::Farewell => Given::Whole,
            H1Play::Short
            | H1Play::CutChunks
            | H1Play::Garbage
            | H1Play::Nothing
            | H1Play::Hang
            | H1Play::Panic => Given::Part,
        }
    }

    /// True if the connection goes on behind it.
    fn stays(self) -> bool {
        matches!(
            self,
            H1Play::Whole | H1Play::Chunked | H1Play::Trailers | H1Play::Trickle | H1Play::Hang
        )
    }
}

/// Content in chunks, up to the last one.
fn chunked(content: &[u8]) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n";
    let mut made = head.as_bytes().to_vec();
    for part in content.chunks(700) {
        made.extend(format!("{:x}\r\n", part.len()).bytes());
        made.extend([part, b"\r\n"].concat());
    }
    made
}

/// The upstream's side of a connection of HTTP/1.1.
#[derive(Default)]
pub struct H1Upstream {
    /// The beginning of a request.
    heard: Vec<u8>,
}

impl H1Upstream {
    /// Answers a request, once it has come whole.
    pub fn act(&mut self, link: usize, outside: &mut SmallOutside) {
        self.heard.extend(outside.links[link].take_written());
        let end = self.heard.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(end) = end else {
            return;
        };
        let (head, body) = self.heard.split_at(end + 4);
        let head = std::str::from_utf8(head).expect("a head of text");
        let mut words = head.split([' ', '/']);
        let method = words.next();
        let number = words.nth(1).and_then(|number| number.parse().ok());
        let number: usize = number.expect("the number of a request");
        assert_eq!(method, Some(requests::method(number)), "{head}");
        let content = requests::request_content(number);
        if body.len() < content.len() {
            return;
        }
        assert!(body == content, "another body: {head}");
        self.heard.clear();
        let play = if outside.rng.chance(600) {
            H1Play::Whole
        } else {
            *outside.rng.pick(&H1Play::ALL)
        };
        outside
            .deliveries
            .entry(number)
            .or_default()
            .push(Delivery {
                link,
                play: format!("{play:?}"),
                given: play.given(),
                claim: Claim::None,
            });
        answer(play, number, link, outside);
    }
}

fn answer(play: H1Play, number: usize, link: usize, outside: &mut SmallOutside) {
    let content = requests::content(number);
    let length = content.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let whole = [head.as_bytes(), &content].concat();
    let trailers = requests::trailers(number);
    let chunks = |end: &str| {
        let chunks = chunked(&requests::content(number));
        [&chunks, end.as_bytes()].concat()
    };
    let soon = Duration::from_millis(2);
    let (bytes, pause) = match play {
        H1Play::Whole | H1Play::Farewell => (whole, soon),
        H1Play::Chunked => (chunks("0\r\n\r\n"), soon),
        H1Play::Trailers => (chunks(&format!("0\r\n{trailers}\r\n\r\n")), soon),
        H1Play::CutChunks => (chunks(""), soon),
        H1Play::Trickle => {
            outside.send(link, head.as_bytes(), Duration::from_millis(300));
            (content, Duration::from_secs(5))
        }
        H1Play::TooLong => ([&whole[..], b"HTTP/1.1 200 OK\r\n"].concat(), soon),
        H1Play::Short => (whole[..whole.len() - 1].to_vec(), soon),
        H1Play::Garbage => (b"\0garbage\r\n\r\n".to_vec(), soon),
        H1Play::Panic => (head.into_bytes(), soon),
        H1Play::Nothing | H1Play::Hang => (Vec::new(), soon),
    };
    outside.send(link, &bytes, pause);
    outside.links[link].panics = play == H1Play::Panic;
    if !play.stays() {
        outside.end(link);
    }
}
