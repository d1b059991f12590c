//! An upstream's treatments of requests over HTTP/2, as steps.

use super::delivery::{Claim, Given};
use super::requests;
use crate::sim::rng::Rng;
use calmd::h2::ErrorCode;
use std::time::Duration;

/// Longest pause within a response that trickles.
const TRICKLE: Duration = Duration::from_secs(5);

/// Longest content in bytes that is sent before the request is whole.
const HASTY: usize = 32 << 10;

/// Longest pause between a warning and what it warns of.
const WARNING: Duration = Duration::from_millis(50);

/// An upstream's treatment of a request over HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum H2Play {
    Whole,
    /// A whole response without a length.
    Unsized,
    Trailers,
    Trickle,
    /// An interim response, then a whole one.
    Interim,
    /// A whole response, behind PING and SETTINGS with another window.
    Unrest,
    /// A whole response before the request's content is looked at, which is not wanted.
    Early,
    /// A whole response, then GOAWAY and the end.
    Farewell,
    /// GOAWAY that names no last stream, then a whole response, then as [`H2Play::Farewell`].
    Warned,
    /// REFUSED_STREAM.
    Refused,
    /// GOAWAY with a last stream below the request's.
    GoAwayBelow,
    /// RST_STREAM without a response.
    Reset,
    /// RST_STREAM in the middle of a response.
    ResetWithin,
    /// The end of a response without its last byte.
    Short,
    /// A response with a byte more than announced.
    TooLong,
    /// A response whose head breaks a rule.
    Malformed,
    /// The end of the connection in the middle of a response, and of a frame.
    Cut,
    /// The end of the connection without a byte.
    Nothing,
    /// The beginning of a response, then bytes that are no frame.
    Garbage,
    /// Nothing at all.
    Hang,
    /// Nothing at all, on the whole connection: it is not even read.
    Deaf,
    /// The beginning of a response, in whose reading the server panics.
    Panic,
}

/// A step of an upstream that answers.
#[derive(Clone, Debug)]
pub enum H2Step {
    Interim,
    /// The head, with the length if it is announced.
    Head(Option<usize>),
    /// A head with a field that HTTP/2 does not allow.
    WrongHead,
    Content(Vec<u8>),
    End,
    EndWithTrailers,
    Reset(ErrorCode),
    /// PING, and SETTINGS with another window.
    Unrest,
    GoAway(LastStream),
    /// The end of the connection, once all its requests are answered.
    Leave,
    /// The end of the connection, without the last byte of what was just made.
    Cut,
    /// The end of the connection.
    Drop,
    Garbage,
    Deafen,
    Panic,
}

/// The last stream that a GOAWAY names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastStream {
    /// The highest of all.
    Any,
    /// The last that was looked at.
    Seen,
    /// The one before the last that was looked at.
    Below,
}

impl H2Step {
    /// True if it is about the connection, so that it is taken though the stream is gone.
    pub fn is_of_connection(&self) -> bool {
        matches!(self, H2Step::GoAway(_) | H2Step::Leave)
    }
}

impl H2Play {
    pub const ALL: [H2Play; 22] = [
        H2Play::Whole,
        H2Play::Unsized,
        H2Play::Trailers,
        H2Play::Trickle,
        H2Play::Interim,
        H2Play::Unrest,
        H2Play::Early,
        H2Play::Farewell,
        H2Play::Warned,
        H2Play::Refused,
        H2Play::GoAwayBelow,
        H2Play::Reset,
        H2Play::ResetWithin,
        H2Play::Short,
        H2Play::TooLong,
        H2Play::Malformed,
        H2Play::Cut,
        H2Play::Nothing,
        H2Play::Garbage,
        H2Play::Hang,
        H2Play::Deaf,
        H2Play::Panic,
    ];

    /// Most by far are whole: a connection has to live for some time.
    pub fn by_chance(number: usize, rng: &mut Rng) -> H2Play {
        let play = if rng.chance(650) {
            H2Play::Whole
        } else {
            *rng.pick(&H2Play::ALL)
        };
        match play {
            // It goes at once, so it has to fit the window.
            H2Play::Early if requests::content(number).len() > HASTY => H2Play::Whole,
            play => play,
        }
    }

    /// True if the request's content is not waited for.
    pub fn is_hasty(self, rng: &mut Rng) -> bool {
        match self {
            H2Play::Early | H2Play::GoAwayBelow => true,
            H2Play::Refused | H2Play::Reset | H2Play::Deaf | H2Play::Nothing => rng.chance(500),
            _ => false,
        }
    }

