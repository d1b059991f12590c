//! Wakes: the requests whose answers can go on, though nothing came from their peers.
//!
//! ```text
//!  a handler: Waker::wake ──▶ woken ─┐
//!                                    ├──▶ event loop: a turn for the connection, a poll for the request
//!  the disk: Wakes::retry ──▶ later ─┤
//!  long work: Wakes::go_on ──▶ next ─┤
//!  the helper process: helped ───────┘
//! ```
//!
//! Each request is in each of the queues at most once: a [`Waker`] remembers that it has been called, and a request
//! that waits for the disk is not polled before its wake. So all queues are bounded by the requests that are open,
//! and by those that have ended within [`DISK_RETRY`].

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::queue::Queue;
use crate::world::{HelpId, Token};

/// A response that waits for a disk tries again after this long: the time that a flash disk takes, and
/// few turns for one that takes longer.
const DISK_RETRY: Duration = Duration::from_millis(4);

/// Number of alarms that are kept: as many as there are requests under way at once where upstreams are quick.
const ALARMS: usize = 32;

/// A number that names a request within its connection, and none after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestKey(pub(crate) u32);

impl RequestKey {
    /// No request, but the output of the connection as a whole.
    pub(crate) const OUTPUT: RequestKey = RequestKey(0);
}

/// A request of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestPlace {
    pub(crate) connection: Token,
    pub(crate) request: RequestKey,
}

/// The reason for which a request is polled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WakeCause {
    /// Content is tried once more: a disk has had its time, the helper process has answered, or long work goes on.
    Content,
    /// A handler called the request's [`Waker`].
    Waker,
}

/// A wake that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wake {
    pub(crate) place: RequestPlace,
    pub(crate) cause: WakeCause,
}

/// The wakes of all connections of an event loop.
pub(crate) struct Wakes {
    woken: Rc<RefCell<Queue<Rc<Alarm>>>>,
    /// Requests whose content is worked at, a part a turn.
    next: Queue<RequestPlace>,
    /// The earliest first: each is due after the same time.
    later: Queue<(Instant, RequestPlace)>,
    /// Requests whose bytes the helper process brings: at most as many as it takes tasks.
    helped: Vec<(HelpId, RequestPlace)>,
    /// The alarms that were made last, the oldest first. One that nobody else holds is used again.
    alarms: RefCell<VecDeque<Rc<Alarm>>>,
}

/// The state that all clones of a [`Waker`] share.
pub(crate) struct Alarm {
    place: Cell<RequestPlace>,
    state: Cell<AlarmState>,
    queue: Rc<RefCell<Queue<Rc<Alarm>>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AlarmState {
    Silent,
    /// In the queue.
    Called,
    /// The request is over.
    Off,
}

/// A handle that has one request polled again, from wherever its handler keeps it: in a list of
/// listeners, behind a socket of another request. It is for the thread of its event loop.
#[derive(Clone)]
pub struct Waker(Rc<Alarm>);

impl Waker {
    /// Has the request polled as soon as the event loop comes to it. Further calls until then do
    /// nothing, nor do calls after the request is over.
    pub fn wake(&self) {
        if self.0.state.get() == AlarmState::Silent {
            self.0.state.set(AlarmState::Called);
            self.0.queue.borrow_mut().push_back(self.0.clone());
        }
    }

    /// True if the request is over: it need not be woken any more.
    pub fn is_over(&self) -> bool {
        self.0.state.get() == AlarmState::Off
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Waker").field(&self.0.place.get()).finish()
    }
}

/// A request's alarm, made when a [`Waker`] is first asked for. It is off once this is dropped.
#[derive(Default)]
pub(crate) struct AlarmOwner(Option<Rc<Alarm>>);

impl AlarmOwner {
    pub(super) fn waker(&mut self, wakes: &Wakes, place: RequestPlace) -> Waker {
        Waker(self.0.get_or_insert_with(|| wakes.alarm(place)).clone())
    }
}

impl Drop for AlarmOwner {
    fn drop(&mut self) {
        if let Some(alarm) = &self.0 {
            alarm.state.set(AlarmState::Off);
        }
    }
}

impl Wakes {
    /// No wakes.
    pub(crate) fn new() -> Self {
        Wakes {
            woken: Rc::new(RefCell::new(Queue::new())),
            next: Queue::new(),
            later: Queue::new(),
            helped: Vec::new(),
            alarms: RefCell::default(),
        }
    }

