//! A handler whose answers come late: at a time, behind another request, in parts, or never.

use calmd::exchange::{
    Answer, Desk, Exchange, Failure, Handler, Head, Request, Room, Step, Until, Waker,
};
use calmd::world::Files;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The path at which the handler is mounted.
pub const PATH: &str = "/late";

/// The content of each answer that comes.
pub const CONTENT: &[u8] = b"late, later, latest";

/// Time that an answer takes which waits for it.
pub const DELAY: Duration = Duration::from_secs(2);

/// Time between two parts of an answer that comes in parts.
const PAUSE: Duration = Duration::from_millis(300);

/// Length of a part.
const PART: usize = 7;

/// The server's `--handler-timeout`: longer than all delays of answers that come, and short enough for a
/// client that asks for several answers that never come.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// The end of the wait for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lateness {
    /// [`DELAY`] has passed.
    Timer,
    /// Another request for an answer that is late has come. None may come before [`TIMEOUT`].
    Woken,
    /// The head comes at once, and the content in parts.
    Parts,
    /// There is none but the server's: 504.
    Never,
}

impl Lateness {
    /// All kinds, those that come soon more often.
    pub const CHOICE: [Lateness; 7] = [
        Lateness::Timer,
        Lateness::Timer,
        Lateness::Woken,
        Lateness::Woken,
        Lateness::Parts,
        Lateness::Parts,
        Lateness::Never,
    ];

    /// The target of a request for such an answer.
    pub fn target(self) -> String {
        format!("{PATH}/{self:?}")
    }
}

/// The handler, and what its exchanges share.
#[derive(Clone, Default)]
pub struct LateHandler {
    /// Number of requests so far.
    requests: Rc<Cell<u32>>,
    waiting: Rc<RefCell<Vec<Waker>>>,
}

struct LateAnswer {
    handler: LateHandler,
    lateness: Lateness,
    /// Number of requests at which the answer was asked for.
    number: u32,
    begun: Instant,
    state: LateState,
}

/// The part of the response that was made.
#[derive(Clone, Copy)]
enum LateState {
    Nothing,
    /// The head, and so many bytes of content.
    Content(usize),
}

impl<F: Files> Handler<F> for LateHandler {
    fn accept(&mut self, request: &Request<'_>, desk: &mut Desk<'_>) -> Answer<F> {
        let is_asked_for = |lateness: &Lateness| {
            lateness.target().as_bytes().strip_prefix(PATH.as_bytes()) == Some(request.rest)
        };
        let Some(lateness) = Lateness::CHOICE.into_iter().find(is_asked_for) else {
            return Answer::NotMine;
        };
        self.requests.set(self.requests.get() + 1);
        let mut waiting = self.waiting.borrow_mut();
        waiting.retain(|waker| !waker.is_over());
        waiting.iter().for_each(Waker::wake);
        waiting.push(desk.waker());
        Answer::Exchange(Box::new(LateAnswer {
            handler: self.clone(),
            lateness,
            number: self.requests.get(),
            begun: desk.now(),
            state: LateState::Nothing,
        }))
    }
}

impl<F: Files> Exchange<F> for LateAnswer {
    fn poll(&mut self, room: &mut Room<'_, F>, desk: &mut Desk<'_>) -> Result<Step<F>, Failure> {
        let is_woken = self.handler.requests.get() > self.number;
        let (ready_at, end) = match (self.lateness, self.state) {
            (Lateness::Timer, _) => (self.begun + DELAY, CONTENT.len()),
            (Lateness::Woken, LateState::Nothing) if !is_woken => {
                return Ok(Step::Wait(Until::Woken));
            }
            (Lateness::Never, _) => return Ok(Step::Wait(Until::Woken)),
            (Lateness::Parts, LateState::Content(sent)) => {
                let parts = sent / PART;
                let end = CONTENT.len().min(PART * (parts + 1));
                (self.begun + PAUSE * (parts as u32 + 1), end)
            }
            (Lateness::Woken | Lateness::Parts, _) => (self.begun, CONTENT.len()),
        };
        if desk.now() < ready_at {
            return Ok(Step::Wait(Until::Time(ready_at)));
        }
        match &mut self.state {
            LateState::Nothing => {
                self.state = LateState::Content(0);
                Ok(Step::Head(Head {
                    status: 200,
                    fields: Rc::default(),
                    len: None,
                }))
            }
            LateState::Content(sent) if *sent < CONTENT.len() => {
                *sent += room.write(&CONTENT[*sent..end]);
                Ok(Step::Written)
            }
            LateState::Content(_) => Ok(Step::End(None)),
        }
    }
}