    pub fn claim(self) -> Claim {
        match self {
            H2Play::Refused | H2Play::GoAwayBelow => Claim::Refused,
            _ => Claim::None,
        }
    }

    /// The part of the right answer that was given when the whole stream was sent.
    pub fn given(self) -> Given {
        match self {
            H2Play::Whole
            | H2Play::Unsized
            | H2Play::Trailers
            | H2Play::Trickle
            | H2Play::Interim
            | H2Play::Unrest
            | H2Play::Early
            | H2Play::Farewell
            | H2Play::Warned => Given::Whole,
            H2Play::TooLong => Given::Unsure,
            _ => Given::Part,
        }
    }

    /// The steps, each with the pause before it.
    pub fn steps(self, number: usize, rng: &mut Rng) -> Vec<(Duration, H2Step)> {
        let content = requests::content(number);
        let length = Some(content.len());
        let half = H2Step::Content(content[..content.len() / 2].to_vec());
        let head = H2Step::Head(length);
        let code = *rng.pick(&[
            ErrorCode::NO_ERROR,
            ErrorCode::CANCEL,
            ErrorCode::INTERNAL_ERROR,
            ErrorCode::HTTP_1_1_REQUIRED,
        ]);
        let all = H2Step::Content(content.clone());
        let whole = [head.clone(), all.clone(), H2Step::End];
        let leave = [H2Step::GoAway(LastStream::Seen), H2Step::Leave];
        let steps = match self {
            H2Play::Whole => whole.to_vec(),
            H2Play::Unsized => vec![H2Step::Head(None), all, H2Step::End],
            H2Play::Trailers => vec![H2Step::Head(None), all, H2Step::EndWithTrailers],
            H2Play::Trickle => return trickle(&content, rng),
            H2Play::Interim => [&[H2Step::Interim][..], &whole].concat(),
            H2Play::Unrest => [&[H2Step::Unrest][..], &whole].concat(),
            H2Play::Early => [&whole[..], &[H2Step::Reset(ErrorCode::NO_ERROR)]].concat(),
            H2Play::Farewell => [&whole[..], &leave].concat(),
            H2Play::Warned => {
                let warning = (Duration::ZERO, H2Step::GoAway(LastStream::Any));
                let later = rng.pause(WARNING);
                let rest = [&whole[..], &leave].concat().into_iter().enumerate();
                let pause = |at| if at == 0 { later } else { Duration::ZERO };
                let rest = rest.map(|(at, step)| (pause(at), step));
                return std::iter::once(warning).chain(rest).collect();
            }
            H2Play::Refused => vec![H2Step::Reset(ErrorCode::REFUSED_STREAM)],
            H2Play::GoAwayBelow => vec![H2Step::GoAway(LastStream::Below), H2Step::Leave],
            H2Play::Reset => vec![H2Step::Reset(code)],
            H2Play::ResetWithin => vec![head, half, H2Step::Reset(code)],
            H2Play::Short => {
                let short = content[..content.len() - 1].to_vec();
                vec![head, H2Step::Content(short), H2Step::End]
            }
            H2Play::TooLong => vec![head, all, H2Step::Content(b"!".to_vec()), H2Step::End],
            H2Play::Malformed => vec![H2Step::WrongHead],
            H2Play::Cut => vec![head, half, H2Step::Cut],
            H2Play::Nothing => vec![H2Step::Drop],
            H2Play::Garbage => vec![head, half, H2Step::Garbage, H2Step::Drop],
            H2Play::Hang => Vec::new(),
            H2Play::Deaf => vec![H2Step::Deafen],
            H2Play::Panic => vec![head, H2Step::Panic],
        };
        let at_once = |step| (Duration::ZERO, step);
        steps.into_iter().map(at_once).collect()
    }
}

fn trickle(content: &[u8], rng: &mut Rng) -> Vec<(Duration, H2Step)> {
    let mut steps = vec![(rng.pause(TRICKLE), H2Step::Head(Some(content.len())))];
    let mut rest = content;
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(rng.between(1, rest.len()));
        steps.push((rng.pause(TRICKLE), H2Step::Content(piece.to_vec())));
        rest = later;
    }
    // A client that knows the length is content with the last byte.
    steps.push((Duration::ZERO, H2Step::End));
    steps
}
