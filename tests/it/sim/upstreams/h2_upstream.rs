//! An upstream of HTTP/2, which answers many requests at a time, each in a way of its own.

use super::delivery::{Delivery, Given};
use super::h2_play::{H2Play, H2Step, LastStream};
use super::outside::SmallOutside;
use super::requests;
use calmd::h2::{
    Cause, Config, Connection, Event, Inbox, Outbox, Settings, StreamError, StreamKey,
};
use calmd::http::{Field, Fields};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Longest pause between two pieces of what is sent at once.
const SOON: Duration = Duration::from_millis(2);

/// Windows of requests, in bytes.
const WINDOWS: [u32; 3] = [1_000, 65_535, 200_000];

/// The upstream's side of a connection of HTTP/2.
pub struct H2Upstream {
    core: Connection,
    inbox: Inbox,
    outbox: Outbox,
    answers: Vec<H2Answer>,
    /// The last stream that was looked at, and the last that may be.
    seen: u32,
    last: u32,
    mood: Mood,
}

/// The way in which the connection goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Serving,
    /// It ends when all is answered.
    Leaving,
    /// Nothing is heard any more, and nothing said.
    Deaf,
}

/// A request, and the answer to it.
struct H2Answer {
    stream: StreamKey,
    number: usize,
    play: H2Play,
    /// Position among the arrivals of the request.
    delivery: usize,
    /// The request's content that is to come.
    awaited: VecDeque<u8>,
    stage: AnswerStage,
    steps: VecDeque<(Duration, H2Step)>,
    /// The time of the next step.
    next: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AnswerStage {
    /// The request is not whole.
    Hearing,
    Speaking,
    /// The end of the response waits for its window.
    Ending,
    Over,
}

/// An event of the core that matters here.
enum Came {
    Request(StreamKey, usize, bool),
    Content(StreamKey, Vec<u8>, u32, bool),
    Reset(StreamKey),
    Nothing,
}

fn came(event: &Event<'_>) -> Came {
    match *event {
        Event::Request {
            stream,
            fields,
            end_stream,
            ..
        } => Came::Request(stream, number_of(fields), end_stream),
        Event::Data {
            stream,
            data,
            flow_controlled_len,
            end_stream,
        } => Came::Content(stream, data.to_vec(), flow_controlled_len, end_stream),
        Event::StreamReset { stream, by, .. } => {
            assert_eq!(by, Cause::Peer, "the server keeps to the rules");
            Came::Reset(stream)
        }
        Event::RequestRejected { error, .. } => {
            assert_eq!(error, StreamError::TOO_MANY, "a request is malformed");
            Came::Nothing
        }
        Event::HeadersTooLarge { .. } | Event::Trailers { .. } => unreachable!("{event:?}"),
        _ => Came::Nothing,
    }
}

/// The number of a request, whose head is as it has to be.
fn number_of(fields: &Fields) -> usize {
    let path = std::str::from_utf8(fields.path().expect("a path")).expect("text");
    let number = path.strip_prefix('/').and_then(|path| path.parse().ok());
    let number: usize = number.expect("the number of a request");
    let method = requests::method(number).as_bytes();
    assert_eq!(fields.method(), Some(method), "{fields:?}");
    number
}

impl H2Upstream {
    pub fn new(outside: &mut SmallOutside) -> Self {
        let rng = &mut outside.rng;
        let config = Config {
            max_concurrent_streams: *rng.pick(&[1, 2, 100]),
            initial_window_size: *rng.pick(&WINDOWS),
            // It says things that are wrong.
            validate_outbound: false,
            normalize_outbound: false,
            ..Config::server()
        };
        H2Upstream {
            core: Connection::server(Arc::new(config), outside.instant()),
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            answers: Vec::new(),
            seen: 0,
            last: u32::MAX >> 1,
            mood: Mood::Serving,
        }
    }

    /// The time of the next step of an answer.
    pub fn next_act(&self) -> Option<Duration> {
        let begun = self.answers.iter().filter(|answer| answer.is_acting());
        let next = begun.map(|answer| answer.next).min();
        next.filter(|_| self.mood != Mood::Deaf)
    }

