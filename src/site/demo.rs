//! The handlers of `--demo`: an echo, a look at one's own request, and a page.
//!
//! `/echo` sends the body of a request back as it arrives, `/json` describes a request and counts its
//! body, `/html` is a small page. None of them collects a body.

use std::collections::VecDeque;
use std::rc::Rc;

use super::common_fields::CommonFields;
use super::demo_json::Json;
use super::{Exchange, Handler, Head, Site};
use crate::content::{BodyError, Progress};
use crate::http::{Fields, Method};
use crate::world::Files;

const ECHO_HINT: &str = "Send a body with POST or PUT, and it comes back.\n";

const PAGE: &str = include_str!("demo.html");

/// An echo's memory is given back when it has grown beyond this, and is four times what is in it.
const SPARE_BYTES: usize = 16 << 10;

/// Mounts the demo on a site.
pub(crate) fn mount<F: Files>(site: &mut Site<F>) {
    let common = site.dress.common.clone();
    site.mount("/echo", Box::new(Echo(common.clone())));
    site.mount("/json", Box::new(Json(common.clone())));
    site.mount("/html", Box::new(Html(common)));
}

pub(crate) fn method(request: &Fields) -> Method {
    Method::from_bytes(request.method().unwrap_or_default())
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

impl Handler for Echo {
    fn accept(&self, request: &Fields) -> Box<dyn Exchange> {
        if matches!(method(request), Method::Get | Method::Head) {
            return Box::new(Fixed::new(
                &self.0,
                b"text/plain; charset=utf-8",
                ECHO_HINT,
                request,
            ));
        }
        let content_type = request.value("content-type");
        // The protocol core has checked that the body is as long as this says.
        let len = request
            .value("content-length")
            .and_then(|len| std::str::from_utf8(len).ok()?.parse().ok());
        let fields = answer_fields(content_type.unwrap_or(b"application/octet-stream"), len);
        Box::new(EchoExchange {
            head: Some(Head {
                status: 200,
                fields: self.0.complete(fields),
                len,
            }),
            waiting: VecDeque::new(),
            request: Request::Arriving,
        })
    }
}

/// Whether more of a request's body may come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Request {
    Arriving,
    Complete,
}

struct EchoExchange {
    head: Option<Head>,
    /// What was received and not yet sent back: at most the flow-control window.
    waiting: VecDeque<u8>,
    request: Request,
}

impl Exchange for EchoExchange {
    fn receive(&mut self, data: &[u8]) {
        self.waiting.extend(data);
    }

    fn finish(&mut self) {
        self.request = Request::Complete;
    }

    fn held(&self) -> usize {
        self.waiting.len()
    }

    fn head(&mut self) -> Option<Head> {
        self.head.take()
    }

    fn read(&mut self, out: &mut Vec<u8>, max: usize) -> Result<Progress, BodyError> {
        let len = max.min(self.waiting.len());
        let (front, back) = self.waiting.as_slices();
        let split = len.min(front.len());
        out.extend_from_slice(front.get(..split).unwrap_or_default());
        out.extend_from_slice(back.get(..len - split).unwrap_or_default());
        self.waiting.drain(..len);
        if self.waiting.capacity() > SPARE_BYTES.max(4 * self.waiting.len()) {
            self.waiting.shrink_to(2 * self.waiting.len());
        }
        if !self.waiting.is_empty() {
            return Ok(Progress::More);
        }
        Ok(match self.request {
            Request::Arriving => Progress::Waiting,
            Request::Complete => Progress::End,
        })
    }
}

struct Html(Rc<CommonFields>);

impl Handler for Html {
    fn accept(&self, request: &Fields) -> Box<dyn Exchange> {
        Box::new(Fixed::new(
            &self.0,
            b"text/html; charset=utf-8",
            PAGE,
            request,
        ))
    }
}

/// An answer that is known before the request's body, which is passed over.
struct Fixed {
    head: Option<Head>,
    content: &'static [u8],
}

impl Fixed {
    fn new(
        common: &CommonFields,
        content_type: &[u8],
        content: &'static str,
        request: &Fields,
    ) -> Self {
        let fields = answer_fields(content_type, Some(content.len() as u64));
        let content = match method(request) {
            Method::Head => &[],
            _ => content.as_bytes(),
        };
        Fixed {
            head: Some(Head {
                status: 200,
                fields: common.complete(fields),
                len: Some(content.len() as u64),
            }),
            content,
        }
    }
}

impl Exchange for Fixed {
    fn receive(&mut self, _: &[u8]) {}

    fn finish(&mut self) {}

    fn held(&self) -> usize {
        0
    }

    fn head(&mut self) -> Option<Head> {
        self.head.take()
    }

