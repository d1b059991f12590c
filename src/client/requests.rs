//! Requests on a connection: one, or the same one many times and several at a time.

use super::error::{Error, MOST_INFORMATIONAL};
use super::request::Fetch;
use super::style::printable;
use super::upload::{Portion, Upload};
use super::url::Url;
use crate::h2::{self, Cause, ErrorCode, Event, Misuse, StreamKey};
use crate::http::Fields;
use crate::world::Ready;
use std::time::{Duration, Instant};

/// Output that is made ahead of the socket.
const OUTPUT: usize = 64 << 10;

/// Streams that every server should allow (RFC 9113 §6.5.2), before it has said how many it does.
const STREAMS_AT_FIRST: usize = 100;

/// The receiver of responses.
pub trait Responses {
    /// An informational response.
    fn informational(&mut self, _fields: &Fields) -> Result<(), Error> {
        Ok(())
    }

    /// The head of a final response.
    fn head(&mut self, fields: &Fields) -> Result<(), Error>;

    /// Content that came at `now`.
    fn data(&mut self, data: &[u8], now: Instant) -> Result<(), Error>;

    /// The fields behind the content.
    fn trailers(&mut self, _fields: &Fields) -> Result<(), Error> {
        Ok(())
    }

    /// `len` bytes of an upload were sent at `now`.
    fn uploaded(&mut self, _len: usize, _now: Instant) {}

    /// A response is whole, so long after its request.
    fn finished(&mut self, latency: Duration) -> Result<(), Error>;

    /// There will be no response, or no more of it.
    fn failed(&mut self, error: Error) -> Result<(), Error>;

    /// A pushed response is whole.
    fn pushed(&mut self, _push: &Push) {}

    /// Nothing will come for a while: what is held back can go.
    fn pause(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// A response that the server sends without being asked.
pub struct Push {
    stream: StreamKey,
    /// The path of the request that it would be the response to.
    pub path: String,
    /// Its status, once it is known.
    pub status: Option<u16>,
    /// Its content, which is not kept.
    pub bytes: u64,
}

impl Push {
    fn new(stream: StreamKey, request: &Fields) -> Self {
        Push {
            stream,
            path: printable(request.path().unwrap_or_default()),
            status: None,
            bytes: 0,
        }
    }
}

/// A request that waits for its response.
struct PendingRequest {
    stream: StreamKey,
    began: Instant,
    /// Bytes of the upload that were sent, while there are more.
    upload: Option<u64>,
    answer: AnswerStage,
}

/// Progress of the server with its answer. Once the answer has begun, the request was acted on, and part
/// of the answer may be shown already: the request cannot be sent again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AnswerStage {
    None,
    /// A number of informational responses.
    Informational(u32),
    /// The head of the final response.
    Begun,
}

/// One request, sent as often as is wanted.
pub struct Requests<'r, R> {
    request: &'r Fetch<'r>,
    fields: Fields,
    responses: R,
    /// To be sent.
    waiting: u64,
    finished: u64,
    /// Most requests at a time.
    streams: usize,
    /// Under way, by the index of the stream's key.
    open: Vec<Option<PendingRequest>>,
    active: usize,
    pushes: Vec<Push>,
    /// The request was the last to be sent on the connection.
    is_last: bool,
    /// The server has said how many streams it allows.
    settled: bool,
    /// The server refused a stream: what is left goes over another connection.
    refused: bool,
    /// The server's reason for ending the connection, if it said one.
    gone_away: Option<(ErrorCode, String)>,
}

impl<'r, R: Responses> Requests<'r, R> {
    /// A request `count` times, at most `streams` at a time.
    pub fn new(request: &'r Fetch<'r>, count: u64, streams: usize, responses: R) -> Self {
        Requests {
            fields: request.fields(),
            request,
            responses,
            waiting: count,
            finished: 0,
            streams,
            open: Vec::new(),
            active: 0,
            pushes: Vec::new(),
            is_last: false,
            settled: false,
            refused: false,
            gone_away: None,
        }
    }

    /// The receiver of the responses.
    pub fn responses(&mut self) -> &mut R {
        &mut self.responses
    }

    /// The receiver of the responses, once nothing more will come.
    pub fn into_responses(self) -> R {
        self.responses
    }

    /// Responses that are whole, and failures.
    pub fn finished(&self) -> u64 {
        self.finished
    }

    /// True if nothing is left to be sent or received.
    pub fn is_done(&self) -> bool {
        self.waiting == 0 && self.active == 0 && self.pushes.is_empty()
    }

