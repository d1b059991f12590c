//! A good client that speaks HTTP/2: the protocol core in its client role.

use super::ask::{Answer, AnswerVerdict, Ask, Kind};
use super::wire::{LEAST_BITS, Pace, Security, Standing, Wire};
use super::{Client, Farewell, Tie};
use crate::sim::faults::Fault;
use crate::sim::outside::{Outside, Room};
use calmd::h2::{self, Cause, ErrorCode, Event, Priority, Settings, StreamKey};
use calmd::http::Fields;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Window sizes that keep a stream moving at every round-trip time.
const WINDOWS: [u32; 3] = [16_384, 65_535, 1 << 20];

/// A window size that all responses of a run fit in.
const WIDE: u32 = 1 << 30;

/// Sizes of the HPACK table for the fields of responses.
const TABLES: [u32; 4] = [0, 100, 4096, 65_536];

/// A client that sends several requests at a time, on one connection after another.
pub struct H2Client {
    /// Requests that are not sent yet, or to be sent once more.
    asks: VecDeque<Ask>,
    connection: Option<Connection>,
    config: Arc<h2::Config>,
    /// Number of requests under way at a time.
    concurrency: usize,
    /// Number of extra actions that are left: changes of settings, cancelled requests, PINGs.
    whims: usize,
    /// Time after which received bytes are used up.
    digestion: Duration,
    security: Security,
    pace: Pace,
    farewell: Farewell,
    wake: Option<Duration>,
}

struct Connection {
    wire: Wire,
    core: h2::Connection,
    open: Vec<Exchange>,
    /// Bytes to be given back to the windows, each with its time.
    digesting: VecDeque<(Duration, StreamKey, u32)>,
    state: H2State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum H2State {
    /// The client has ended its direction. Its answers still come.
    Finished,
    /// The server has not sent anything yet.
    Fresh,
    Open,
    /// The server takes no more requests on this connection.
    GoingAway,
}

struct Exchange {
    stream: StreamKey,
    ask: Ask,
    answer: Answer,
    /// Number of bytes of an upload that were sent.
    sent: usize,
}

impl H2Client {
    pub fn new(asks: VecDeque<Ask>, security: Security, outside: &mut Outside) -> Self {
        let rng = &mut outside.rng;
        let is_wide = rng.chance(250);
        let config = h2::Config {
            initial_window_size: if is_wide { WIDE } else { *rng.pick(&WINDOWS) },
            connection_window_size: if is_wide {
                WIDE
            } else {
                *rng.pick(&[65_535, 1 << 20])
            },
            max_frame_size: *rng.pick(&[16_384, 16_384, 70_000]),
            header_table_size: *rng.pick(&TABLES),
            ..h2::Config::default()
        };
        H2Client {
            asks,
            connection: None,
            config: Arc::new(config),
            concurrency: rng.between(1, 8),
            whims: rng.below(5),
            digestion: *rng.pick(&[Duration::ZERO, Duration::ZERO, Duration::from_millis(30)]),
            security,
            pace: Pace::bearable(rng),
            farewell: Farewell::random(rng),
            wake: Some(rng.pause(Duration::from_millis(200))),
        }
    }

    fn act(&mut self, outside: &mut Outside) {
        if self.connection.is_none() && !self.asks.is_empty() {
            let Some(wire) = Wire::connect(outside, &self.security, self.pace, LEAST_BITS) else {
                // The server has stopped: no client is owed an answer any more.
                self.asks.clear();
                return;
            };
            let core = h2::Connection::client(self.config.clone(), outside.instant());
            self.connection = Some(Connection {
                wire,
                core,
                open: Vec::new(),
                digesting: VecDeque::new(),
                state: H2State::Fresh,
            });
        }
        let Some(connection) = &mut self.connection else {
            return;
        };
        let standing = connection.wire.pump(outside);
        if standing == Standing::Ended {
            connection.wire.expect_close_notify(outside);
        }
        connection.receive(&mut self.asks, self.digestion, outside);
        connection.digest(outside);
        connection.ask(&mut self.asks, self.concurrency, outside);
        if self.whims > 0 && connection.state == H2State::Open && outside.rng.chance(100) {
            self.whims -= 1;
            connection.indulge(outside);
        }
        connection.upload();
        let output = connection.core.take_output();
        connection.wire.outbox.extend(output);
        connection.wire.pump(outside);
        if connection.core.announced_settings().initial_window_size == WIDE {
            connection.half_close(&self.asks, &mut self.farewell, outside);
        }
        if standing != Standing::Open {
            self.lose(outside);
        } else if self.asks.is_empty() && connection.open.is_empty() {
            let flushed = connection.wire.is_flushed();
            if self.farewell != Farewell::Said && !flushed {
                return;
            }
            let tie = connection.wire.part(&mut self.farewell, outside);
            if self.farewell == Farewell::Said {
                outside.network.client_leaves(connection.wire.link);
            }
            if tie == Tie::Cut {
                self.connection = None;
            }
        }
    }

