//! The handlers of `--demo`: an echo, a look at one's own request, a page, and answers for load tests.
//!
//! `/echo` sends the body of a request back as it arrives, `/json` describes a request and counts its
//! body, `/html` is a small page. `/bytes`, `/delay`, `/status` and `/respond` answer as their address
//! says. None of them collects a body.

mod json;
mod respond;
mod wanted;

use std::collections::VecDeque;
use std::rc::Rc;

use super::common_fields::CommonFields;
use crate::exchange::{
    Answer, Desk, Exchange, Failure, Handler, Head, Part, Reception, Request, Room, Step, Until,
};
use crate::http::{Fields, Method};
use crate::world::Files;
use json::Json;

const ECHO_HINT: &str = "Send a body with POST or PUT, and it comes back.\n";

const PAGE: &str = include_str!("demo.html");

/// An echo's memory is given back when it has grown beyond this, and is four times what is in it.
const SPARE_BYTES: usize = 16 << 10;

/// The handlers of the demo, and their paths.
pub(crate) fn handlers<F: Files>(
    common: &Rc<CommonFields>,
) -> Vec<(&'static str, Box<dyn Handler<F>>)> {
    let shown: [(_, Box<dyn Handler<F>>); 3] = [
        ("/echo", Box::new(Echo(common.clone()))),
        ("/json", Box::new(Json(common.clone()))),
        ("/html", Box::new(Html(common.clone()))),
    ];
    shown.into_iter().chain(respond::handlers(common)).collect()
}

/// The fields of an answer that no cache must keep.
pub(crate) fn answer_fields(content_type: &[u8], len: Option<u64>) -> Fields {
    let mut fields = Fields::new();
    fields.push(b"content-type", content_type);
    if let Some(len) = len {
        fields.push(b"content-length", len.to_string().as_bytes());
    }
    fields.push(b"cache-control", b"no-store");
    fields
}

struct Echo(Rc<CommonFields>);

impl<F: Files> Handler<F> for Echo {
    fn accept(&mut self, request: &Request<'_>, _: &mut Desk<'_>) -> Answer<F> {
        if !request.rest.is_empty() {
            return Answer::NotMine;
        }
        if matches!(request.method, Method::Get | Method::Head) {
            let hint = Fixed::new(&self.0, b"text/plain; charset=utf-8", ECHO_HINT);
            return Answer::Exchange(Box::new(hint));
        }
        let content_type = request.fields.value("content-type");
        // The protocol core has checked that the body is as long as this says.
        let len = request
            .fields
            .value("content-length")
            .and_then(|len| std::str::from_utf8(len).ok()?.parse().ok());
        let fields = answer_fields(content_type.unwrap_or(b"application/octet-stream"), len);
        Answer::Exchange(Box::new(EchoExchange {
            head: Some(Head {
                status: 200,
                fields: self.0.complete(fields),
                len,
            }),
            waiting: VecDeque::new(),
            request: Reception::Open,
        }))
    }
}

struct EchoExchange {
    head: Option<Head>,
    /// Content that was received and not yet sent back: at most the flow-control window.
    waiting: VecDeque<u8>,
    request: Reception,
}

impl EchoExchange {
    /// Sends back as much as there is room for.
    fn write<F: Files>(&mut self, room: &mut Room<'_, F>) -> usize {
        let (front, back) = self.waiting.as_slices();
        let written = room.write(front) + room.write(back);
        self.waiting.drain(..written);
        if self.waiting.capacity() > SPARE_BYTES.max(4 * self.waiting.len()) {
            self.waiting.shrink_to(2 * self.waiting.len());
        }
        written
    }
}

impl<F: Files> Exchange<F> for EchoExchange {
    fn receive(&mut self, part: Part<'_>, _: &mut Desk<'_>) {
        match part {
            Part::Data(data) => self.waiting.extend(data),
            Part::End => self.request = Reception::Complete,
            Part::Trailers(_) | Part::Gone => {}
        }
    }

    fn held(&self) -> usize {
        self.waiting.len()
    }

