//! `/json` of the demo: a request described as JSON. Its body is counted; one that is JSON or a form by its type is
//! checked and shown.

use std::fmt;
use std::rc::Rc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::answer_fields;
use crate::exchange::{
    Answer, Desk, Exchange, Failure, Handler, JsonCheck, Part, PreparedAnswer, Problem, Request,
    Room, Step, Until, is_of_type, parse_form, parse_json,
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
            request: request.fields.clone(),
            body_length: 0,
            body: DescribedBody::of(request.fields),
            prepared: None,
        }))
    }
}

/// The longest body that is shown. It is held for that, and a hundred requests of a connection fit its window.
const SHOWN_BYTES: usize = 8 << 10;

/// A request that is described when its body has ended, and kept only until then.
struct JsonExchange {
    common: Rc<CommonFields>,
    request: Fields,
    body_length: u64,
    body: DescribedBody,
    prepared: Option<PreparedAnswer>,
}

/// The body of a request, as far as it is looked at.
enum DescribedBody {
    /// It is counted alone.
    Counted,
    /// JSON, which is checked as it comes.
    Json(JsonCheck, ShownText),
    /// A form.
    Form(ShownText),
}

/// Content that is shown if it is short.
enum ShownText {
    Kept(Vec<u8>),
    TooLong,
}

impl ShownText {
    fn add(&mut self, data: &[u8]) {
        match self {
            ShownText::Kept(text) if text.len() + data.len() <= SHOWN_BYTES => {
                text.extend_from_slice(data);
            }
            _ => *self = ShownText::TooLong,
        }
    }

    fn held(&self) -> usize {
        match self {
            ShownText::Kept(text) => text.len(),
            ShownText::TooLong => 0,
        }
    }
}

impl DescribedBody {
    /// The body that these fields announce.
    fn of(fields: &Fields) -> Self {
        let content_type = fields.value("content-type").unwrap_or_default();
        let text = ShownText::Kept(Vec::new());
        if is_of_type(content_type, "application/json") {
            DescribedBody::Json(JsonCheck::default(), text)
        } else if is_of_type(content_type, "application/x-www-form-urlencoded") {
            DescribedBody::Form(text)
        } else {
            DescribedBody::Counted
        }
    }

    fn add(&mut self, data: &[u8]) -> Result<(), Problem> {
        match self {
            DescribedBody::Counted => {}
            DescribedBody::Json(check, text) => {
                check.receive(data).map_err(|mistake| mistake.problem())?;
                text.add(data);
            }
            DescribedBody::Form(text) => text.add(data),
        }
        Ok(())
    }

    fn held(&self) -> usize {
        match self {
            DescribedBody::Counted => 0,
            DescribedBody::Json(_, text) | DescribedBody::Form(text) => text.held(),
        }
    }

    /// The name under which the body is shown, and its value: null where it is too long.
    fn parsed(&mut self) -> Result<Option<(&'static str, Value)>, Problem> {
        Ok(match self {
            DescribedBody::Counted => None,
            DescribedBody::Json(check, text) => {
                check.finish().map_err(|mistake| mistake.problem())?;
                Some(match text {
                    ShownText::Kept(text) => ("json", parse_json(text)?),
                    ShownText::TooLong => ("json", Value::Null),
                })
            }
            DescribedBody::Form(ShownText::Kept(text)) => Some(("form", form_of(text))),
            DescribedBody::Form(ShownText::TooLong) => Some(("form", Value::Null)),
        })
    }
}

/// A form as an object, whose repeated names have arrays.
fn form_of(text: &[u8]) -> Value {
    let mut shown = Map::new();
    for (name, value) in parse_form(text) {
        match shown.get_mut(&name) {
            None => {
                shown.insert(name, value.into());
            }
            Some(Value::Array(values)) => values.push(value.into()),
            Some(one) => *one = Value::Array(vec![one.take(), value.into()]),
        }
    }
    Value::Object(shown)
}

impl JsonExchange {
    /// The request's body has ended.
    fn describe(&mut self) -> Result<(), Problem> {
        let takes_none = !matches!(self.request.method(), Some(b"POST" | b"PUT" | b"PATCH"));
        if self.body_length == 0 && takes_none {
            self.body = DescribedBody::Counted;
        }
        let description = Description {
            body: self.body.parsed()?,
            request: &self.request,
            body_length: self.body_length,
        };
        let mut content = serde_json::to_vec_pretty(&description).unwrap_or_default();
        content.push(b'\n');
        let len = Some(content.len() as u64);
        let fields = answer_fields(b"application/json; charset=utf-8", len);
        let fields = self.common.complete(fields);
        self.prepared = Some(PreparedAnswer::new(200, fields, content));
        Ok(())
    }
}

