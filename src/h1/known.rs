//! The head that was parsed last, and its meaning: an equal one is compared instead of parsed.
//!
//! A client that asks for something again sends the same bytes, and so does a server that answers alike within a
//! second. The meaning of a head depends on its bytes, on its bounds and on its circumstances alone, all of which are
//! compared. A head with a credential is not kept: the time of a comparison could tell somebody else of it.
//! This is one of the [tricks that must not be undone](crate#performance-tricks-that-must-not-be-undone).

use super::scan::Bounds;
use crate::http::{Fields, is_credential};
use std::rc::Rc;

/// The longest head that is kept, in bytes: most are shorter, and longer ones hold what differs each time.
const LONGEST: usize = 2 << 10;

/// A head of meaning `H` that came in circumstances `C`.
#[derive(Debug)]
pub(super) struct KnownHead<C, H> {
    /// The whole head, the empty line at its end included.
    section: Vec<u8>,
    /// Nothing until a head was kept: forgetting, as a crowd goes, must allocate nothing.
    fields: Option<Rc<Fields>>,
    /// Nothing while no head is known.
    known: Option<(Bounds, C, H)>,
    /// Number of heads of requests that were parsed.
    number: u64,
}

impl<C, H> Default for KnownHead<C, H> {
    fn default() -> Self {
        KnownHead {
            section: Vec::new(),
            fields: None,
            known: None,
            number: 0,
        }
    }
}

impl<C: Copy + PartialEq, H: Copy> KnownHead<C, H> {
    /// The length, the meaning and the fields of the head that `input` begins with, if it is the known one.
    pub(super) fn find(
        &self,
        input: &[u8],
        (bounds, circumstances): (&Bounds, C),
    ) -> Option<(usize, H, &Rc<Fields>)> {
        let (of_bounds, of_circumstances, head) = self.known.as_ref()?;
        let is_it = of_bounds == bounds
            && *of_circumstances == circumstances
            && input.starts_with(&self.section);
        is_it.then_some((self.section.len(), *head, self.fields.as_ref()?))
    }

    /// Notes that a head of a request was parsed, which is to be known or not.
    pub(super) fn count(&mut self) {
        self.number += 1;
    }

