//! A handler whose exchanges do as their path says.

use crate::content::{Body, Slice};
use crate::exchange::{
    Answer, Desk, Exchange, Failure, Handler, Head, Part, Request, Response, Room, Step, Until,
    Waker,
};
use crate::http::Fields;
use crate::world::Files;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Bytes of content that is sent from where it is, in several frames.
pub(super) const LARGE: usize = 40_000;

/// A handler whose exchanges do as the path behind `/x` says.
#[derive(Clone, Default)]
pub(super) struct Scripted(pub(super) Rc<RefCell<ScriptLog>>);

/// The outside of all of its exchanges.
#[derive(Default)]
pub(super) struct ScriptLog {
    pub(super) wakers: Vec<Waker>,
    pub(super) rung: bool,
    pub(super) gone: Vec<String>,
    pub(super) polls: usize,
    /// The next handler that is asked for what it holds panics.
    pub(super) panics: bool,
}

struct Script {
    seen: Scripted,
    path: String,
    polls: usize,
    waits: usize,
    begun: Instant,
    ended: bool,
    received: String,
}

impl<F: Files> Handler<F> for Scripted {
    fn accept(&mut self, request: &Request<'_>, desk: &mut Desk<'_>) -> Answer<F> {
        let path = String::from_utf8_lossy(request.rest).into_owned();
        let mut seen = self.0.borrow_mut();
        match path.as_str() {
            "" => return Answer::NotMine,
            "/status/103" => return Answer::Response(full(103)),
            "/status/204" => return Answer::Response(full(204)),
            "/status/304" => return Answer::Response(full(304)),
            "/odd/response" | "/odd/split/response" => {
                let mut response = full(200);
                response.fields = Rc::new(odd_fields(&path));
                response.body = Body::One(Slice::memory(b"late"[..].into()));
                return Answer::Response(response);
            }
            "/ring" => {
                seen.rung = true;
                seen.wakers.iter().for_each(Waker::wake);
            }
            _ => seen.wakers.push(desk.waker()),
        }
        Answer::Exchange(Box::new(Script {
            seen: self.clone(),
            path,
            polls: 0,
            waits: 0,
            begun: desk.now(),
            ended: false,
            received: String::new(),
        }))
    }
}

/// A response with content, whatever its status says.
fn full<F: Files>(status: u16) -> Response<F> {
    let content: Rc<[u8]> = vec![b'y'; LARGE].into();
    Response {
        status,
        fields: Rc::default(),
        body: Body::One(Slice::memory(content)),
    }
}

/// Fields that one of the versions, or both, cannot have, among others. With a line end in a value where
/// the path wants that.
fn odd_fields(path: &str) -> Fields {
    let split = if path.contains("split") {
        "1\r\nx-evil: 2"
    } else {
        "1"
    };
    [
        (":status", "500"),
        ("Connection", "x-hop"),
        ("keep-alive", "timeout=1"),
        ("Transfer-Encoding", "chunked"),
        ("content-length", "99"),
        ("X-Capital", " blank\t"),
        ("x-split", split),
    ]
    .into_iter()
    .collect()
}

fn odd<F: Files>(path: &str) -> Result<Step<F>, Failure> {
    Ok(Step::Head(Head {
        status: 200,
        fields: Rc::new(odd_fields(path)),
        len: (!path.ends_with("open")).then_some(4),
    }))
}

fn head<F: Files>(status: u16, len: Option<u64>) -> Result<Step<F>, Failure> {
    let fields: Fields = [("x-made", "by hand")].into_iter().collect();
    Ok(Step::Head(Head {
        status,
        fields: Rc::new(fields),
        len,
    }))
}

impl<F: Files> Exchange<F> for Script {
    fn receive(&mut self, part: Part<'_>, _: &mut Desk<'_>) {
        match part {
            Part::Data(data) => self.received += &String::from_utf8_lossy(data),
            Part::Trailers(fields) => {
                let sum = fields.value("x-sum").unwrap_or_default();
                self.received += &String::from_utf8_lossy(sum);
            }
            Part::End => self.ended = true,
            Part::Gone => self.seen.0.borrow_mut().gone.push(self.path.clone()),
        }
    }

