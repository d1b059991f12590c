//! A good client that speaks HTTP/1.1 or HTTP/1.0.

use super::ask::{Answer, AnswerVerdict, Ask, Kind};
use super::h1_parser::{Parsed, Parser, Persistence};
use super::wire::{LEAST_BITS, Pace, Security, Standing, Wire};
use super::{Client, Farewell, Tie};
use crate::sim::outside::{Outside, Room};
use std::collections::VecDeque;
use std::time::Duration;

/// A client that sends one request after another, a few ahead of the answers, on one connection after
/// another.
pub struct H1Client {
    /// Requests that are not sent yet, or to be sent once more.
    asks: VecDeque<Ask>,
    /// Requests that are sent and not answered, oldest first.
    sent: VecDeque<Ask>,
    wire: Option<Wire>,
    parser: Parser,
    /// Number of requests under way at a time.
    pipeline: usize,
    version: H1Version,
    /// The rest of an upload that waits for `100 Continue`, and the time until which it waits.
    expecting: Option<(Vec<u8>, Duration)>,
    /// Number of requests sent on this connection.
    used: usize,
    outlook: Outlook,
    security: Security,
    pace: Pace,
    farewell: Farewell,
    wake: Option<Duration>,
}

/// Prospect of sending more requests on a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outlook {
    Open,
    /// The client has ended its direction. Its answers still come.
    Finished,
    /// A response announced that it is the last of its connection.
    LastAnswered,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum H1Version {
    Http10,
    Http11,
}

impl H1Client {
    pub fn new(asks: VecDeque<Ask>, security: Security, outside: &mut Outside) -> Self {
        let rng = &mut outside.rng;
        let version = if rng.chance(100) {
            H1Version::Http10
        } else {
            H1Version::Http11
        };
        H1Client {
            asks,
            sent: VecDeque::new(),
            wire: None,
            parser: Parser::default(),
            pipeline: if version == H1Version::Http10 {
                1
            } else {
                *rng.pick(&[1, 1, 1, 4])
            },
            version,
            expecting: None,
            used: 0,
            outlook: Outlook::Open,
            security,
            pace: Pace::bearable(rng),
            farewell: Farewell::random(rng),
            wake: Some(rng.pause(Duration::from_millis(200))),
        }
    }

    fn act(&mut self, outside: &mut Outside) {
        if self.wire.is_none() && !self.asks.is_empty() {
            self.wire = Wire::connect(outside, &self.security, self.pace, LEAST_BITS);
            self.parser = Parser::default();
            (self.used, self.outlook) = (0, Outlook::Open);
            if self.wire.is_none() {
                // The server has stopped: no client is owed an answer any more.
                self.asks.clear();
            }
        }
        self.send(outside);
        let Some(wire) = &mut self.wire else { return };
        let standing = wire.pump(outside);
        if standing == Standing::Ended {
            wire.expect_close_notify(outside);
        }
        while self.parse(outside) {}
        self.send(outside);
        self.half_close(outside);
        if standing != Standing::Open {
            self.lose(standing, outside);
        } else if self.asks.is_empty() && self.sent.is_empty() {
            self.leave(outside);
        }
    }

    /// Writes requests as far ahead as the client's pipeline allows.
    fn send(&mut self, outside: &mut Outside) {
        let Some(wire) = &mut self.wire else { return };
        if let Some((rest, until)) = &mut self.expecting {
            if *until > outside.network.now {
                return;
            }
            // A client must not wait for ever (RFC 9110 §10.1.1).
            wire.outbox.append(rest);
            self.expecting = None;
        }
        let most = if self.version == H1Version::Http10 {
            1
        } else {
            usize::MAX
        };
        while self.sent.len() < self.pipeline
            && self.expecting.is_none()
            && self.outlook == Outlook::Open
            && self.used < most
        {
            let Some(mut ask) = self.asks.pop_front() else {
                break;
            };
            ask.sent = outside.network.now;
            self.expecting = write_request(&ask, self.version, &mut wire.outbox, outside);
            self.sent.push_back(ask);
            self.used += 1;
        }
        wire.pump(outside);
    }

    /// Ends this direction as soon as all requests are sent, before they are answered.
    fn half_close(&mut self, outside: &mut Outside) {
        let Some(wire) = &mut self.wire else { return };
        let is_late = self.sent.iter().any(Ask::is_late);
        let all_sent = self.asks.is_empty() && self.expecting.is_none() && wire.is_flushed();
        let is_open = self.outlook == Outlook::Open;
        if all_sent && !is_late && is_open && self.farewell == Farewell::HalfClose {
            wire.part(&mut self.farewell, outside);
            self.outlook = Outlook::Finished;
        }
    }

    /// Takes one message off the inbox. Returns false if there is none.
    fn parse(&mut self, outside: &mut Outside) -> bool {
        let Some(wire) = &mut self.wire else {
            return false;
        };
        let Some(ask) = self.sent.front() else {
            // A server that gives up a request whose head did not come does not know that its method is
            // HEAD.
            let excused = self.outlook == Outlook::LastAnswered && wire.is_harmed(outside);
            let silent = wire.inbox.is_empty() || excused;
            assert!(silent, "a response that nobody asked for");
            return false;
        };
        let has_body = !matches!(ask.kind, Kind::Head);
        match self.parser.parse(&mut wire.inbox, has_body) {
            Parsed::Incomplete => false,
            Parsed::Continue => {
                assert!(
                    self.version == H1Version::Http11,
                    "an interim response for HTTP/1.0"
                );
                if let Some((mut rest, _)) = self.expecting.take() {
                    wire.outbox.append(&mut rest);
                }
                true
            }
            Parsed::Complete(persistence) => {
                if persistence == Persistence::Close {
                    self.outlook = Outlook::LastAnswered;
                }
                self.settle(outside);
                true
            }
        }
    }