    /// Handles the end of the connection. Unanswered requests are sent once more, if the server is not
    /// to blame.
    fn lose(&mut self, outside: &mut Outside) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        log::trace!("{} is lost", connection.wire.link);
        let refused = connection.state == H2State::Fresh && outside.is_stopping();
        let harmed = refused || connection.wire.is_harmed(outside) || outside.is_stopped();
        // A file that cannot be read behind the header of its DATA frame ends the connection.
        let link = connection.wire.link;
        let lost = outside.network.lost_file(link);
        for open in connection.open {
            let room = outside.room_since(open.ask.sent);
            let not_begun = open.answer.status == 0 && room == Room::Scarce;
            let beside = lost.is_some_and(|path| !open.ask.is_for(path));
            let overtaken = room == Room::Scarce && outside.network.is_overtaken(link);
            if harmed || beside || not_begun || overtaken || room == Room::Tight {
                self.asks.push_back(open.ask);
            } else {
                let excused = lost.is_some();
                open.ask.expect(excused, "a lost connection", &open.answer);
                open.ask.judge_cut(&open.answer, outside);
            }
        }
        outside.network.client_close(connection.wire.link);
        self.wake = Some(outside.network.now + Duration::from_millis(10));
    }
}

impl Connection {
    /// Processes the bytes that the server sent.
    fn receive(&mut self, asks: &mut VecDeque<Ask>, digestion: Duration, outside: &mut Outside) {
        let inbox = std::mem::take(&mut self.wire.inbox);
        let mut input = &inbox[..];
        let mut fields = Fields::new();
        loop {
            match self
                .core
                .receive(&mut input, &mut fields, outside.instant())
            {
                Ok(Some(event)) => {
                    if self.state == H2State::Fresh {
                        self.state = H2State::Open;
                    }
                    self.handle(event, asks, digestion, outside);
                }
                Ok(None) => break,
                Err(error) => panic!("the server breaks the rules: {error}"),
            }
        }
        self.wire.inbox = input.to_vec();
    }

    fn handle(
        &mut self,
        event: Event<'_>,
        asks: &mut VecDeque<Ask>,
        digestion: Duration,
        outside: &mut Outside,
    ) {
        match event {
            Event::Response {
                stream,
                fields,
                end_stream,
            } => {
                if let Some(exchange) = self.exchange(stream) {
                    exchange.answer = head(fields);
                }
                self.conclude_if(end_stream, stream, asks, outside);
            }
            Event::Data {
                stream,
                data,
                flow_controlled_len,
                end_stream,
            } => {
                let at = outside.network.now + digestion;
                self.digesting.push_back((at, stream, flow_controlled_len));
                if let Some(exchange) = self.exchange(stream) {
                    exchange.answer.body.extend_from_slice(data);
                }
                self.conclude_if(end_stream, stream, asks, outside);
            }
            Event::StreamReset {
                stream, code, by, ..
            } => self.cut(stream, code, by, asks, outside),
            Event::GoAway { code, .. } => {
                let shed = outside.room == Room::Tight && code == ErrorCode::ENHANCE_YOUR_CALM;
                let excused = shed || self.wire.is_harmed(outside);
                assert!(
                    code == ErrorCode::NO_ERROR || excused,
                    "GOAWAY {code} for a good client"
                );
                self.state = H2State::GoingAway;
            }
            Event::Trailers { .. } | Event::PushPromise { .. } => {
                panic!("the server sends what it has no reason to: {event:?}")
            }
            _ => {}
        }
    }

