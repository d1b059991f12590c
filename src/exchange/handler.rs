//! The side of an answer that decides: a handler sees a request's head, and answers it at once or
//! begins an exchange.

use super::desk::Desk;
use super::dialogue::Exchange;
use super::response::Response;
use super::trusted::ClientClaim;
use crate::http::{Fields, Method, Scheme};
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
    /// The client: the other end of the connection, unless that is a proxy whose word on it is believed.
    pub peer: Peer,
    /// The scheme that the client used.
    pub scheme: Scheme,
    /// The host that the client asked a trusted proxy for, where that tells it.
    pub told_host: Option<&'a [u8]>,
    /// The identifier of the request, where requests have one.
    pub id: Option<&'a str>,
    /// The version of HTTP that it came in.
    pub version: &'static str,
    /// The path behind the one where the handler is mounted, decoded: empty, or from a slash on.
    pub rest: &'a [u8],
}

impl<'a> Request<'a> {
    /// A request of these fields.
    pub fn new(fields: &'a Fields, peer: Peer) -> Self {
        let scheme = match fields.scheme() {
            Some(b"https") => Scheme::Https,
            _ => Scheme::Http,
        };
        let client = ClientClaim {
            peer,
            scheme,
            host: None,
        };
        Request::of(fields, client)
    }

    /// A request of a client.
    pub fn of(fields: &'a Fields, client: ClientClaim<'a>) -> Self {
        Request {
            fields,
            method: Method::from_bytes(fields.method().unwrap_or_default()),
            peer: client.peer,
            scheme: client.scheme,
            told_host: client.host,
            id: None,
            version: "HTTP/1.1",
            rest: b"",
        }
    }

    /// The host that the client asked for, as it knows the host.
    pub fn host(&self) -> Option<&'a [u8]> {
        self.told_host.or_else(|| self.fields.authority())
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
