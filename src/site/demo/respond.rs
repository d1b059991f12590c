//! Answers for load tests: `/bytes/N`, `/delay/TIME`, `/status/CODE`, and `/respond`.
//!
//! Each reads the body of its request to the end and drops it, so that a client that sends everything before
//! it reads is answered too. The content is one block of memory that all responses share.

use std::rc::Rc;
use std::time::Instant;

use super::answer_fields;
use super::wanted::WantedAnswer;
use crate::content::Slice;
use crate::exchange::{
    Answer, Desk, Exchange, Failure, Handler, Head, Part, Problem, Request, Room, Step, Until,
};
use crate::http::{Fields, status};
use crate::site::common_fields::CommonFields;
use crate::world::Files;

/// Length of the block that content is sent from: as much as goes to a socket in one piece.
const BLOCK_BYTES: usize = 64 << 10;

/// One line of the block, which shows a person where a line of 64 bytes begins.
const LINE: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.\n";

/// The handlers of load tests, and their paths.
pub(super) fn handlers<F: Files>(
    common: &Rc<CommonFields>,
) -> impl Iterator<Item = (&'static str, Box<dyn Handler<F>>)> {
    let block: Rc<[u8]> = LINE.repeat(BLOCK_BYTES / LINE.len()).into();
    let parameters = [
        ("/bytes", Some("size")),
        ("/delay", Some("delay")),
        ("/status", Some("status")),
        ("/respond", None),
    ];
    parameters.into_iter().map(move |(path, parameter)| {
        let handler = Respond {
            common: common.clone(),
            block: block.clone(),
            parameter,
        };
        (path, Box::new(handler) as Box<dyn Handler<F>>)
    })
}

/// A handler that answers as its address says.
struct Respond {
    common: Rc<CommonFields>,
    block: Rc<[u8]>,
    /// The parameter that the rest of the path gives, if there is a rest.
    parameter: Option<&'static str>,
}

impl Respond {
    /// The answer that a request wants; `None` if its path is another's.
    fn wanted(&self, request: &Request<'_>) -> Option<Result<WantedAnswer, String>> {
        let rest = request.rest.strip_prefix(b"/").unwrap_or(request.rest);
        let mut wanted = WantedAnswer::default();
        match (self.parameter, rest) {
            (None, b"") => {}
            (None, _) | (Some(_), b"") => return None,
            (Some(name), value) => {
                if let Err(error) = wanted.set(name, &String::from_utf8_lossy(value)) {
                    return Some(Err(error));
                }
            }
        }
        let target = request.fields.path().unwrap_or_default();
        let query = target.splitn(2, |byte| *byte == b'?').nth(1);
        let query = String::from_utf8_lossy(query.unwrap_or_default());
        Some(wanted.add_query(&query).map(|()| wanted))
    }

    /// The head of an answer.
    fn head(&self, wanted: &WantedAnswer) -> Head {
        let len = if status::has_no_content(wanted.status) {
            Some(0)
        } else {
            let is_announced = wanted.chunk.is_none() && wanted.trailers == 0;
            is_announced.then_some(wanted.size)
        };
        // RFC 9110 §8.6: no length with a status that never has content.
        let announced = len.filter(|_| !status::has_no_content(wanted.status));
        let mut fields = answer_fields(b"text/plain; charset=utf-8", announced);
        if let Some(pad) = wanted.pad {
            let pad: Vec<u8> = std::iter::repeat_n(b'x', pad as usize).collect();
            fields.push(b"x-pad", &pad);
        }
        Head {
            status: wanted.status,
            fields: self.common.complete(fields),
            len,
        }
    }
}

impl<F: Files> Handler<F> for Respond {
    fn accept(&mut self, request: &Request<'_>, _: &mut Desk<'_>) -> Answer<F> {
        match self.wanted(request) {
            None => Answer::NotMine,
            Some(Err(error)) => {
                let problem = Problem::new(400, error);
                Answer::Response(problem.response(|fields| self.common.complete(fields)))
            }
            Some(Ok(wanted)) => Answer::Exchange(Box::new(RespondExchange {
                stage: Stage::Request,
                head: self.head(&wanted),
                left: wanted.size,
                in_chunk: wanted.chunk.unwrap_or_default(),
                wanted,
                block: self.block.clone(),
            })),
        }
    }
}

struct RespondExchange {
    stage: Stage,
    wanted: WantedAnswer,
    head: Head,
    block: Rc<[u8]>,
    /// Bytes of content still to send.
    left: u64,
    /// Bytes still to send of the present chunk.
    in_chunk: u64,
}

/// The part of an answer that comes next.
#[derive(Clone, Copy)]
enum Stage {
    /// The end of the request.
    Request,
    /// The head, at this time.
    Head(Instant),
    /// The content.
    Content,
}

impl RespondExchange {
    /// The next content: from where it is, or a part of a chunk.
    fn content<F: Files>(&mut self, room: &mut Room<'_, F>, now: Instant) -> Step<F> {
        if self.left == 0 {
            return Step::End(self.trailers());
        }
        let Some(chunk) = self.wanted.chunk else {
            let len = self.left.min(BLOCK_BYTES as u64);
            self.left -= len;
            return Step::Content(Slice::Memory {
                content: self.block.clone(),
                start: 0,
                end: len as u32,
                origin: None,
            });
        };
        if self.in_chunk == 0 {
            // A wait ends the chunk of HTTP/1.1 and the frame of HTTP/2.
            self.in_chunk = chunk;
            return Step::Wait(Until::Time(now));
        }
        let len = self.left.min(self.in_chunk).min(BLOCK_BYTES as u64);
        let content = self.block.get(..len as usize).unwrap_or_default();
        let written = room.write(content) as u64;
        self.left -= written;
        self.in_chunk -= written;
        Step::Written
    }