    /// Handles a stream that ended before its response.
    fn cut(
        &mut self,
        stream: StreamKey,
        code: ErrorCode,
        by: Cause,
        asks: &mut VecDeque<Ask>,
        outside: &mut Outside,
    ) {
        let Some(position) = self.open.iter().position(|open| open.stream == stream) else {
            return;
        };
        let Exchange { ask, answer, .. } = self.open.swap_remove(position);
        match by {
            Cause::GoAway => asks.push_back(ask),
            Cause::Peer if code == ErrorCode::REFUSED_STREAM => asks.push_back(ask),
            // The stream's deadline passed while the server did not run.
            Cause::Peer if code == ErrorCode::CANCEL && self.wire.is_harmed(outside) => {
                asks.push_back(ask);
            }
            Cause::Peer if code == ErrorCode::INTERNAL_ERROR => {
                ask.judge_cut(&answer, outside);
            }
            _ => panic!("{} was reset with {code} ({by:?})", ask.target),
        }
    }

    fn conclude_if(
        &mut self,
        end_stream: bool,
        stream: StreamKey,
        asks: &mut VecDeque<Ask>,
        outside: &mut Outside,
    ) {
        let position = self.open.iter().position(|open| open.stream == stream);
        let Some(position) = position.filter(|_| end_stream) else {
            return;
        };
        let Exchange { ask, answer, .. } = self.open.swap_remove(position);
        if ask.judge(&answer, outside) == AnswerVerdict::AskAgain {
            asks.push_back(ask);
        }
    }

    fn exchange(&mut self, stream: StreamKey) -> Option<&mut Exchange> {
        self.open.iter_mut().find(|open| open.stream == stream)
    }

    /// Gives back the windows that are due.
    fn digest(&mut self, outside: &Outside) {
        let now = outside.network.now;
        let due = self
            .digesting
            .iter()
            .take_while(|(at, ..)| *at <= now)
            .count();
        for (_, stream, len) in self.digesting.drain(..due) {
            self.core.release(stream, len).expect("bytes that are held");
        }
    }

    /// Opens streams as far as the client's concurrency and the server's limit allow.
    fn ask(&mut self, asks: &mut VecDeque<Ask>, concurrency: usize, outside: &Outside) {
        while self.open.len() < concurrency && matches!(self.state, H2State::Fresh | H2State::Open)
        {
            let Some(mut ask) = asks.pop_front() else {
                break;
            };
            ask.sent = outside.network.now;
            let mut fields = Fields::new();
            fields.push(b":method", ask.method().as_bytes());
            fields.push(b":scheme", b"http");
            fields.push(b":path", ask.target.as_bytes());
            fields.push(b":authority", b"sim");
            if let Some((name, value)) = ask.field() {
                fields.push(name.as_bytes(), value.as_bytes());
            }
            let upload = match &ask.kind {
                Kind::Upload(content) => Some(content.len() as u64),
                _ => None,
            };
            match self
                .core
                .open(fields.iter(), upload.is_none(), outside.instant())
            {
                Ok(stream) => {
                    if upload.is_some() {
                        self.core.set_ready(stream, upload);
                    }
                    self.open.push(Exchange {
                        stream,
                        ask,
                        answer: Answer::default(),
                        sent: 0,
                    });
                }
                Err(_) => {
                    asks.push_front(ask);
                    break;
                }
            }
        }
    }

    /// Sends content of uploads as the windows allow.
    fn upload(&mut self) {
        const ROOM: usize = 32 << 10;
        loop {
            let room = ROOM.saturating_sub(self.core.output().len() + self.wire.outbox.len());
            let Some(grant) = self.core.poll_grant(room) else {
                return;
            };
            let stream = grant.stream;
            let exchange = self.open.iter_mut().find(|open| open.stream == stream);
            let Some(Exchange {
                ask:
                    Ask {
                        kind: Kind::Upload(content),
                        ..
                    },
                sent,
                ..
            }) = exchange
            else {
                // The upload was answered before its end, so its rest is not needed.
                self.core.abort(grant);
                self.core.reset(stream, ErrorCode::CANCEL);
                continue;
            };
            let end = content.len().min(*sent + grant.max_len as usize);
            self.core
                .begin_data(&grant)
                .extend_from_slice(&content[*sent..end]);
            *sent = end;
            self.core.commit(grant, end == content.len());
        }
    }

