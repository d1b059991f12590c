//! Answers whose content is sent at a pace.
//!
//! Content is copied, a piece at a time, when the pace allows it. Between pieces the response waits for a time, as
//! any handler may, and costs nothing.

use std::time::Duration;

use super::bandwidth::Pace;
use crate::content::{Body, Progress};
use crate::exchange::{
    Answer, Desk, Exchange, Failure, Head, Part, Request, Response, Room, Step, Until,
};
use crate::http::Method;
use crate::world::Files;

/// The answer, with its content at this pace.
pub(crate) fn paced<F: Files>(answer: Answer<F>, request: &Request<'_>, pace: Pace) -> Answer<F> {
    let (stage, inner) = match answer {
        Answer::Response(response)
            if request.method == Method::Get && !response.body.is_empty() =>
        {
            (PacedStage::Ready(response), None)
        }
        Answer::Exchange(exchange) if !exchange.asks_again() => {
            (PacedStage::Opening, Some(exchange))
        }
        answer => return answer,
    };
    Answer::Exchange(Box::new(PacedExchange { stage, inner, pace }))
}

/// An answer at a pace.
struct PacedExchange<F: Files> {
    stage: PacedStage<F>,
    /// The handler's exchange, where it is not a complete response.
    inner: Option<Box<dyn Exchange<F>>>,
    pace: Pace,
}

enum PacedStage<F: Files> {
    /// A complete response, of which nothing was sent.
    Ready(Response<F>),
    /// The exchange has made no head.
    Opening,
    /// Behind the head: content that was not sent yet.
    Content(Body<F>),
}

impl<F: Files> Exchange<F> for PacedExchange<F> {
    fn receive(&mut self, part: Part<'_>, desk: &mut Desk<'_>) {
        if let Some(inner) = &mut self.inner {
            inner.receive(part, desk);
        }
    }

    fn held(&self) -> usize {
        self.inner.as_ref().map_or(0, |inner| inner.held())
    }

    fn content_limit(&self) -> Option<u64> {
        self.inner.as_ref().and_then(|inner| inner.content_limit())
    }

    fn head_timeout(&self) -> Option<Duration> {
        self.inner.as_ref().and_then(|inner| inner.head_timeout())
    }

    fn idle_timeout(&self) -> Option<Duration> {
        self.inner.as_ref().and_then(|inner| inner.idle_timeout())
    }

    fn is_forwarded(&self) -> bool {
        self.inner
            .as_ref()
            .is_some_and(|inner| inner.is_forwarded())
    }

    fn poll(&mut self, room: &mut Room<'_, F>, desk: &mut Desk<'_>) -> Result<Step<F>, Failure> {
        match std::mem::replace(&mut self.stage, PacedStage::Content(Body::Empty)) {
            PacedStage::Ready(response) => {
                let len = response.body.len();
                self.stage = PacedStage::Content(response.body);
                Ok(Step::Head(Head {
                    status: response.status,
                    fields: response.fields,
                    len,
                }))
            }
            PacedStage::Opening => {
                let step = match &mut self.inner {
                    Some(inner) => inner.poll(room, desk)?,
                    None => return Err(Failure::new(500, "no response")),
                };
                if !matches!(step, Step::Head(_) | Step::Switch(_)) {
                    self.stage = PacedStage::Opening;
                }
                Ok(step)
            }
            PacedStage::Content(body) => self.send(body, room, desk),
        }
    }
}

