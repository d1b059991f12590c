//! Errors told to programs: `application/problem+json` (RFC 9457).

use std::rc::Rc;

use serde_json::{Map, Value};

use super::response::Response;
use crate::content::Body;
use crate::http::{Fields, status};
use crate::world::Files;

/// An error that a program can read: a status, a sentence, and members of its own kind.
#[derive(Clone, Debug)]
pub struct Problem {
    status: u16,
    members: Map<String, Value>,
    fields: Fields,
}

impl Problem {
    /// A problem of this status, with a sentence on what was wrong and what would be right.
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        let mut members = Map::new();
        members.insert("title".into(), status::reason(status).into());
        members.insert("status".into(), status.into());
        members.insert("detail".into(), detail.into().into());
        Problem {
            status,
            members,
            fields: Fields::new(),
        }
    }

    /// The problem with one more member.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.into(), value.into());
        self
    }

    /// The problem with one more field in the response's head.
    pub fn with_field(mut self, name: &str, value: &str) -> Self {
        self.fields.push(name.as_bytes(), value.as_bytes());
        self
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The response's own fields, and its content.
    pub fn parts(self) -> (Fields, Vec<u8>) {
        let mut content = serde_json::to_vec_pretty(&self.members).unwrap_or_default();
        content.push(b'\n');
        let mut fields = Fields::new();
        fields.push(b"content-type", b"application/problem+json");
        fields.push(b"content-length", content.len().to_string().as_bytes());
        fields.push(b"cache-control", b"no-store");
        for field in self.fields.iter() {
            fields.push_field(field);
        }
        (fields, content)
    }

    /// The response; `complete` adds the fields that all responses have.
    pub fn response<F: Files>(self, complete: impl FnOnce(Fields) -> Rc<Fields>) -> Response<F> {
        let status = self.status;
        let (fields, content) = self.parts();
        Response {
            status,
            fields: complete(fields),
            body: Body::memory(content.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_its_status_its_sentence_and_its_members() {
        let problem = Problem::new(413, "the file is longer than 5 bytes")
            .with("limit", 5)
            .with_field("retry-after", "1");
        let (fields, content) = problem.parts();
        let json: Value = serde_json::from_slice(&content).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "title": status::reason(413),
                "status": 413,
                "detail": "the file is longer than 5 bytes",
                "limit": 5,
            })
        );
        let len = content.len().to_string();
        assert_eq!(fields.value("content-length"), Some(len.as_bytes()));
        assert_eq!(fields.value("retry-after"), Some(&b"1"[..]));
    }
}
