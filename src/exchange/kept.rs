//! A request that is kept until it is asked for again.

use std::rc::Rc;

use super::dialogue::Part;
use super::handler::Request;
use crate::http::Fields;

/// The word that a client keeps its content back for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentHold {
    /// `100 Continue`.
    UntilContinue,
    /// None, or none any more.
    Nothing,
}

/// The part of the request that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reception {
    /// Not its end.
    Open,
    /// All of it.
    Complete,
}

/// A request's head, and the parts of it that have come. Its content is bounded by the peer's window, since it
/// counts as held.
pub(crate) struct KeptRequest {
    pub fields: Fields,
    /// The version as it is logged.
    pub version: &'static str,
    /// Its identifier, if it has one.
    pub id: Option<Rc<str>>,
    pub data: Vec<u8>,
    pub trailers: Option<Fields>,
    /// The word that its client keeps its content back for.
    pub expectation: ContentHold,
    pub arrival: Reception,
    /// Bytes of content that an exchange may hold while the peer can still send some.
    pub hold: usize,
}

impl KeptRequest {
    pub fn new(request: &Request<'_>, expectation: ContentHold, hold: usize) -> Self {
        KeptRequest {
            fields: request.fields.clone(),
            version: request.version,
            id: request.id.map(Rc::from),
            data: Vec::new(),
            trailers: None,
            expectation,
            hold,
            arrival: Reception::Open,
        }
    }

    /// Keeps a part.
    pub fn receive(&mut self, part: &Part<'_>) {
        match part {
            Part::Data(data) => {
                self.data.extend_from_slice(data);
                self.expectation = ContentHold::Nothing;
            }
            Part::Trailers(fields) => self.trailers = Some(Fields::clone(fields)),
            Part::End => self.arrival = Reception::Complete,
            Part::Gone => {}
        }
    }
}
