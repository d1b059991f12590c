//! The side of an answer that decides: a handler sees a request's head, and answers it at once or
//! begins an exchange.

use super::desk::Desk;
use super::dialogue::Exchange;
use super::response::Response;
use crate::http::{Fields, Method};
use crate::world::{Files, Peer};

/// An answerer of requests.
pub trait Handler<F: Files> {
    /// Begins to answer a request, whose content is still to come.
    fn accept(&mut self, request: &Request<'_>, desk: &mut Desk<'_>) -> Answer<F>;
}

/// A request's head, and its sender.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The fields, pseudo-header fields first.
    pub fields: &'a Fields,
    /// The method.
    pub method: Method,
    /// The other end of the connection.
    pub peer: Peer,
    /// The version of HTTP that it came in.
    pub version: &'static str,
    /// The path behind the one where the handler is mounted, decoded: empty, or from a slash on.
    pub rest: &'a [u8],
}

impl<'a> Request<'a> {
    /// A request of these fields.
    pub fn new(fields: &'a Fields, peer: Peer) -> Self {
        Request {
            fields,
            method: Method::from_bytes(fields.method().unwrap_or_default()),
            peer,
            version: "HTTP/1.1",
            rest: b"",
        }
    }
}

/// A handler's answer to a request.
pub enum Answer<F: Files> {
    /// A complete response; the request's content, if any, is of no use.
    Response(Response<F>),
    /// An exchange, which takes the request's content and makes the response.
    Exchange(Box<dyn Exchange<F>>),
    /// Nothing: the next handler is asked.
    NotMine,
}