    /// The number of the head that was parsed last.
    #[cfg(feature = "server")]
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Keeps a head that was parsed, in the place of the one before.
    pub(super) fn keep(
        &mut self,
        section: &[u8],
        (bounds, circumstances): (&Bounds, C),
        fields: &Fields,
        head: H,
    ) {
        self.known = None;
        if section.len() > LONGEST || fields.iter().any(|field| is_credential(field.name)) {
            return;
        }
        self.section.clear();
        self.section.extend_from_slice(section);
        match self.fields.as_mut().and_then(Rc::get_mut) {
            Some(own) => own.copy_from(fields),
            // Messages that have it are under way.
            None => self.fields = Some(Rc::new(fields.clone())),
        }
        self.known = Some((*bounds, circumstances, head));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::scan::FirstLine;
    use crate::h1::{BodyLength, Event, ResponseEvent};
    use crate::h1::{
        ClientConfig, ClientConnection, Config, Connection, LastRequest, LastResponse,
    };
    use crate::http::Scheme;
    use std::sync::Arc;
    use std::time::Instant;

    /// The result for a request that a new connection receives, as text, and the rest of the input.
    fn request(
        input: &str,
        scheme: Scheme,
        config: &Config,
        last: Option<&mut LastRequest>,
    ) -> String {
        let now = Instant::now();
        let mut connection = Connection::new(Arc::new(config.clone()), scheme, now);
        let (mut input, mut fields) = (input.as_bytes(), Fields::new());
        let event = match last {
            Some(last) => connection.receive_like(&mut input, &mut fields, last, now),
            None => connection.receive(&mut input, &mut fields, now),
        };
        let told = match event {
            Ok(Some(Event::Request {
                fields,
                end_stream,
                expects_continue,
                upgrade,
            })) => format!("{fields:?} {end_stream} {expects_continue} {upgrade:?}"),
            other => format!("{other:?}"),
        };
        let version = connection.version();
        let wants = (connection.wants_input(), connection.wants_close());
        connection.send_head(200, std::iter::empty(), BodyLength::Known(1));
        let output = String::from_utf8_lossy(connection.output()).into_owned();
        format!("{told} {version:?} {wants:?} {output} {}", input.len())
    }

    #[test]
    fn a_request_that_is_known_means_what_it_would_mean_anew() {
        let heads = [
            "GET /a HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\nGET /",
            "HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
            "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET /a HTTP/1.0\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\n\
             HTTP2-Settings: AA\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nX-A: b\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n",
            "\r\nGET /a HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n",
        ];
        let config = Config::default();
        let small = Config {
            head_bytes: 30,
            ..Config::default()
        };
        let mut last = LastRequest::default();
        for first in heads {
            for second in heads {
                for (scheme, config) in [
                    (Scheme::Http, &config),
                    (Scheme::Https, &config),
                    (Scheme::Http, &small),
                ] {
                    let alone = request(second, scheme, config, None);
                    request(first, Scheme::Http, &Config::default(), Some(&mut last));
                    for _ in 0..2 {
                        let known = request(second, scheme, config, Some(&mut last));
                        assert_eq!(known, alone, "{first} before {second}");
                    }
                }
            }
        }
    }

    /// The way in which a response is received.
    enum ReceiveWay<'l> {
        Anew,
        Like(&'l mut LastResponse),
        #[cfg(feature = "proxy")]
        Shared(&'l mut LastResponse),
    }

    /// The event of a response, as text.
    fn received(
        connection: &mut ClientConnection,
        input: &mut &[u8],
        way: ReceiveWay<'_>,
        now: Instant,
    ) -> String {
        let mut place = Fields::new();
        let event = match way {
            ReceiveWay::Anew => connection.receive(input, &mut place, now),
            ReceiveWay::Like(last) => connection.receive_like(input, &mut place, last, now),
            #[cfg(feature = "proxy")]
            ReceiveWay::Shared(last) => match connection.receive_last_head(input, last, now) {
                Some(head) => {
                    let (fields, version) = (head.fields, head.version);
                    return format!("{fields:?} {version:?} {}", head.end_stream);
                }
                None => connection.receive_like(input, &mut place, last, now),
            },
        };
        match event {
            Ok(Some(ResponseEvent::Response {
                fields,
                version,
                end_stream,
            })) => format!("{fields:?} {version:?} {end_stream}"),
            other => format!("{other:?}"),
        }
    }

    /// The result for a response that a new connection receives, as text.
    fn response(input: &str, method: &str, way: ReceiveWay<'_>) -> String {
        let now = Instant::now();
        let mut connection = ClientConnection::new(Arc::new(ClientConfig::default()), now);
        let authority = if method == "CONNECT" { "a:1" } else { "a" };
        let asked: Fields = [
            (":method", method),
            (":authority", authority),
            (":path", "/"),
        ]
        .into_iter()
        .filter(|(name, _)| method != "CONNECT" || *name != ":path")
        .collect();
        let sent = connection.send_request(asked.iter(), BodyLength::None, now);
        sent.expect("the request can be sent");
        let mut input = input.as_bytes();
        let told = received(&mut connection, &mut input, way, now);
        let state = (
            connection.is_idle(),
            connection.wants_close(),
            connection.is_tunnel(),
        );
        format!("{told} {state:?} {}", input.len())
    }

    #[test]
    fn a_response_that_is_known_means_what_it_would_mean_anew() {
        let heads = [
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A: b\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A: b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
            "HTTP/1.0 200 OK\r\nSet-Cookie: a\r\n\r\n",
            "HTTP/1.1 103 Early\r\nLink: a\r\n\r\n",
            "HTTP/1.1 204 None\r\n\r\n",
            "HTTP/1.1 304 Same\r\nContent-Length: 3\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A: b\r\n",
            "HTTP/1.1 101 Switch\r\nUpgrade: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX-A : b\r\n\r\n",
        ];
        let mut last = LastResponse::default();
        for first in heads {
            for second in heads {
                for method in ["GET", "HEAD", "CONNECT"] {
                    let alone = response(second, method, ReceiveWay::Anew);
                    response(first, "GET", ReceiveWay::Like(&mut last));
                    for _ in 0..2 {
                        #[cfg(feature = "proxy")]
                        {
                            let shared = response(second, method, ReceiveWay::Shared(&mut last));
                            assert_eq!(shared, alone, "{first} before {second} to {method}");
                        }
                        let known = response(second, method, ReceiveWay::Like(&mut last));
                        assert_eq!(known, alone, "{first} before {second} to {method}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_head_is_known_unless_it_has_a_credential_or_is_long() {
        let bounds = Bounds {
            first_line: FirstLine::Absent,
            bytes: 99,
            fields: 9,
            crumbs: 0,
        };
        for (name, len, is_kept) in [
            ("x-a", LONGEST, true),
            ("cookie", 10, false),
            ("set-cookie", 10, false),
            ("authorization", 10, false),
            ("x-a", LONGEST + 1, false),
        ] {
            let section = vec![b'a'; len];
            let fields: Fields = [(name, "b")].into_iter().collect();
            let mut last = KnownHead::default();
            last.keep(&section, (&bounds, ()), &fields, 7);
            let head = last.find(&section, (&bounds, ()));
            let found = head.map(|(len, head, found)| (len, head, found.as_ref() == &fields));
            assert_eq!(found, is_kept.then_some((len, 7, true)), "{name} {len}");
        }
    }
}