    fn poll(&mut self, room: &mut Room<'_, F>, _: &mut Desk<'_>) -> Result<Step<F>, Failure> {
        if let Some(head) = self.head.take() {
            return Ok(Step::Head(head));
        }
        let written = self.write(room);
        Ok(match self.request {
            _ if written > 0 || !self.waiting.is_empty() => Step::Written,
            Reception::Open => Step::Wait(Until::Request),
            Reception::Complete => Step::End(None),
        })
    }
}

struct Html(Rc<CommonFields>);

impl<F: Files> Handler<F> for Html {
    fn accept(&mut self, request: &Request<'_>, _: &mut Desk<'_>) -> Answer<F> {
        if !request.rest.is_empty() {
            return Answer::NotMine;
        }
        let page = Fixed::new(&self.0, b"text/html; charset=utf-8", PAGE);
        Answer::Exchange(Box::new(page))
    }
}

/// An answer that is known before the request's body, which is passed over.
struct Fixed {
    head: Option<Head>,
    content: &'static [u8],
}

impl Fixed {
    fn new(common: &CommonFields, content_type: &[u8], content: &'static str) -> Self {
        let len = Some(content.len() as u64);
        Fixed {
            head: Some(Head {
                status: 200,
                fields: common.complete(answer_fields(content_type, len)),
                len,
            }),
            content: content.as_bytes(),
        }
    }
}

impl<F: Files> Exchange<F> for Fixed {
    fn poll(&mut self, room: &mut Room<'_, F>, _: &mut Desk<'_>) -> Result<Step<F>, Failure> {
        Ok(match self.head.take() {
            Some(head) => Step::Head(head),
            None => give(&mut self.content, room),
        })
    }
}