    /// Judges the response that is complete.
    fn settle(&mut self, outside: &mut Outside) {
        let answer = std::mem::take(&mut self.parser).answer;
        let Some(ask) = self.sent.pop_front() else {
            return;
        };
        let early = self.sent.is_empty() && self.expecting.is_some();
        ask.expect(!early, "a response before 100 Continue", &answer);
        if ask.judge(&answer, outside) == AnswerVerdict::AskAgain {
            self.asks.push_back(ask);
        }
    }

    /// Leaves the connection after the last answer.
    fn leave(&mut self, outside: &mut Outside) {
        let Some(wire) = &mut self.wire else { return };
        let tie = wire.part(&mut self.farewell, outside);
        if self.farewell == Farewell::Said {
            outside.network.client_leaves(wire.link);
        }
        if tie == Tie::Cut {
            self.wire = None;
        }
    }

    /// Handles the end of the connection. Unanswered requests are sent once more, if the server is not
    /// to blame.
    fn lose(&mut self, standing: Standing, outside: &mut Outside) {
        let Some(mut wire) = self.wire.take() else {
            return;
        };
        log::trace!("{} is lost", wire.link);
        let harmed = wire.is_harmed(outside);
        if self.parser.ends_with_close() && wire.ends_content(standing) && !harmed {
            self.settle(outside);
        }
        let answer: Answer = std::mem::take(&mut self.parser).answer;
        if let Some(ask) = self.sent.pop_front() {
            let room = outside.room_since(ask.sent);
            let refused = self.outlook == Outlook::LastAnswered || outside.is_stopping();
            let not_begun = answer.status == 0 && (refused || room == Room::Scarce);
            // An upload behind this request may be longer than the bytes that a stopping server reads
            // until it closes. A client should not send one before the answer (RFC 9112 §9.3.2).
            let is_upload = |ask: &Ask| matches!(ask.kind, Kind::Upload(_));
            let buried = outside.is_stopping() && self.sent.iter().any(is_upload);
            let overtaken = room == Room::Scarce && outside.network.is_overtaken(wire.link);
            if harmed
                || buried
                || overtaken
                || not_begun
                || room == Room::Tight
                || outside.is_stopped()
            {
                self.asks.push_front(ask);
            } else {
                ask.judge_cut(&answer, outside);
            }
        }
        self.expecting = None;
        while let Some(ask) = self.sent.pop_back() {
            self.asks.push_front(ask);
        }
        outside.network.client_close(wire.link);
        self.wake = Some(outside.network.now + Duration::from_millis(10));
    }
}

impl Client for H1Client {
    fn run(&mut self, outside: &mut Outside) {
        let now = outside.network.now;
        let woken = self
            .wire
            .as_ref()
            .is_some_and(|wire| outside.network.client_wakes(wire.link));
        if !woken && self.next_wake().is_none_or(|wake| wake > now) {
            return;
        }
        self.wake = None;
        self.act(outside);
    }

    fn next_wake(&self) -> Option<Duration> {
        let wire = self.wire.as_ref().and_then(Wire::next_wake);
        let expecting = self.expecting.as_ref().map(|(_, until)| *until);
        [self.wake, wire, expecting].into_iter().flatten().min()
    }

    fn is_content(&self) -> bool {
        self.asks.is_empty() && self.sent.is_empty()
    }

    fn describe(&self) -> String {
        format!(
            "HTTP/1.1: {} to ask, waits for {:?}",
            self.asks.len(),
            self.sent.front()
        )
    }
}

/// Writes a request. Returns the body if it waits for `100 Continue`, and the time until which it
/// waits.
fn write_request(
    ask: &Ask,
    version: H1Version,
    out: &mut Vec<u8>,
    outside: &mut Outside,
) -> Option<(Vec<u8>, Duration)> {
    let minor = if version == H1Version::Http10 { 0 } else { 1 };
    let mut head = format!(
        "{} {} HTTP/1.{minor}\r\nHost: sim\r\n",
        ask.method(),
        ask.target
    );
    if let Some((name, value)) = ask.field() {
        head += &format!("{name}: {value}\r\n");
    }
    let Kind::Upload(content) = &ask.kind else {
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(b"\r\n");
        return None;
    };
    let rng = &mut outside.rng;
    let is_chunked = version == H1Version::Http11 && rng.chance(500);
    let body = if is_chunked {
        head += "Transfer-Encoding: chunked\r\n";
        chunked(content, rng.between(1, 20_000))
    } else {
        head += &format!("Content-Length: {}\r\n", content.len());
        content.to_vec()
    };
    let expects = version == H1Version::Http11 && !content.is_empty() && rng.chance(250);
    if expects {
        head += "Expect: 100-continue\r\n";
    }
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(b"\r\n");
    if expects {
        return Some((body, outside.network.now + Duration::from_secs(1)));
    }
    out.extend(body);
    None
}

fn chunked(content: &[u8], size: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(content.len() + content.len() / size * 8 + 16);
    for chunk in content.chunks(size) {
        body.extend(format!("{:x}\r\n", chunk.len()).bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    body
}