    /// An alarm for a request.
    fn alarm(&self, place: RequestPlace) -> Rc<Alarm> {
        let mut alarms = self.alarms.borrow_mut();
        let is_free = |oldest: &Rc<Alarm>| Rc::strong_count(oldest) == 1;
        if alarms.front().is_some_and(is_free)
            && let Some(alarm) = alarms.pop_front()
        {
            alarm.place.set(place);
            alarm.state.set(AlarmState::Silent);
            alarms.push_back(alarm.clone());
            return alarm;
        }
        let alarm = Rc::new(Alarm {
            place: Cell::new(place),
            state: Cell::new(AlarmState::Silent),
            queue: self.woken.clone(),
        });
        if alarms.len() == ALARMS {
            alarms.pop_front();
        }
        alarms.push_back(alarm.clone());
        alarm
    }

    /// Gives the alarms that are kept back, as a crowd goes.
    pub(crate) fn forget_alarms(&self) {
        self.alarms.take();
    }

    /// Has a request polled again in another turn, because its work is longer than one.
    pub(crate) fn go_on(&mut self, place: RequestPlace) {
        self.next.push_back(place);
    }

    /// Has a request polled again once the disk has had its time.
    pub(crate) fn retry(&mut self, place: RequestPlace, now: Instant) {
        self.later.push_back((now + DISK_RETRY, place));
    }

    /// Has a request polled again once the helper process has answered a task, as it does in time.
    pub(crate) fn await_help(&mut self, place: RequestPlace, task: HelpId) {
        self.helped.push((task, place));
    }

    /// Takes the request that waits for the answer to a task.
    pub(crate) fn take_helped(&mut self, task: HelpId) -> Option<Wake> {
        let at = self.helped.iter().position(|(id, _)| *id == task)?;
        let (_, place) = self.helped.swap_remove(at);
        let cause = WakeCause::Content;
        Some(Wake { place, cause })
    }

    /// Time until the next wake; `None` if there is none to come.
    pub(crate) fn until_next(&self, now: Instant) -> Option<Duration> {
        if !self.next.is_empty() || !self.woken.borrow().is_empty() {
            return Some(Duration::ZERO);
        }
        let first = self.later.front();
        first.map(|(due, _)| due.saturating_duration_since(now))
    }

    /// True if a retry of the disk, or the next part of long work, is appointed for a connection.
    #[cfg(debug_assertions)]
    pub(crate) fn has_retry(&self, connection: Token) -> bool {
        let later = self.later.iter().map(|(_, place)| place);
        let helped = self.helped.iter().map(|(_, place)| place);
        later
            .chain(helped)
            .chain(self.next.iter())
            .any(|place| place.connection == connection)
    }