    fn poll(&mut self, room: &mut Room<'_, F>, desk: &mut Desk<'_>) -> Result<Step<F>, Failure> {
        self.seen.0.borrow_mut().polls += 1;
        let rung = self.seen.0.borrow().rung;
        let due = self.begun + Duration::from_secs(2);
        let waits = match self.path.as_str() {
            "/timer" if desk.now() < due => Some(Until::Time(due)),
            "/woken" if !rung => Some(Until::Woken),
            "/never" => Some(Until::Woken),
            "/idle" | "/endless" if self.polls == 2 => Some(Until::Woken),
            "/disks" if self.polls == 2 => Some(Until::Disk),
            "/past" if self.polls == 2 => Some(Until::Time(self.begun)),
            "/holds" if !rung => Some(Until::Woken),
            "/holds" if !self.ended => {
                // All of it goes elsewhere.
                self.received.clear();
                Some(Until::Request)
            }
            "/hoards" => Some(Until::Request),
            "/brief" if self.polls == 2 => Some(Until::Request),
            "/disk" if self.waits < 2 => Some(Until::Disk),
            "/disk" if self.polls == 1 && self.waits < 4 => Some(Until::Disk),
            "/small" | "/trailers" if !self.ended => Some(Until::Request),
            _ => None,
        };
        if let Some(until) = waits {
            self.waits += 1;
            return Ok(Step::Wait(until));
        }
        self.polls += 1;
        match (self.path.as_str(), self.polls) {
            ("/refuses", _) => Err(Failure::new(502, "nobody is there")),
            ("/fails", 3) => Err(Failure::new(502, "the other side has gone")),
            ("/long", 2) => {
                room.write(b"more than four");
                Ok(Step::Written)
            }
            ("/short", 3) => Ok(Step::End(None)),
            ("/long" | "/short", 1) => head(200, Some(4)),
            (path, 1) if path.starts_with("/odd") => odd(path),
            ("/known", 1) => head(200, Some(LARGE as u64)),
            ("/known" | "/unknown", 2) => {
                let content: Rc<[u8]> = vec![b'y'; LARGE].into();
                Ok(Step::Content(Slice::memory(content)))
            }
            ("/hints", 1) => {
                let link: Fields = [("link", "</style>")].into_iter().collect();
                Ok(Step::Informational(Head {
                    status: 103,
                    fields: Rc::new(link),
                    len: None,
                }))
            }
            ("/hints", 2) | (_, 1) => head(200, None),
            ("/hints", 3)
            | ("/fails" | "/idle" | "/brief" | "/endless" | "/disks" | "/past" | "/short", 2) => {
                room.write(b"on");
                Ok(Step::Written)
            }
            (_, 2) => {
                room.write(self.received.as_bytes());
                room.write(b"late");
                Ok(Step::Written)
            }
            ("/cut-trailers", _) => Ok(Step::End(Some([("x-sum", "7\r\n")].into_iter().collect()))),
            ("/more-trailers", _) => {
                let fields = [(":status", "500"), ("Host", "a"), ("X-Sum", "7")];
                Ok(Step::End(Some(fields.into_iter().collect())))
            }
            ("/trailers", _) => Ok(Step::End(Some([("x-sum", "7")].into_iter().collect()))),
            _ => Ok(Step::End(None)),
        }
    }

    fn held(&self) -> usize {
        if std::mem::take(&mut self.seen.0.borrow_mut().panics) {
            std::panic::resume_unwind(Box::new("held panics on purpose"));
        }
        match self.path.as_str() {
            "/holds" | "/hoards" => self.received.len(),
            _ => 0,
        }
    }

    fn content_limit(&self) -> Option<u64> {
        matches!(self.path.as_str(), "/small" | "/brief").then_some(4)
    }

    fn idle_timeout(&self) -> Option<Duration> {
        match self.path.as_str() {
            "/idle" | "/disks" | "/past" => Some(Duration::from_secs(5)),
            "/endless" => Some(Duration::MAX),
            _ => None,
        }
    }
}