    /// A new connection takes what is left.
    pub fn begin(&mut self) {
        self.is_last = false;
        self.settled = false;
        self.refused = false;
        self.gone_away = None;
        self.pushes.clear();
    }

    /// True if the connection will take no more of the requests.
    pub fn is_stuck(&self, core: &h2::Connection) -> bool {
        self.active == 0 && (self.refused || core.is_drained())
    }

    /// The connection was closed before the server saw what was sent on it: sends it again, if that
    /// does no harm.
    pub fn take_back(&mut self) -> bool {
        if !self.request.is_safe() {
            return false;
        }
        self.waiting += self.active as u64;
        self.active = 0;
        self.open.clear();
        true
    }

    /// The error of a connection that took no request.
    pub fn refusal(&self, url: &Url) -> Error {
        self.reason(url)
            .unwrap_or_else(|| Error::Refused(url.authority()))
    }

    /// The error of a connection that was lost.
    pub fn loss(&self, url: &Url) -> Error {
        self.reason(url)
            .unwrap_or_else(|| Error::Closed(url.authority()))
    }

    fn reason(&self, url: &Url) -> Option<Error> {
        let (code, debug) = self.gone_away.clone()?;
        Some(Error::GoneAway(url.authority(), code, debug))
    }

    /// Sends as many requests as may be under way.
    pub fn open(&mut self, core: &mut h2::Connection, now: Instant) -> Result<(), Error> {
        let most = if self.settled {
            self.streams
        } else {
            self.streams.min(STREAMS_AT_FIRST)
        };
        while self.waiting > 0 && self.active < most && !self.refused {
            let len = self.request.source.map(Upload::len);
            let end_stream = matches!(len, None | Some(Some(0)));
            self.request.check_source()?;
            match self.send(core, end_stream, now) {
                Ok(stream) => {
                    self.is_last = true;
                    self.waiting -= 1;
                    self.insert(stream, now, (!end_stream).then_some(0));
                    core.set_ready(stream, len.flatten());
                }
                Err(Misuse::TooManyStreams { .. } | Misuse::GoingAway) => break,
                Err(Misuse::StreamIdsExhausted) => self.refused = true,
                Err(misuse) => return Err(Error::Request(self.request.url.clone(), misuse)),
            }
        }
        Ok(())
    }

    /// Sends the request, whose fields are looked at the first time alone.
    fn send(
        &self,
        core: &mut h2::Connection,
        end_stream: bool,
        now: Instant,
    ) -> Result<StreamKey, Misuse> {
        if self.is_last {
            let method = self.fields.method().unwrap_or_default();
            if let Some(stream) = core.open_again(method, end_stream, now)? {
                return Ok(stream);
            }
        }
        core.open(self.fields.iter(), end_stream, now)
    }

    fn insert(&mut self, stream: StreamKey, began: Instant, upload: Option<u64>) {
        let index = stream.index();
        if index >= self.open.len() {
            self.open.resize_with(index + 1, || None);
        }
        self.active += 1;
        if let Some(place) = self.open.get_mut(index) {
            *place = Some(PendingRequest {
                stream,
                began,
                upload,
                answer: AnswerStage::None,
            });
        }
    }

    fn exchange(&mut self, stream: StreamKey) -> Option<&mut PendingRequest> {
        let exchange = self.open.get_mut(stream.index())?.as_mut();
        exchange.filter(|exchange| exchange.stream == stream)
    }

    fn remove(&mut self, stream: StreamKey) -> Option<PendingRequest> {
        self.exchange(stream)?;
        self.active -= 1;
        self.open.get_mut(stream.index())?.take()
    }

    /// Reads what windows and output have room for. True if there was anything.
    pub fn upload(&mut self, core: &mut h2::Connection, now: Instant) -> Result<bool, Error> {
        let mut any = false;
        loop {
            let room = OUTPUT.saturating_sub(core.output().len());
            let Some(grant) = core.poll_grant(room) else {
                return Ok(any);
            };
            let (stream, max) = (grant.stream, grant.max_len as usize);
            let source = self.request.source;
            let sent = self.exchange(stream).and_then(|it| it.upload.as_mut());
            let (Some(source), Some(sent)) = (source, sent) else {
                core.abort(grant);
                core.reset(stream, ErrorCode::INTERNAL_ERROR);
                continue;
            };
            let out = core.begin_data(&grant);
            let before = out.len();
            let portion = source.read(*sent, out, max);
            let len = out.len() - before;
            *sent += len as u64;
            let last = match portion {
                Ok(portion) => matches!(portion, Portion::Last),
                Err(error) => {
                    core.abort(grant);
                    core.reset(stream, ErrorCode::CANCEL);
                    return Err(error);
                }
            };
            core.commit(grant, last);
            any |= len > 0 || last;
            self.responses.uploaded(len, now);
            if let Some(exchange) = self.exchange(stream).filter(|_| last) {
                exchange.upload = None;
            }
        }
    }