    /// Takes the wakes that are due, the first first: retries of the disk before calls of
    /// wakers, and both before long work. Those that are caused while these are delivered come the next time.
    pub(crate) fn take_due(&mut self, now: Instant, due: &mut Queue<Wake>) {
        while let Some(&(at, place)) = self.later.front()
            && at <= now
        {
            self.later.pop_front();
            due.push_back(Wake {
                place,
                cause: WakeCause::Content,
            });
        }
        let mut woken = self.woken.borrow_mut();
        while let Some(alarm) = woken.pop_front() {
            if alarm.state.get() == AlarmState::Called {
                alarm.state.set(AlarmState::Silent);
                due.push_back(Wake {
                    place: alarm.place.get(),
                    cause: WakeCause::Waker,
                });
            }
        }
        while let Some(place) = self.next.pop_front() {
            due.push_back(Wake {
                place,
                cause: WakeCause::Content,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(index: u32) -> RequestPlace {
        let connection = Token { index, serial: 1 };
        RequestPlace {
            connection,
            request: RequestKey(1),
        }
    }

    fn due(wakes: &mut Wakes, now: Instant) -> Vec<u32> {
        let mut due = Queue::new();
        wakes.take_due(now, &mut due);
        let due = std::iter::from_fn(|| due.pop_front());
        due.map(|wake| wake.place.connection.index).collect()
    }

    #[test]
    fn a_waker_that_is_called_often_wakes_once_and_can_be_called_again() {
        let mut wakes = Wakes::new();
        let now = Instant::now();
        let waker = Waker(wakes.alarm(place(1)));
        let clone = waker.clone();
        assert_eq!(wakes.until_next(now), None);
        for _ in 0..3 {
            waker.wake();
            clone.wake();
            assert_eq!(wakes.until_next(now), Some(Duration::ZERO));
            assert_eq!(due(&mut wakes, now), [1]);
            assert!(due(&mut wakes, now).is_empty());
        }
    }

    #[test]
    fn a_request_that_is_over_is_not_woken() {
        let mut wakes = Wakes::new();
        let now = Instant::now();
        let mut owners = [AlarmOwner::default(), AlarmOwner::default()];
        let wakers = owners.each_mut().map(|owner| owner.waker(&wakes, place(1)));
        wakers[0].wake();
        drop(owners);
        wakers.iter().for_each(Waker::wake);
        assert!(wakers.iter().all(Waker::is_over));
        assert!(due(&mut wakes, now).is_empty());
        assert_eq!(wakes.until_next(now), None);
    }

    #[test]
    fn an_alarm_is_used_again_once_nobody_holds_it() {
        let wakes = Wakes::new();
        let first = wakes.alarm(place(1));
        let at = Rc::as_ptr(&first);
        assert_ne!(Rc::as_ptr(&wakes.alarm(place(2))), at, "it is held");
        first.state.set(AlarmState::Off);
        drop(first);
        let again = wakes.alarm(place(3));
        assert_eq!(Rc::as_ptr(&again), at);
        assert_eq!(
            (again.place.get(), again.state.get() == AlarmState::Silent),
            (place(3), true)
        );
        let held: Vec<_> = (0..2 * ALARMS as u32)
            .map(|it| wakes.alarm(place(it)))
            .collect();
        assert_eq!(wakes.alarms.borrow().len(), ALARMS);
        let addresses: std::collections::HashSet<_> = held.iter().map(Rc::as_ptr).collect();
        assert_eq!(addresses.len(), held.len(), "each request has its own");
        wakes.forget_alarms();
        assert_eq!(wakes.alarms.borrow().capacity(), 0);
    }

    #[test]
    fn the_answer_to_a_task_wakes_the_request_that_waits_for_it_once() {
        let mut wakes = Wakes::new();
        for task in 1..4 {
            wakes.await_help(place(task), HelpId(task));
        }
        assert_eq!(wakes.until_next(Instant::now()), None);
        let woken = wakes.take_helped(HelpId(2)).unwrap();
        assert_eq!((woken.place, woken.cause), (place(2), WakeCause::Content));
        assert_eq!(wakes.take_helped(HelpId(2)), None);
        assert_eq!(wakes.take_helped(HelpId(3)).unwrap().place, place(3));
        assert_eq!(wakes.take_helped(HelpId(1)).unwrap().place, place(1));
    }

    #[test]
    fn long_work_goes_on_at_once_behind_all_others() {
        let mut wakes = Wakes::new();
        let now = Instant::now();
        wakes.go_on(place(1));
        wakes.go_on(place(2));
        wakes.retry(place(3), now);
        Waker(wakes.alarm(place(4))).wake();
        assert_eq!(wakes.until_next(now), Some(Duration::ZERO));
        assert_eq!(due(&mut wakes, now + DISK_RETRY), [3, 4, 1, 2]);
        assert_eq!(wakes.until_next(now), None);
    }

    #[test]
    fn the_disk_has_its_time_and_comes_before_wakers() {
        let mut wakes = Wakes::new();
        let now = Instant::now();
        wakes.retry(place(1), now);
        wakes.retry(place(2), now + DISK_RETRY / 2);
        Waker(wakes.alarm(place(3))).wake();
        assert_eq!(due(&mut wakes, now + DISK_RETRY / 4), [3]);
        assert_eq!(wakes.until_next(now), Some(DISK_RETRY));
        Waker(wakes.alarm(place(4))).wake();
        assert_eq!(due(&mut wakes, now + DISK_RETRY), [1, 4]);
        assert_eq!(due(&mut wakes, now + 2 * DISK_RETRY), [2]);
        assert_eq!(wakes.until_next(now), None);
    }
}
