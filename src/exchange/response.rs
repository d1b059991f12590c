//! Responses whose heads are known, and heads whose content is still to be made.

use std::rc::Rc;

use crate::content::Body;
use crate::http::{Fields, Method, status};
use crate::world::Files;

/// A response whose head is known.
pub struct Response<F: Files> {
    /// The status code.
    pub status: u16,
    /// All fields but `:status` and `date`.
    pub fields: Rc<Fields>,
    /// The content.
    pub body: Body<F>,
}

impl<F: Files> Response<F> {
    /// The response as a request of this method gets it: to HEAD without content, whatever
    /// `content-length` says (RFC 9110 §9.3.2), nor with a status that never has any (§6.4.1).
    pub fn to(mut self, method: Method) -> Self {
        if method == Method::Head || status::has_no_content(self.status) {
            self.body = Body::Empty;
        }
        self
    }
}

impl Head {
    /// A head without fields, which no content follows.
    pub fn empty(status: u16) -> Self {
        Head {
            status,
            fields: Rc::default(),
            len: Some(0),
        }
    }
}

/// The head of a response that an exchange makes.
#[derive(Clone, Debug)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// All fields but `:status` and `date`.
    pub fields: Rc<Fields>,
    /// The number of bytes of content, where it is known. To HEAD none is sent.
    pub len: Option<u64>,
}
