//! Events of an HTTP/2 connection to an upstream, as they concern its calls.

use std::time::Instant;

use super::{Openness, SharedConnection};
use crate::exchange::Call;
use crate::h2::{Cause, ErrorCode, Event, StreamKey};
use crate::http::Fields;
use crate::server::upstream::config::UpstreamLimits;
use crate::server::upstream::loss::UpstreamLoss;
use crate::world::Files;

impl<K, F: Files> SharedConnection<K, F> {
    /// Passes an event on to its call.
    pub(super) fn handle(&mut self, event: Event<'_>, limits: &UpstreamLimits, now: Instant) {
        let until = now + limits.idle_timeout;
        match event {
            Event::Informational { stream, fields } => {
                if let Some(carried) = self.carried(stream) {
                    carried.call.give_interim(fields);
                }
            }
            Event::Response {
                stream,
                fields,
                end_stream,
            } => {
                if let Some(carried) = self.carried(stream) {
                    carried.begin_reply(until);
                    give_head(&carried.call, fields, end_stream, now);
                }
                if end_stream {
                    self.finish(stream);
                }
            }
            Event::Data {
                stream,
                data,
                flow_controlled_len,
                end_stream,
            } => {
                let carried = self.calls.get_mut(stream.index()).and_then(Option::as_mut);
                if let Some(carried) = carried.filter(|carried| carried.stream == stream) {
                    carried.pass_on(data, flow_controlled_len);
                    carried.release(&mut self.core, until);
                    if end_stream {
                        carried.call.complete(None);
                    }
                }
                if end_stream {
                    self.finish(stream);
                }
            }
            Event::Trailers { stream, fields } => {
                if let Some(carried) = self.carried(stream) {
                    carried.call.complete(Some(fields));
                }
                self.finish(stream);
            }
            Event::StreamReset {
                stream, code, by, ..
            } => {
                if let Some(carried) = self.remove(stream) {
                    self.end(carried.call, loss_of_reset(code, by));
                }
            }
            Event::GoAway { .. } => self.openness = Openness::Leaving,
            Event::SettingsChanged { .. } if self.openness == Openness::New => {
                self.openness = Openness::Open;
            }
            _ => {}
        }
    }

    /// A response is whole.
    pub(super) fn finish(&mut self, stream: StreamKey) {
        let carried = self.carried(stream);
        if carried.is_some_and(|carried| carried.outlasts_reply()) {
            return;
        }
        let Some(carried) = self.remove(stream) else {
            return;
        };
        if carried.is_sending() {
            // The server has answered without the rest, so it need not be sent (RFC 9113 §8.1).
            self.core.reset(stream, ErrorCode::CANCEL);
        }
        self.end(carried.call, UpstreamLoss::None);
    }
}

/// Gives the head of a response, together with its end if it has nothing else.
fn give_head(call: &Call, fields: &Fields, is_all: bool, now: Instant) {
    call.give_head(fields, now);
    if is_all {
        call.complete(None);
    }
}

fn loss_of_reset(code: ErrorCode, by: Cause) -> UpstreamLoss {
    match by {
        Cause::GoAway => UpstreamLoss::Refused,
        Cause::Peer if code == ErrorCode::REFUSED_STREAM => UpstreamLoss::Refused,
        Cause::Peer => UpstreamLoss::Reset,
        Cause::Error(_) => UpstreamLoss::Protocol,
        Cause::Stalled => UpstreamLoss::Stalled,
    }
}