    fn read(&mut self, out: &mut Vec<u8>, max: usize) -> Result<Progress, BodyError> {
        Ok(give(&mut self.content, out, max))
    }
}

/// Moves up to `max` bytes from the front of `content` to `out`.
pub(crate) fn give(content: &mut &[u8], out: &mut Vec<u8>, max: usize) -> Progress {
    let (now, later) = content.split_at(max.min(content.len()));
    out.extend_from_slice(now);
    *content = later;
    if later.is_empty() {
        Progress::End
    } else {
        Progress::More
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Answer;
    use crate::site::testing::{TestSite, request};

    fn site() -> TestSite {
        TestSite::with(&[("echo/index.html", "")], |config| {
            config.demo = true;
            config.headers = vec![("X-A".into(), "b".into())];
        })
    }

    fn accept(method: &str, target: &str, fields: &[(&str, &str)]) -> Box<dyn Exchange> {
        let mut site = site();
        match site
            .site
            .respond(&request(method, target, fields), site.now)
        {
            Answer::Exchange(exchange) => exchange,
            Answer::Response(response) => panic!("{}", response.status),
        }
    }

    fn value<'a>(head: &'a Head, name: &str) -> Option<&'a str> {
        let value = head.fields.value(name)?;
        Some(std::str::from_utf8(value).unwrap())
    }

    fn read_all(exchange: &mut dyn Exchange) -> String {
        let mut out = Vec::new();
        while exchange.read(&mut out, 7).unwrap() == Progress::More {}
        String::from_utf8(out).unwrap()
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
        assert!(exchange.head().is_none());

        let mut out = Vec::new();
        assert_eq!(exchange.read(&mut out, 9).unwrap(), Progress::Waiting);
        exchange.receive(b"hello ");
        exchange.receive(b"world");
        assert_eq!(exchange.held(), 11);
        assert_eq!(exchange.read(&mut out, 9).unwrap(), Progress::More);
        assert_eq!(exchange.held(), 2);
        assert_eq!(exchange.read(&mut out, 9).unwrap(), Progress::Waiting);
        exchange.finish();
        assert_eq!(exchange.read(&mut out, 9).unwrap(), Progress::End);
        assert_eq!(out, b"hello world");
    }

    #[test]
    fn an_echo_that_was_read_but_for_one_byte_holds_little() {
        let mut echo = EchoExchange {
            head: None,
            waiting: VecDeque::new(),
            request: Request::Arriving,
        };
        let (sent, mut out) = (vec![b'x'; 256 << 10], Vec::new());
        echo.receive(&sent);
        echo.read(&mut out, sent.len() - 1).unwrap();
        assert_eq!(echo.held(), 1);
        assert!(echo.waiting.capacity() <= SPARE_BYTES);
        echo.finish();
        assert_eq!(echo.read(&mut out, 9).unwrap(), Progress::End);
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
            exchange.receive(&vec![round; 30_000]);
            let mut out = Vec::new();
            while exchange.read(&mut out, 16_384).unwrap() == Progress::More {}
            assert_eq!(out, vec![round; 30_000]);
            assert_eq!(exchange.held(), 0);
        }
    }

    #[test]
    fn reading_the_echo_explains_it() {
        let mut exchange = accept("GET", "/echo", &[]);
        assert_eq!(exchange.head().unwrap().len, Some(ECHO_HINT.len() as u64));
        assert_eq!(read_all(exchange.as_mut()), ECHO_HINT);
        let mut exchange = accept("HEAD", "/echo", &[]);
        let head = exchange.head().unwrap();
        assert_eq!(head.len, Some(0));
        assert_eq!(value(&head, "content-length"), Some("49"));
        assert_eq!(read_all(exchange.as_mut()), "");
    }

    #[test]
    fn s9_3_2_a_head_of_a_description_has_the_length_of_a_get() {
        let lengths = ["GET", "HEAD"].map(|method| {
            let mut exchange = accept(method, "/json", &[]);
            exchange.finish();
            let head = exchange.head().unwrap();
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
        exchange.receive(b"12345");
        exchange.receive(b"678");
        assert_eq!(exchange.held(), 0);
        exchange.finish();
        let head = exchange.head().unwrap();
        let text = read_all(exchange.as_mut());
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
            exchange.receive(b"passed over");
            exchange.finish();
            assert_eq!(read_all(exchange.as_mut()), PAGE);
        }
    }

    #[test]
    fn nothing_is_mounted_beside_these_paths_or_without_the_option() {
        let mut site = site();
        assert_eq!(site.get("/echo/").status, 200);
        assert_eq!(site.get("/json/").status, 404);
        assert_eq!(site.get("/Json").status, 404);
        assert_eq!(TestSite::new(&[]).get("/json").status, 404);
    }
}