    /// Does one of the actions that a client may do at any time.
    fn indulge(&mut self, outside: &mut Outside) {
        let now = outside.instant();
        let rng = &mut outside.rng;
        let some = (!self.open.is_empty()).then(|| rng.below(self.open.len()));
        match (rng.below(4), some) {
            (0, _) => self.core.ping([7; 8], now),
            (1, Some(position)) => {
                let Exchange { stream, .. } = self.open.swap_remove(position);
                self.core.reset(stream, ErrorCode::CANCEL);
                outside.network.faults.count(Fault::RequestCancelled);
            }
            (2, Some(position)) => {
                let priority = Priority::new(rng.below(8) as u8, rng.chance(500));
                let stream = self.open[position].stream;
                let told = self.core.send_priority_update(stream, priority);
                told.expect("the stream is open");
            }
            _ => {
                let settings = Settings {
                    initial_window_size: *rng.pick(&WINDOWS),
                    header_table_size: *rng.pick(&TABLES),
                    ..self.core.announced_settings()
                };
                let told = self.core.update_settings(settings, now);
                told.expect("settings that a client may have");
            }
        }
    }

    /// Ends this direction before the answers have come, once all requests are sent and the windows are
    /// wide enough for all answers.
    fn half_close(&mut self, asks: &VecDeque<Ask>, farewell: &mut Farewell, outside: &mut Outside) {
        let is_upload_open = |open: &Exchange| match &open.ask.kind {
            Kind::Upload(content) => open.sent < content.len(),
            _ => false,
        };
        let all_sent = asks.is_empty()
            && !self.open.is_empty()
            && self.wire.is_flushed()
            && !self.open.iter().any(is_upload_open)
            && !self.open.iter().any(|open| open.ask.is_late());
        if all_sent && self.state == H2State::Open && *farewell == Farewell::HalfClose {
            self.wire.part(farewell, outside);
            self.state = H2State::Finished;
        }
    }
}

fn head(fields: &Fields) -> Answer {
    let number = |value: &[u8]| std::str::from_utf8(value).ok()?.parse().ok();
    Answer {
        status: fields.status().expect("a status"),
        length: fields.value("content-length").and_then(number),
        location: fields.value("location").map(<[u8]>::to_vec),
        coding: fields.value("content-encoding").map(<[u8]>::to_vec),
        range: fields.value("content-range").map(<[u8]>::to_vec),
        body: Vec::new(),
    }
}

impl Client for H2Client {
    fn run(&mut self, outside: &mut Outside) {
        let now = outside.network.now;
        let link = self
            .connection
            .as_ref()
            .map(|connection| connection.wire.link);
        let woken = link.is_some_and(|link| outside.network.client_wakes(link));
        if !woken && self.next_wake().is_none_or(|wake| wake > now) {
            return;
        }
        self.wake = None;
        self.act(outside);
    }

    fn next_wake(&self) -> Option<Duration> {
        let connection = self.connection.as_ref();
        let wire = connection.and_then(|connection| connection.wire.next_wake());
        let digesting = connection.and_then(|connection| connection.digesting.front());
        [self.wake, wire, digesting.map(|(at, ..)| *at)]
            .into_iter()
            .flatten()
            .min()
    }

    fn is_content(&self) -> bool {
        let open = self
            .connection
            .as_ref()
            .is_some_and(|connection| !connection.open.is_empty());
        self.asks.is_empty() && !open
    }

    fn describe(&self) -> String {
        let open = self
            .connection
            .iter()
            .flat_map(|connection| &connection.open);
        let open = open.map(|open| (&open.ask.target, open.answer.status, open.answer.body.len()));
        format!(
            "HTTP/2: {} to ask, waits for {:?}",
            self.asks.len(),
            open.collect::<Vec<_>>()
        )
    }
}