    /// Lets the uploads go on whose input the poll has told of.
    pub fn note(&mut self, ready: &Ready, core: &mut h2::Connection) {
        if Upload::is_ready(ready) {
            let uploading = |exchange: &&PendingRequest| exchange.upload.is_some();
            for exchange in self.open.iter().flatten().filter(uploading) {
                core.set_ready(exchange.stream, None);
            }
        }
    }

    /// Takes an event of the core.
    pub fn handle(
        &mut self,
        event: Event<'_>,
        core: &mut h2::Connection,
        now: Instant,
    ) -> Result<(), Error> {
        match event {
            Event::Informational { stream, fields } => self.informational(stream, fields),
            Event::Response {
                stream,
                fields,
                end_stream,
            } => {
                match self.push(stream) {
                    Some(push) => push.status = fields.status(),
                    None => self.responses.head(fields)?,
                }
                if let Some(exchange) = self.exchange(stream) {
                    exchange.answer = AnswerStage::Begun;
                }
                self.end(stream, end_stream, core, now)
            }
            Event::Data {
                stream,
                data,
                flow_controlled_len,
                end_stream,
            } => {
                match self.push(stream) {
                    Some(push) => push.bytes += data.len() as u64,
                    None => self.responses.data(data, now)?,
                }
                let released = core.release(stream, flow_controlled_len);
                debug_assert_eq!(released, Ok(()), "a byte is released once");
                self.end(stream, end_stream, core, now)
            }
            Event::Trailers { stream, fields } => {
                if self.push(stream).is_none() {
                    self.responses.trailers(fields)?;
                }
                self.end(stream, true, core, now)
            }
            Event::StreamReset {
                stream, code, by, ..
            } => self.reset(stream, code, by),
            Event::PushPromise {
                promised, fields, ..
            } => {
                self.pushes.push(Push::new(promised, fields));
                Ok(())
            }
            Event::SettingsChanged { .. } => {
                self.settled = true;
                Ok(())
            }
            Event::GoAway { code, debug, .. } => {
                if code != ErrorCode::NO_ERROR {
                    self.gone_away = Some((code, printable(debug)));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn informational(&mut self, stream: StreamKey, fields: &Fields) -> Result<(), Error> {
        let Some(exchange) = self.exchange(stream) else {
            return Ok(());
        };
        let count = match exchange.answer {
            AnswerStage::Informational(count) => count + 1,
            AnswerStage::None | AnswerStage::Begun => 1,
        };
        exchange.answer = AnswerStage::Informational(count);
        if count > MOST_INFORMATIONAL {
            return Err(Error::Informational(self.request.url.clone()));
        }
        self.responses.informational(fields)
    }

    fn push(&mut self, stream: StreamKey) -> Option<&mut Push> {
        self.pushes.iter_mut().find(|push| push.stream == stream)
    }

    fn end(
        &mut self,
        stream: StreamKey,
        end_stream: bool,
        core: &mut h2::Connection,
        now: Instant,
    ) -> Result<(), Error> {
        if !end_stream {
            return Ok(());
        }
        if let Some(position) = self.pushes.iter().position(|push| push.stream == stream) {
            let push = self.pushes.swap_remove(position);
            self.responses.pushed(&push);
        }
        let Some(exchange) = self.remove(stream) else {
            return Ok(());
        };
        if exchange.upload.is_some() {
            // The server has answered without the rest, so it need not be sent (RFC 9113 §8.1).
            core.reset(stream, ErrorCode::CANCEL);
        }
        self.finished += 1;
        self.responses
            .finished(now.saturating_duration_since(exchange.began))
    }

    fn reset(&mut self, stream: StreamKey, code: ErrorCode, by: Cause) -> Result<(), Error> {
        self.pushes.retain(|push| push.stream != stream);
        let Some(exchange) = self.remove(stream) else {
            return Ok(());
        };
        let refused = code == ErrorCode::REFUSED_STREAM && by == Cause::Peer;
        if (refused || by == Cause::GoAway) && exchange.answer == AnswerStage::None {
            // The server did nothing with it (RFC 9113 §8.7).
            self.waiting += 1;
            self.refused = true;
            return Ok(());
        }
        self.finished += 1;
        self.responses
            .failed(Error::Reset(self.request.url.clone(), code, by))
    }
}
