//! The trace of one connection as it goes on: records of qlog, until the connection is gone or the reader has
//! enough.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::answer::{PanelReply, Sending, fields_of};
use super::order::{OrderContent, OrderOutcome, PanelOrder};
use super::state::SharedState;
use crate::exchange::{Desk, Exchange, Failure, Head, Room, Step, Until};
use crate::inspect::{Feed, Watch, WatchForm};
use crate::world::Files;

/// The time between two looks at what has come: as often as states are told.
const PERIOD: Duration = Duration::from_millis(50);

/// A trace whose reader takes nothing for so long, or whose connection is silent for so long, ends.
const IDLE: Duration = Duration::from_secs(60);

/// The longest trace, in bytes: an hour of a busy browser, as much as the file of `--qlog` holds.
const LONGEST: usize = 64 << 20;

/// The media type of sequences of records (draft-ietf-quic-qlog-main-schema §11).
const MEDIA_TYPE: &str = "application/qlog+json-seq";

/// A request for the trace of a connection.
pub(super) struct TraceStream {
    state: SharedState,
    /// The token of the session, without which the trace ends.
    session: String,
    stage: TraceStage,
    pending: String,
    taken: usize,
    /// Bytes that were made so far.
    made: usize,
    due: Instant,
    /// Counts the trace among the streams of events while it is there.
    _place: Rc<()>,
}

enum TraceStage {
    /// The connection of this number, which the event loop was not asked for yet.
    New(u32),
    Asked(Rc<PanelOrder>),
    Tracing(Box<Watch>),
    /// An answer without a trace.
    Refused(Sending),
    Ending,
}

impl TraceStream {
    /// A trace of the connection of this number for the session of this token; none if there are too many streams.
    pub(super) fn new(state: SharedState, session: String, id: u32, now: Instant) -> Option<Self> {
        let place = state.borrow().stream_place()?;
        Some(TraceStream {
            state,
            session,
            stage: TraceStage::New(id),
            pending: String::new(),
            taken: 0,
            made: 0,
            due: now,
            _place: place,
        })
    }

    /// Takes what the connection has told since the last look.
    fn make(&mut self, now: Instant) {
        self.due = now + PERIOD;
        let goes_on = self.state.borrow().sessions.goes_on(&self.session, now);
        let TraceStage::Tracing(watch) = &mut self.stage else {
            return;
        };
        watch.poll(&mut self.pending);
        self.made += self.pending.len();
        if watch.is_over() || !goes_on || self.made >= LONGEST {
            self.stage = TraceStage::Ending;
        }
    }

    /// The step behind the event loop's answer.
    fn begin<F: Files>(&mut self, outcome: OrderOutcome) -> Step<F> {
        let refused = match outcome {
            OrderOutcome::Watched(watch) => {
                self.stage = TraceStage::Tracing(watch);
                return Step::Head(Head {
                    status: 200,
                    fields: Rc::new(fields_of(MEDIA_TYPE)),
                    len: None,
                });
            }
            OrderOutcome::Refused(status, why) => PanelReply::error(status, why),
            OrderOutcome::Done(_) | OrderOutcome::Json(_) => {
                PanelReply::error(500, "an answer to another question")
            }
        };
        let mut sending = Sending::Head(refused);
        let step = sending.step();
        self.stage = TraceStage::Refused(sending);
        step
    }
}

impl<F: Files> Exchange<F> for TraceStream {
    fn idle_timeout(&self) -> Option<Duration> {
        Some(IDLE)
    }

    fn poll(&mut self, room: &mut Room<'_, F>, desk: &mut Desk<'_>) -> Result<Step<F>, Failure> {
        if let TraceStage::New(id) = self.stage {
            let order = OrderContent::Watch(id, WatchForm::Qlog);
            let order = PanelOrder::new(order, desk.waker());
            self.state.borrow_mut().orders.push_back(order.clone());
            self.stage = TraceStage::Asked(order);
        }
        match &mut self.stage {
            TraceStage::Asked(order) => {
                let Some(outcome) = order.take_outcome() else {
                    order.await_turn();
                    return Ok(Step::Wait(Until::Woken));
                };
                return Ok(self.begin(outcome));
            }
            TraceStage::Refused(sending) => return Ok(sending.step()),
            TraceStage::New(_) | TraceStage::Tracing(_) | TraceStage::Ending => {}
        }
        if self.pending.is_empty() && self.due <= desk.now() {
            self.make(desk.now());
        }
        if self.pending.is_empty() {
            return Ok(match self.stage {
                TraceStage::Ending => Step::End(None),
                _ => Step::Wait(Until::Time(self.due)),
            });
        }
        let rest = self.pending.as_bytes().get(self.taken..);
        self.taken += room.write(rest.unwrap_or_default());
        if self.taken >= self.pending.len() {
            self.pending.clear();
            self.taken = 0;
        }
        Ok(Step::Written)
    }
}