    /// Hears what has come on its connection, and does the steps that are due.
    pub fn act(&mut self, link: usize, outside: &mut SmallOutside) {
        if self.mood == Mood::Deaf {
            return;
        }
        let written = outside.links[link].take_written();
        self.inbox.buffer().extend(written);
        self.hear(link, outside);
        for at in 0..self.answers.len() {
            while let Some(step) = self.answers[at].next_step(outside.now) {
                if !self.take_step(step, at, link, outside) {
                    self.mood = Mood::Deaf;
                    return;
                }
            }
        }
        self.flush(link, outside);
        self.answers.retain(|answer| !answer.is_done());
        if self.mood == Mood::Leaving && self.answers.is_empty() {
            outside.end(link);
        }
    }

    fn hear(&mut self, link: usize, outside: &mut SmallOutside) {
        let now = outside.instant();
        loop {
            let event = self.inbox.next_event(&mut self.core, now);
            let event = event.expect("the server keeps to the rules");
            let Some(came) = event.as_ref().map(came) else {
                return;
            };
            match came {
                Came::Request(stream, _, _) if stream.id() > self.last => {}
                Came::Request(stream, number, is_whole) => {
                    self.seen = stream.id();
                    let mut answer = H2Answer::begin(stream, number, link, outside);
                    if answer.play == H2Play::GoAwayBelow {
                        self.last = self.seen - 1;
                    }
                    if is_whole {
                        answer.hear(&[], true, outside.now);
                    }
                    self.answers.push(answer);
                }
                Came::Content(stream, data, len, is_last) => {
                    let _ = self.core.release(stream, len);
                    if let Some(answer) = self.find(stream) {
                        answer.hear(&data, is_last, outside.now);
                    }
                }
                Came::Reset(stream) => {
                    self.outbox.remove(stream);
                    if let Some(answer) = self.find(stream) {
                        answer.stage = AnswerStage::Over;
                        answer.steps.retain(|(_, step)| step.is_of_connection());
                    }
                }
                Came::Nothing => {}
            }
        }
    }

    fn find(&mut self, stream: StreamKey) -> Option<&mut H2Answer> {
        let mut answers = self.answers.iter_mut();
        answers.find(|answer| answer.stream == stream)
    }

    /// Takes a step of the answer with that position. False if it ends the connection, or all that is said on it.
    fn take_step(
        &mut self,
        step: H2Step,
        at: usize,
        link: usize,
        outside: &mut SmallOutside,
    ) -> bool {
        let H2Answer { stream, number, .. } = self.answers[at];
        let core = &mut self.core;
        let status = Field::new(b":status", b"200");
        match step {
            H2Step::Interim => {
                let link = Field::new(b"link", b"</a>; rel=preload");
                let sent = core.send_informational(stream, 103, [link]);
                sent.expect("a stream that lives");
            }
            H2Step::Head(length) => {
                let length = length.map(|length| length.to_string());
                let length = length.as_deref().map(str::as_bytes);
                let length = length.map(|length| Field::new(b"content-length", length));
                let trailer = Field::new(b"trailer", b"x-sum");
                let fields = [status, trailer].into_iter().chain(length);
                let sent = core.send_headers(stream, fields, false);
                sent.expect("a stream that lives");
            }
            H2Step::WrongHead => {
                let wrong = Field::new(b"connection", b"close");
                let sent = core.send_headers(stream, [status, wrong], false);
                sent.expect("a stream that lives");
            }
            H2Step::Content(content) => {
                self.outbox.push(core, stream, &content);
            }
            H2Step::End => {
                self.outbox.end(core, stream);
                self.answers[at].stage = AnswerStage::Ending;
            }
            H2Step::EndWithTrailers => {
                let trailers = requests::trailers(number);
                let (name, value) = trailers.split_once(": ").expect("a field");
                let mut fields = Fields::new();
                fields.push(name.as_bytes(), value.as_bytes());
                self.outbox.end_with_trailers(core, stream, fields);
                self.answers[at].stage = AnswerStage::Ending;
            }
            H2Step::Reset(code) => {
                self.flush(link, outside);
                self.core.reset(stream, code);
                self.outbox.remove(stream);
                self.answers[at].finish(outside);
            }
            H2Step::Unrest => {
                let settings = Settings {
                    initial_window_size: *outside.rng.pick(&WINDOWS),
                    ..self.core.announced_settings()
                };
                let now = outside.instant();
                self.core.ping(*b"12345678", now);
                let changed = self.core.update_settings(settings, now);
                changed.expect("settings that are valid");
            }
            H2Step::GoAway(last) => {
                self.go_away(last);
                if last == LastStream::Below {
                    self.answers[at].stage = AnswerStage::Over;
                }
            }
            H2Step::Leave => self.mood = Mood::Leaving,
            H2Step::Cut => {
                self.flush(link, outside);
                let id = stream.id().to_be_bytes();
                let begun = [&[0, 0, 200, 0, 0][..], &id, &[b'!'; 100]].concat();
                outside.send(link, &begun, SOON);
                outside.end(link);
                return false;
            }
            H2Step::Garbage => {
                self.flush(link, outside);
                outside.send(link, b"garbage, and more of it", SOON);
                outside.end(link);
                return false;
            }
            H2Step::Drop => {
                self.flush(link, outside);
                outside.end(link);
                return false;
            }
            H2Step::Deafen => {
                self.flush(link, outside);
                return false;
            }
            H2Step::Panic => {
                self.flush(link, outside);
                outside.panic_at(link);
                return false;
            }
        }
        true
    }

