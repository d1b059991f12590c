//! Answers that are made rather than read from a file: the seam for `/echo`, uploads, metrics.
//!
//! A [`Handler`] is mounted at a path. For each request it makes an [`Exchange`], which the shell
//! feeds with the request body as it arrives and asks for the response as there is room for it.
//! Neither side ever collects a whole body: bytes that an exchange still holds keep their part of the
//! flow-control window, so a slow reader of the response slows the sender of the request.

use std::rc::Rc;

use crate::content::{BodyError, Progress};
use crate::http::Fields;

/// Something that answers requests for one path, whatever their method.
pub trait Handler {
    /// Begins to answer a request, whose body is still to come.
    fn accept(&self, request: &Fields) -> Box<dyn Exchange>;
}

/// One request and its response.
pub trait Exchange {
    /// Takes bytes of the request body.
    fn receive(&mut self, data: &[u8]);

    /// The request body has ended.
    fn finish(&mut self);

    /// The bytes of the request body that are still held: their flow-control window is given back
    /// only when they are not held any more.
    fn held(&self) -> usize;

    /// The head of the response, once, as soon as it is known.
    fn head(&mut self) -> Option<Head>;

    /// Appends up to `max` bytes of the response's content to `out`; `max` is at least 1.
    fn read(&mut self, out: &mut Vec<u8>, max: usize) -> Result<Progress, BodyError>;
}

/// The head of a response that an [`Exchange`] makes.
#[derive(Clone, Debug)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// All fields but `:status` and `date`.
    pub fields: Rc<Fields>,
    /// The bytes of content that will be read, where that is known.
    pub len: Option<u64>,
}
