//! Answers of the panel: the fields that keep browsers from doing more than the page needs, and JSON.

use std::rc::{Rc, Weak};

use serde::Serialize;

use crate::content::{Body, Slice};
use crate::exchange::{Head, Response, Step};
use crate::http::Fields;
use crate::world::Files;

/// The fields of every answer. The page loads its own files and nothing else, and no other page may show
/// it, read it or keep a handle of its window.
const SECURITY: [(&str, &str); 7] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// The media type of JSON.
pub(super) const JSON: &str = "application/json";

/// An answer whose content is known.
pub(super) struct PanelReply {
    status: u16,
    fields: Fields,
    content: Rc<[u8]>,
}

#[derive(Serialize)]
struct ErrorText<'a> {
    error: &'a str,
}

/// The fields of an answer of this type.
pub(super) fn fields_of(media_type: &str) -> Fields {
    let mut fields = Fields::new();
    fields.push(b"content-type", media_type.as_bytes());
    for (name, value) in SECURITY {
        fields.push(name.as_bytes(), value.as_bytes());
    }
    fields
}

/// Adds the fields that keep browsers in bounds to an answer that is made elsewhere.
pub(crate) fn guard_fields(fields: &mut Rc<Fields>) {
    let mut guarded = Fields::new();
    let own = |name: &[u8]| SECURITY.iter().any(|(own, _)| own.as_bytes() == name);
    for field in fields.iter().filter(|field| !own(field.name)) {
        guarded.push_field(field);
    }
    for (name, value) in SECURITY {
        guarded.push(name.as_bytes(), value.as_bytes());
    }
    *fields = Rc::new(guarded);
}

impl PanelReply {
    /// An answer of this type.
    pub(super) fn new(status: u16, media_type: &str, content: Rc<[u8]>) -> Self {
        PanelReply {
            status,
            fields: fields_of(media_type),
            content,
        }
    }

    /// A value as JSON.
    pub(super) fn json(status: u16, value: &impl Serialize) -> Self {
        // Only a map whose keys are no texts, or an error of a value's own, could fail.
        let text = serde_json::to_vec(value).unwrap_or_default();
        PanelReply::new(status, JSON, text.into())
    }

    /// An error, as JSON.
    pub(super) fn error(status: u16, error: &str) -> Self {
        PanelReply::json(status, &ErrorText { error })
    }

    /// The content, as long as a response has it.
    pub(super) fn text(&self) -> Weak<[u8]> {
        Rc::downgrade(&self.content)
    }

    /// The answer with one more field.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push(name.as_bytes(), value.as_bytes());
        self
    }

    /// The answer as a complete response.
    pub(super) fn response<F: Files>(mut self) -> Response<F> {
        let len = self.content.len().to_string();
        self.fields.push(b"content-length", len.as_bytes());
        Response {
            status: self.status,
            fields: Rc::new(self.fields),
            body: Body::memory(self.content),
        }
    }
}

/// An answer that an exchange sends.
pub(super) enum Sending {
    /// All of it.
    Head(PanelReply),
    /// The content behind the head.
    Content(Rc<[u8]>),
    /// Nothing more.
    End,
}

impl Sending {
    /// The next step.
    pub(super) fn step<F: Files>(&mut self) -> Step<F> {
        match std::mem::replace(self, Sending::End) {
            Sending::Head(reply) => {
                let len = reply.content.len() as u64;
                *self = Sending::Content(reply.content);
                Step::Head(Head {
                    status: reply.status,
                    fields: Rc::new(reply.fields),
                    len: Some(len),
                })
            }
            Sending::Content(content) if !content.is_empty() => {
                Step::Content(Slice::memory(content))
            }
            Sending::Content(_) | Sending::End => Step::End(None),
        }
    }
}