    /// Says that nothing new is taken behind a stream (RFC 9113 §6.8).
    fn go_away(&mut self, last: LastStream) {
        if last == LastStream::Seen {
            self.last = self.last.min(self.seen);
        }
        let frame = [
            &[0, 0, 8, 7, 0, 0, 0, 0, 0][..],
            &self.last.to_be_bytes(),
            &[0; 4],
        ];
        self.core.output().extend(frame.concat());
    }

    /// Sends all that the windows allow.
    fn flush(&mut self, link: usize, outside: &mut SmallOutside) {
        self.outbox.fill(&mut self.core, usize::MAX);
        let output = self.core.take_output();
        for answer in &mut self.answers {
            if answer.stage == AnswerStage::Ending && !self.core.contains(answer.stream) {
                answer.finish(outside);
            }
        }
        outside.send(link, &output, SOON);
    }
}

impl H2Answer {
    /// Chooses the answer to a request whose head has come.
    fn begin(stream: StreamKey, number: usize, link: usize, outside: &mut SmallOutside) -> Self {
        let play = H2Play::by_chance(number, &mut outside.rng);
        let deliveries = outside.deliveries.entry(number).or_default();
        let delivery = deliveries.len();
        deliveries.push(Delivery {
            link,
            play: format!("{play:?}"),
            given: Given::Part,
            claim: play.claim(),
        });
        let stage = if play.is_hasty(&mut outside.rng) {
            AnswerStage::Speaking
        } else {
            AnswerStage::Hearing
        };
        let mut answer = H2Answer {
            stream,
            number,
            play,
            delivery,
            awaited: requests::request_content(number).into(),
            stage,
            steps: play.steps(number, &mut outside.rng).into(),
            next: Duration::ZERO,
        };
        answer.plan(outside.now);
        answer
    }

    /// Hears content of the request.
    fn hear(&mut self, data: &[u8], is_last: bool, now: Duration) {
        let is_right = data.len() <= self.awaited.len()
            && self.awaited.drain(..data.len()).eq(data.iter().copied());
        assert!(is_right, "request {} has other content", self.number);
        if is_last {
            assert!(self.awaited.is_empty(), "request {} is cut", self.number);
            if self.stage == AnswerStage::Hearing {
                self.stage = AnswerStage::Speaking;
                self.plan(now);
            }
        }
    }

    fn plan(&mut self, now: Duration) {
        self.next = now + self.steps.front().map_or(Duration::ZERO, |step| step.0);
    }

    fn is_acting(&self) -> bool {
        self.stage != AnswerStage::Hearing && !self.steps.is_empty()
    }

    fn next_step(&mut self, now: Duration) -> Option<H2Step> {
        if !self.is_acting() || self.next > now {
            return None;
        }
        let (_, step) = self.steps.pop_front()?;
        self.plan(now);
        Some(step)
    }

    /// All of the answer was sent, or it was reset.
    fn finish(&mut self, outside: &mut SmallOutside) {
        if self.stage == AnswerStage::Ending {
            let deliveries = outside.deliveries.get_mut(&self.number);
            deliveries.expect("it was noted")[self.delivery].given = self.play.given();
        }
        self.stage = AnswerStage::Over;
    }

    fn is_done(&self) -> bool {
        self.stage == AnswerStage::Over && self.steps.is_empty()
    }
}