    fn trailers(&self) -> Option<Fields> {
        let mut fields = Fields::new();
        for number in 1..=self.wanted.trailers {
            fields.push(format!("x-trailer-{number}").as_bytes(), b"end");
        }
        (self.wanted.trailers > 0).then_some(fields)
    }
}

impl<F: Files> Exchange<F> for RespondExchange {
    fn receive(&mut self, part: Part<'_>, desk: &mut Desk<'_>) {
        if let Part::End = part {
            self.stage = Stage::Head(desk.now() + self.wanted.delay);
        }
    }

    fn poll(&mut self, room: &mut Room<'_, F>, desk: &mut Desk<'_>) -> Result<Step<F>, Failure> {
        Ok(match self.stage {
            Stage::Request => Step::Wait(Until::Request),
            Stage::Head(due) if desk.now() < due => Step::Wait(Until::Time(due)),
            Stage::Head(_) => {
                self.stage = Stage::Content;
                Step::Head(self.head.clone())
            }
            Stage::Content => self.content(room, desk.now()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Progress;
    use crate::exchange::testing::Driver;
    use crate::site::testing::{TestSite, request};
    use crate::world::Peer;
    use crate::world::memory_files::MemoryFiles;
    use std::time::Duration;

    /// The answer to a request for this target, whose path is mounted at its first segment.
    fn accept(method: &str, target: &str) -> Option<Driver> {
        let common = TestSite::with(&[], |config| config.demo = true);
        let fields = request(method, target, &[]);
        let path = target.split('?').next().unwrap();
        let handlers = common.site.handlers();
        let (mount, mut handler) = handlers
            .into_iter()
            .find(|(mount, _)| path.starts_with(mount))
            .expect("a handler of this path");
        let request = Request {
            rest: &path.as_bytes()[mount.len()..],
            ..Request::new(&fields, Peer::Unix)
        };
        Driver::new(&mut *handler, &request)
    }

    fn read(driver: &mut Driver) -> Vec<u8> {
        while driver.read(10_000) != Progress::End {}
        driver.content()
    }

    #[test]
    fn an_answer_comes_behind_the_body_and_is_as_long_as_the_path_says() {
        let mut driver = accept("POST", "/bytes/100K").unwrap();
        driver.receive(Part::Data(&[b'x'; 5000]));
        assert_eq!(driver.held(), 0);
        assert!(driver.head().is_none());
        driver.receive(Part::End);
        let head = driver.head().unwrap();
        assert_eq!((head.status, head.len), (200, Some(100 << 10)));
        assert_eq!(head.fields.value("content-length"), Some(&b"102400"[..]));
        let content = read(&mut driver);
        assert_eq!(content.len(), 100 << 10);
        assert!(content.starts_with(LINE) && content.ends_with(LINE));
    }

    #[test]
    fn a_delay_counts_from_the_end_of_the_request() {
        let mut driver = accept("GET", "/delay/20ms").unwrap();
        driver.receive(Part::End);
        assert!(driver.head().is_none());
        driver.means.now += Duration::from_millis(19);
        assert!(driver.head().is_none());
        driver.means.now += Duration::from_millis(1);
        assert_eq!(driver.head().unwrap().status, 200);
        assert!(driver.is_complete());
    }

    #[test]
    fn chunks_have_their_length_and_trailers_follow() {
        let query = "/respond?size=2500&status=503&chunk=1000&trailers=2&pad=64";
        let mut driver = accept("GET", query).unwrap();
        driver.receive(Part::End);
        let head = driver.head().unwrap();
        assert_eq!((head.status, head.len), (503, None));
        assert_eq!(head.fields.value("content-length"), None);
        assert_eq!(head.fields.value("x-pad").map(<[u8]>::len), Some(64));
        let mut chunks = Vec::new();
        loop {
            let progress = driver.read(10_000);
            chunks.push(driver.content().len());
            if progress == Progress::End {
                break;
            }
        }
        assert_eq!(chunks, [1000, 1000, 500]);
        let trailers = driver.trailers().unwrap();
        assert_eq!(trailers.value("x-trailer-2"), Some(&b"end"[..]));
    }

    #[test]
    fn s8_6_a_status_without_content_has_no_length() {
        for code in ["204", "304"] {
            let mut driver = accept("GET", &format!("/status/{code}?size=5")).unwrap();
            driver.receive(Part::End);
            let head = driver.head().unwrap();
            assert_eq!(head.fields.value("content-length"), None);
            assert!(driver.is_complete(), "{code}");
        }
    }

    #[test]
    fn other_paths_pass_and_wrong_ones_are_refused() {
        let site = TestSite::with(&[], |config| config.demo = true);
        let mut means = crate::exchange::testing::Desks::new();
        for (target, status) in [
            ("/bytes/many", Some(400)),
            ("/status/99", Some(400)),
            ("/respond?size=no", Some(400)),
            ("/respond/5", None),
            ("/delay", None),
            ("/delay/", None),
        ] {
            let fields = request("GET", target, &[]);
            let path = target.split('?').next().unwrap();
            let mut handlers = site.site.handlers().into_iter();
            let (mount, mut handler) = handlers
                .find(|(mount, _)| path.starts_with(mount))
                .expect("a handler of this path");
            let request = Request {
                rest: &path.as_bytes()[mount.len()..],
                ..Request::new(&fields, Peer::Unix)
            };
            let answer: Answer<MemoryFiles> = means.lend(|desk| handler.accept(&request, desk));
            match answer {
                Answer::Response(response) => assert_eq!(Some(response.status), status, "{target}"),
                Answer::NotMine => assert_eq!(status, None, "{target}"),
                Answer::Exchange(_) => panic!("{target} is answered"),
            }
        }
    }
}
