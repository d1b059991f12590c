//! `/json` of the demo: a request described as JSON, its body counted.

use std::fmt;
use std::rc::Rc;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{answer_fields, give};
use crate::exchange::{
    Answer, Desk, Exchange, Failure, Handler, Head, Part, Request, Room, Step, Until,
};
use crate::http::Fields;
use crate::site::common_fields::CommonFields;
use crate::world::Files;

/// The handler of `/json`.
pub(super) struct Json(pub(super) Rc<CommonFields>);

impl<F: Files> Handler<F> for Json {
    fn accept(&mut self, request: &Request<'_>, _: &mut Desk<'_>) -> Answer<F> {
        if !request.rest.is_empty() {
            return Answer::NotMine;
        }
        Answer::Exchange(Box::new(JsonExchange {
            common: self.0.clone(),
            state: JsonState::Counting {
                request: request.fields.clone(),
                body_length: 0,
            },
        }))
    }
}

struct JsonExchange {
    common: Rc<CommonFields>,
    state: JsonState,
}

/// The request is described when its body has ended, and kept only until then.
enum JsonState {
    Counting {
        request: Fields,
        body_length: u64,
    },
    Answering {
        head: Option<Head>,
        content: Vec<u8>,
        sent: usize,
    },
}

impl JsonExchange {
    /// The request's body has ended.
    fn describe(&mut self) {
        let JsonState::Counting {
            request,
            body_length,
        } = &self.state
        else {
            return;
        };
        let description = Description {
            request,
            body_length: *body_length,
        };
        let mut content = serde_json::to_vec_pretty(&description).unwrap_or_default();
        content.push(b'\n');
        let len = Some(content.len() as u64);
        let fields = answer_fields(b"application/json; charset=utf-8", len);
        self.state = JsonState::Answering {
            head: Some(Head {
                status: 200,
                fields: self.common.complete(fields),
                len,
            }),
            content,
            sent: 0,
        };
    }
}

impl<F: Files> Exchange<F> for JsonExchange {
    fn receive(&mut self, part: Part<'_>, _: &mut Desk<'_>) {
        match (part, &mut self.state) {
            (Part::Data(data), JsonState::Counting { body_length, .. }) => {
                *body_length += data.len() as u64;
            }
            (Part::End, _) => self.describe(),
            _ => {}
        }
    }

    fn poll(&mut self, room: &mut Room<'_, F>, _: &mut Desk<'_>) -> Result<Step<F>, Failure> {
        let JsonState::Answering {
            head,
            content,
            sent,
        } = &mut self.state
        else {
            return Ok(Step::Wait(Until::Request));
        };
        if let Some(head) = head.take() {
            return Ok(Step::Head(head));
        }
        let mut rest = content.get(*sent..).unwrap_or_default();
        let step = give(&mut rest, room);
        *sent = content.len() - rest.len();
        Ok(step)
    }
}

/// A request as `/json` shows it.
struct Description<'a> {
    request: &'a Fields,
    body_length: u64,
}

impl Serialize for Description<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        // RFC 9110 §9.3.2: the fields of a HEAD, the length among them, are those of a GET.
        let method = match self.request.method() {
            Some(b"HEAD") => Some(&b"GET"[..]),
            method => method,
        };
        map.serialize_entry("method", &Text(method))?;
        map.serialize_entry("scheme", &Text(self.request.scheme()))?;
        map.serialize_entry("authority", &Text(self.request.authority()))?;
        map.serialize_entry("path", &Text(self.request.path()))?;
        map.serialize_entry("headers", &Headers(self.request))?;
        map.serialize_entry("body_length", &self.body_length)?;
        map.end()
    }
}

/// Bytes as a string; what is not UTF-8 is replaced.
struct Text<'a>(Option<&'a [u8]>);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(bytes) => serializer.serialize_str(&String::from_utf8_lossy(bytes)),
            None => serializer.serialize_none(),
        }
    }
}

/// The fields as an object; several lines of one name are one value (RFC 9110 §5.3).
struct Headers<'a>(&'a Fields);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (position, field) in self.0.regular().enumerate() {
            let same_name = |other: &crate::http::Field<'_>| other.name == field.name;
            if self
                .0
                .regular()
                .take(position)
                .any(|other| same_name(&other))
            {
                continue;
            }
            let joined = JoinedValues {
                fields: self.0,
                name: field.name,
            };
            map.serialize_entry(&String::from_utf8_lossy(field.name), &joined)?;
        }
        map.end()
    }
}

struct JoinedValues<'a> {
    fields: &'a Fields,
    name: &'a [u8],
}

impl fmt::Display for JoinedValues<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // RFC 9113 §8.2.3: crumbs of a cookie are joined in their own way.
        let separator = if self.name == b"cookie" { "; " } else { ", " };
        let lines = self.fields.iter().filter(|field| field.name == self.name);
        for (position, field) in lines.enumerate() {
            if position > 0 {
                f.write_str(separator)?;
            }
            f.write_str(&String::from_utf8_lossy(field.value))?;
        }
        Ok(())
    }
}

impl Serialize for JoinedValues<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