impl<F: Files> PacedExchange<F> {
    /// Makes the next piece of content, if it may be sent and there is room for it: of what there is, or of what the
    /// handler's exchange makes.
    fn send(
        &mut self,
        mut body: Body<F>,
        room: &mut Room<'_, F>,
        desk: &mut Desk<'_>,
    ) -> Result<Step<F>, Failure> {
        if body.is_empty() && self.inner.is_none() {
            return Ok(Step::End(None));
        }
        let allowed = match self.pace.allowed(desk.now()) {
            Ok(allowed) => allowed,
            Err(from) => {
                self.stage = PacedStage::Content(body);
                return Ok(Step::Wait(Until::Pace(from)));
            }
        };
        let before = room.left();
        if let Some(inner) = self.inner.as_mut().filter(|_| body.is_empty()) {
            let withheld = room.narrow(allowed);
            let step = inner.poll(room, desk);
            room.widen(withheld);
            match step? {
                Step::Content(slice) => body = Body::One(slice),
                step => {
                    self.pace.spend((before - room.left()) as u64);
                    return Ok(step);
                }
            }
        }
        let progress = match room.left() {
            0 => Progress::More,
            _ => room.fill(&mut body, allowed)?,
        };
        let sent = before - room.left();
        self.pace.spend(sent as u64);
        if progress == Progress::End {
            body = Body::Empty;
        }
        self.stage = PacedStage::Content(body);
        Ok(if sent == 0 && before > 0 && progress != Progress::End {
            Step::Wait(Until::Disk)
        } else {
            Step::Written
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::exchange::testing::Driver;
    use crate::exchange::{Handler, Request};
    use crate::http::{Fields, Scheme};
    use crate::rules::{BandwidthRule, Config, PathGlob, Rules, Visit};
    use crate::world::Peer;
    use crate::world::memory_files::MemoryFiles;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    /// Bytes of the content.
    const LEN: usize = 40_000;

    /// The handler beneath the limit.
    #[derive(Clone, Copy)]
    enum Beneath {
        /// A complete response.
        Response,
        /// An exchange that writes as much as there is room for.
        Writer,
        /// An exchange that sends one slice.
        Slicer,
    }

    impl Handler<MemoryFiles> for Beneath {
        fn accept(&mut self, request: &Request<'_>, _: &mut Desk<'_>) -> Answer<MemoryFiles> {
            let answer = match self {
                Beneath::Response => Answer::Response(Response {
                    status: 200,
                    fields: Default::default(),
                    body: Body::memory(vec![b'x'; LEN].into()),
                }),
                Beneath::Writer | Beneath::Slicer => Answer::Exchange(Box::new(Making {
                    kind: *self,
                    left: LEN,
                    has_head: false,
                })),
            };
            let rules = Rules::new(&Config {
                bandwidths: vec![BandwidthRule {
                    path: PathGlob::parse("/**").unwrap(),
                    per_second: 20_000,
                }],
                ..Config::default()
            });
            let visit = Visit {
                request,
                path: b"/",
                scheme: Scheme::Http,
            };
            let pace = rules.and_then(|rules| rules.pace(&visit));
            paced(answer, request, pace.unwrap())
        }
    }

    struct Making {
        kind: Beneath,
        left: usize,
        has_head: bool,
    }

    impl Exchange<MemoryFiles> for Making {
        fn poll(
            &mut self,
            room: &mut Room<'_, MemoryFiles>,
            _: &mut Desk<'_>,
        ) -> Result<Step<MemoryFiles>, Failure> {
            if !std::mem::replace(&mut self.has_head, true) {
                return Ok(Step::Head(Head {
                    len: Some(LEN as u64),
                    ..Head::empty(200)
                }));
            }
            if self.left == 0 {
                return Ok(Step::End(None));
            }
            Ok(match self.kind {
                Beneath::Slicer => {
                    self.left = 0;
                    Step::Content(crate::content::Slice::memory(vec![b'x'; LEN].into()))
                }
                Beneath::Writer | Beneath::Response => {
                    self.left -= room.write(&vec![b'x'; self.left]);
                    Step::Written
                }
            })
        }
    }

    #[test]
    fn content_of_every_kind_takes_the_time_of_its_rate() {
        for mut beneath in [Beneath::Response, Beneath::Writer, Beneath::Slicer] {
            let fields: Fields = [(":method", "GET"), (":path", "/")].into_iter().collect();
            let request = Request::new(&fields, Peer::Ip(ADDRESS));
            let mut driver = Driver::new(&mut beneath, &request).unwrap();
            let start = driver.means.now;
            assert_eq!(driver.head().map(|head| head.len), Some(Some(LEN as u64)));
            let (mut polls, mut len) = (0, 0);
            loop {
                polls += 1;
                let progress = driver.read(1 << 16);
                len += driver.content().len();
                if progress == Progress::End {
                    break;
                }
                assert_eq!(
                    len < LEN,
                    progress == Progress::Waiting || progress == Progress::More
                );
                if progress == Progress::Waiting {
                    driver.means.now += Duration::from_millis(10);
                }
            }
            assert_eq!(len, LEN);
            let took = driver.means.now - start;
            // A quarter of a second is free.
            let expected = Duration::from_millis(1650)..Duration::from_millis(1850);
            assert!(expected.contains(&took), "{took:?}");
            assert!(polls < 400, "{polls}");
        }
    }
}