impl<F: Files> Exchange<F> for JsonExchange {
    fn receive(&mut self, part: Part<'_>, _: &mut Desk<'_>) {
        if self.prepared.is_some() {
            return;
        }
        let taken = match part {
            Part::Data(data) => {
                self.body_length += data.len() as u64;
                self.body.add(data)
            }
            Part::End => self.describe(),
            Part::Trailers(_) | Part::Gone => Ok(()),
        };
        if let Err(problem) = taken {
            let complete = |fields| self.common.complete(fields);
            self.prepared = Some(PreparedAnswer::problem(problem, complete));
        }
        if self.prepared.is_some() {
            self.body = DescribedBody::Counted;
        }
    }

    fn held(&self) -> usize {
        self.body.held()
    }

    fn poll(&mut self, room: &mut Room<'_, F>, _: &mut Desk<'_>) -> Result<Step<F>, Failure> {
        Ok(match &mut self.prepared {
            Some(prepared) => prepared.step(room),
            None => Step::Wait(Until::Request),
        })
    }
}

/// A request as `/json` shows it.
struct Description<'a> {
    body: Option<(&'static str, Value)>,
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
        if let Some((name, value)) = &self.body {
            map.serialize_entry(name, value)?;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::testing::Driver;
    use crate::site::testing::{TestSite, request};
    use crate::world::Peer;

    /// The status and the content of the answer to a body of this type, in pieces.
    fn post(content_type: &str, pieces: &[&[u8]]) -> (u16, Value) {
        let site = TestSite::with(&[], |config| config.demo = true);
        let fields = request("POST", "/json", &[("content-type", content_type)]);
        let mut handlers = site.site.handlers().into_iter();
        let (_, mut handler) = handlers.find(|(mount, _)| *mount == "/json").unwrap();
        let request = Request::new(&fields, Peer::Unix);
        let mut driver = Driver::new(&mut *handler, &request).unwrap();
        for piece in pieces {
            driver.receive(Part::Data(piece));
            assert!(driver.held() <= SHOWN_BYTES);
        }
        driver.receive(Part::End);
        let status = driver.head().expect("an answer").status;
        (status, serde_json::from_str(&driver.read_all()).unwrap())
    }

    #[test]
    fn json_is_shown_and_a_mistake_told_with_its_place() {
        let json = "application/ld+json";
        let (status, shown) = post(json, &[b"{\"a\": [1,", b" null]}"]);
        assert_eq!(
            (status, &shown["json"]),
            (200, &serde_json::json!({"a": [1, null]}))
        );
        let (status, problem) = post(json, &[b"{\n\"a\"", b" 1}"]);
        assert_eq!(status, 400);
        assert_eq!(
            (&problem["line"], &problem["column"]),
            (&2.into(), &5.into())
        );
        assert_eq!(post(json, &[b"[1"]).0, 400);
        assert_eq!(post(json, &[]).0, 400, "nothing is no JSON");
        assert_eq!(post(json, &[b"1e999"]).0, 422);
    }

    #[test]
    fn long_json_is_checked_and_not_held() {
        let piece = b" ".repeat(5000);
        let (status, shown) = post("application/json", &[&piece, &piece, b"[]"]);
        assert_eq!((status, &shown["json"]), (200, &Value::Null));
        assert_eq!(shown["body_length"], 10_002);
        let (status, problem) = post("application/json", &[&piece, &piece, b"]"]);
        assert_eq!((status, &problem["column"]), (400, &10_001.into()));
    }

    #[test]
    fn a_form_is_shown_with_its_repeated_names() {
        let form = "application/x-www-form-urlencoded";
        let (status, shown) = post(form, &[b"a=1&b=x+y&", b"a=2"]);
        assert_eq!(status, 200);
        assert_eq!(
            shown["form"],
            serde_json::json!({"a": ["1", "2"], "b": "x y"})
        );
        assert_eq!(post("text/plain", &[b"a=1"]).1.get("form"), None);
    }
}