/// Writes the front of `content` into the room, and takes it off.
pub(crate) fn give<F: Files>(content: &mut &[u8], room: &mut Room<'_, F>) -> Step<F> {
    if content.is_empty() {
        return Step::End(None);
    }
    let written = room.write(content);
    *content = content.get(written..).unwrap_or_default();
    Step::Written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Progress;
    use crate::exchange::testing::Driver;
    use crate::site::testing::{TestSite, request};
    use crate::world::Peer;
    use crate::world::memory_files::MemoryFiles;

    fn accept(method: &str, target: &str, fields: &[(&str, &str)]) -> Driver {
        let site = TestSite::with(&[], |config| {
            config.demo = true;
            config.headers = vec![("X-A".into(), "b".into())];
        });
        let fields = request(method, target, fields);
        let (path, _) = target.split_once('?').unwrap_or((target, ""));
        let handlers = site.site.handlers();
        let mut mounted = handlers.into_iter().filter(|(mount, _)| *mount == path);
        let (_, mut handler) = mounted.next().expect("a handler of this path");
        Driver::new(&mut *handler, &Request::new(&fields, Peer::Unix)).expect("an exchange")
    }

    fn value<'a>(head: &'a Head, name: &str) -> Option<&'a str> {
        let value = head.fields.value(name)?;
        Some(std::str::from_utf8(value).unwrap())
    }

    #[test]
    fn the_echo_sends_back_what_it_received_and_holds_nothing_else() {
        let fields = [("content-type", "image/x"), ("content-length", "11")];
        let mut exchange = accept("POST", "/echo", &fields);
        let head = exchange.head().unwrap();
        assert_eq!((head.status, head.len), (200, Some(11)));
        assert_eq!(value(&head, "content-type"), Some("image/x"));
        assert_eq!(value(&head, "content-length"), Some("11"));
        assert_eq!(value(&head, "x-a"), Some("b"));

        assert_eq!(exchange.read(9), Progress::Waiting);
        exchange.receive(Part::Data(b"hello "));
        exchange.receive(Part::Data(b"world"));
        assert_eq!(exchange.held(), 11);
        assert_eq!(exchange.read(9), Progress::More);
        assert_eq!(exchange.held(), 2);
        assert_eq!(exchange.read(1), Progress::More);
        exchange.receive(Part::End);
        assert_eq!(exchange.read(9), Progress::End);
        assert_eq!(exchange.content(), b"hello world");
    }

    #[test]
    fn an_echo_that_was_read_but_for_one_byte_holds_little() {
        let mut echo = EchoExchange {
            head: None,
            waiting: VecDeque::new(),
            request: Reception::Open,
        };
        let sent = vec![b'x'; 256 << 10];
        echo.waiting.extend(&sent);
        let (mut files, mut out) = (MemoryFiles::new(), Vec::new());
        echo.write(&mut Room::<MemoryFiles>::new(
            &mut files,
            &mut out,
            sent.len() - 1,
        ));
        assert_eq!(echo.waiting.len(), 1);
        assert!(echo.waiting.capacity() <= SPARE_BYTES);
        echo.write(&mut Room::<MemoryFiles>::new(&mut files, &mut out, 9));
        assert_eq!(out, sent);
    }

    #[test]
    fn an_echo_of_unknown_length_and_type() {
        let mut exchange = accept("PUT", "/echo", &[]);
        let head = exchange.head().unwrap();
        assert_eq!(head.len, None);
        assert_eq!(value(&head, "content-length"), None);
        assert_eq!(
            value(&head, "content-type"),
            Some("application/octet-stream")
        );
        for round in 0..100 {
            exchange.receive(Part::Data(&vec![round; 30_000]));
            while exchange.read(16_384) == Progress::More {}
            assert_eq!(exchange.content(), vec![round; 30_000]);
            assert_eq!(exchange.held(), 0);
        }
    }

    #[test]
    fn reading_the_echo_explains_it() {
        let mut exchange = accept("GET", "/echo", &[]);
        assert_eq!(exchange.head().unwrap().len, Some(ECHO_HINT.len() as u64));
        assert_eq!(exchange.read_all(), ECHO_HINT);
        let mut exchange = accept("HEAD", "/echo", &[]);
        let head = exchange.head().unwrap();
        assert_eq!(value(&head, "content-length"), Some("49"));
        assert!(exchange.is_complete(), "no content follows");
    }

    #[test]
    fn s9_3_2_a_head_of_a_description_has_the_length_of_a_get() {
        let lengths = ["GET", "HEAD"].map(|method| {
            let mut exchange = accept(method, "/json", &[]);
            exchange.receive(Part::End);
            let head = exchange.head().unwrap();
            assert_eq!(exchange.is_complete(), method == "HEAD");
            value(&head, "content-length").map(str::to_owned)
        });
        assert!(
            lengths[0].is_some() && lengths[0] == lengths[1],
            "{lengths:?}"
        );
    }

    #[test]
    fn a_request_is_described_when_its_body_has_ended() {
        let fields = [
            ("accept", "a"),
            ("cookie", "b=c"),
            ("accept", "\"d"),
            ("cookie", "e=f"),
        ];
        let mut exchange = accept("POST", "/json?q=%20", &fields);
        assert!(exchange.head().is_none());
        exchange.receive(Part::Data(b"12345"));
        exchange.receive(Part::Data(b"678"));
        assert_eq!(exchange.held(), 0);
        exchange.receive(Part::End);
        let head = exchange.head().unwrap();
        let text = exchange.read_all();
        assert_eq!(head.len, Some(text.len() as u64));
        assert_eq!(
            value(&head, "content-type"),
            Some("application/json; charset=utf-8")
        );
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "method": "POST",
                "scheme": "https",
                "authority": "localhost",
                "path": "/json?q=%20",
                "headers": {"accept": "a, \"d", "cookie": "b=c; e=f"},
                "body_length": 8,
            })
        );
    }

    #[test]
    fn the_page_is_there_for_any_method() {
        for method in ["GET", "POST", "OPTIONS"] {
            let mut exchange = accept(method, "/html", &[]);
            assert_eq!(exchange.head().unwrap().status, 200);
            exchange.receive(Part::Data(b"passed over"));
            exchange.receive(Part::End);
            assert_eq!(exchange.read_all(), PAGE);
        }
    }
}
