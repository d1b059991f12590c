//! Content that a handler takes as a whole: it declares the types and the length, and sees nothing else.

use std::rc::Rc;

use serde_json::Value;

use super::desk::{Desk, Room};
use super::dialogue::{Exchange, Part, Step, Until};
use super::failure::Failure;
use super::handler::{Answer, Handler, Request};
use super::json::{parse_form, parse_json};
use super::problem::Problem;
use super::response::Head;
use crate::http::{Fields, Method};
use crate::world::Files;

/// The content that a handler declares to take.
#[derive(Clone, Copy, Debug)]
pub struct ContentTerms {
    /// The media types; `application/json` stands for all types that end in `+json` too.
    pub types: &'static [&'static str],
    /// The most bytes. They are held until the answer, and so they count against the window that a connection
    /// has for all of its requests (`h2::Config`, 1 MiB): with more than the hundredth part of it, many
    /// requests at once may have to wait for each other.
    pub most: usize,
}

impl ContentTerms {
    /// Checks a request's head: 415 for another type, 413 for a longer content, where it is announced.
    pub fn check(&self, fields: &Fields) -> Result<(), Problem> {
        let content_type = fields.value("content-type").unwrap_or_default();
        if !self
            .types
            .iter()
            .any(|taken| is_of_type(content_type, taken))
        {
            let detail = format!(
                "the content is of a type that is not taken; send {}",
                self.types.join(" or ")
            );
            let problem = Problem::new(415, detail).with("types", self.types.to_vec());
            return Err(problem.with_field("accept", &self.types.join(", ")));
        }
        let announced = fields.value("content-length");
        let announced = announced.and_then(|len| std::str::from_utf8(len).ok()?.parse().ok());
        self.check_len(announced.unwrap_or(0))
    }

    /// Checks the length of content.
    fn check_len(&self, len: u64) -> Result<(), Problem> {
        if len <= self.most as u64 {
            return Ok(());
        }
        let detail = format!("the content has {} bytes at most", self.most);
        Err(Problem::new(413, detail).with("limit", self.most))
    }
}

/// True for the value of a `content-type` field that names this media type.
pub fn is_of_type(field: &[u8], media_type: &str) -> bool {
    let named = field.split(|byte| *byte == b';').next().unwrap_or_default();
    let named = named.trim_ascii().to_ascii_lowercase();
    let is_json = media_type == "application/json" && named.ends_with(b"+json");
    is_json || named == media_type.as_bytes()
}

/// A request with all of its content.
#[derive(Clone, Copy, Debug)]
pub struct WholeRequest<'a> {
    /// The fields, pseudo-header fields first.
    pub fields: &'a Fields,
    /// The content.
    pub content: &'a [u8],
}

impl WholeRequest<'_> {
    /// The content as JSON; 400 with the place of a mistake.
    pub fn json(&self) -> Result<Value, Problem> {
        parse_json(self.content)
    }

    /// The content as the names and values of a form.
    pub fn form(&self) -> Vec<(String, String)> {
        parse_form(self.content)
    }
}

/// The answer to a request whose content has come whole.
#[derive(Clone, Debug)]
pub struct WholeAnswer {
    /// The status.
    pub status: u16,
    /// The fields, but for the length.
    pub fields: Fields,
    /// The content.
    pub content: Vec<u8>,
}

/// A handler that is a function of requests whose content has come whole: 405, 415, 413 and 400 are answered
/// before it is called, and it answers 422 itself where it understands a content and cannot use it.
///
/// ```
/// use calmd::exchange::{ContentTerms, Problem, WholeAnswer, WholeContent, WholeRequest};
/// use calmd::http::Fields;
///
/// let terms = ContentTerms {
///     types: &["application/json"],
///     most: 8 << 10,
/// };
/// let _double = WholeContent::new(terms, |request: &WholeRequest<'_>| {
///     let number = request.json()?["number"].as_i64();
///     let number = number.ok_or_else(|| Problem::new(422, "there is no number"))?;
///     let mut fields = Fields::new();
///     fields.push(b"content-type", b"application/json");
///     Ok(WholeAnswer {
///         status: 200,
///         fields,
///         content: (number * 2).to_string().into_bytes(),
///     })
/// });
/// ```
pub struct WholeContent<A> {
    terms: ContentTerms,
    answer: Rc<A>,
}

impl<A> WholeContent<A>
where
    A: Fn(&WholeRequest<'_>) -> Result<WholeAnswer, Problem> + 'static,
{
    /// A handler of content on these terms.
    pub fn new(terms: ContentTerms, answer: A) -> Self {
        WholeContent {
            terms,
            answer: Rc::new(answer),
        }
    }
}

impl<F, A> Handler<F> for WholeContent<A>
where
    F: Files,
    A: Fn(&WholeRequest<'_>) -> Result<WholeAnswer, Problem> + 'static,
{
    fn accept(&mut self, request: &Request<'_>, _: &mut Desk<'_>) -> Answer<F> {
        if !request.rest.is_empty() {
            return Answer::NotMine;
        }
        let checked =
            match request.method {
                Method::Post | Method::Put => self.terms.check(request.fields),
                _ => Err(Problem::new(405, "send content by POST or PUT")
                    .with_field("allow", "POST, PUT")),
            };
        match checked {
            Err(problem) => Answer::Response(problem.response(Rc::new)),
            Ok(()) => Answer::Exchange(Box::new(Collecting {
                terms: self.terms,
                answer: self.answer.clone(),
                request: request.fields.clone(),
                content: Vec::new(),
                prepared: None,
            })),
        }
    }
}

/// A request whose content comes.
struct Collecting<A> {
    terms: ContentTerms,
    answer: Rc<A>,
    request: Fields,
    content: Vec<u8>,
    prepared: Option<PreparedAnswer>,
}

impl<A> Collecting<A>
where
    A: Fn(&WholeRequest<'_>) -> Result<WholeAnswer, Problem>,
{
    fn take(&mut self, data: &[u8]) -> Result<(), Problem> {
        self.terms
            .check_len((self.content.len() + data.len()) as u64)?;
        self.content.extend_from_slice(data);
        Ok(())
    }

    fn conclude(&mut self) -> Result<(), Problem> {
        let request = WholeRequest {
            fields: &self.request,
            content: &self.content,
        };
        let answer = (self.answer)(&request)?;
        self.content = Vec::new();
        let prepared = PreparedAnswer::new(answer.status, Rc::new(answer.fields), answer.content);
        self.prepared = Some(prepared);
        Ok(())
    }
}

impl<F, A> Exchange<F> for Collecting<A>
where
    F: Files,
    A: Fn(&WholeRequest<'_>) -> Result<WholeAnswer, Problem>,
{
    fn receive(&mut self, part: Part<'_>, _: &mut Desk<'_>) {
        if self.prepared.is_some() {
            return;
        }
        let taken = match part {
            Part::Data(data) => self.take(data),
            Part::End => self.conclude(),
            Part::Trailers(_) | Part::Gone => Ok(()),
        };
        if let Err(problem) = taken {
            self.content = Vec::new();
            self.prepared = Some(PreparedAnswer::problem(problem, Rc::new));
        }
    }

    fn held(&self) -> usize {
        self.content.len()
    }

    fn content_limit(&self) -> Option<u64> {
        // The answer names the limit.
        Some(u64::MAX)
    }

    fn poll(&mut self, room: &mut Room<'_, F>, _: &mut Desk<'_>) -> Result<Step<F>, Failure> {
        Ok(match &mut self.prepared {
            Some(prepared) => prepared.step(room),
            None => Step::Wait(Until::Request),
        })
    }
}

/// An answer whose content is in memory, on its way.
#[derive(Debug)]
pub(crate) struct PreparedAnswer {
    head: Option<Head>,
    content: Vec<u8>,
    sent: usize,
}

impl PreparedAnswer {
    /// An answer of this status, these fields and this content.
    pub(crate) fn new(status: u16, fields: Rc<Fields>, content: Vec<u8>) -> Self {
        PreparedAnswer {
            head: Some(Head {
                status,
                fields,
                len: Some(content.len() as u64),
            }),
            content,
            sent: 0,
        }
    }

    /// The answer that is a problem; `complete` adds the fields that all responses have.
    pub(crate) fn problem(problem: Problem, complete: impl FnOnce(Fields) -> Rc<Fields>) -> Self {
        let status = problem.status();
        let (fields, content) = problem.parts();
        PreparedAnswer::new(status, complete(fields), content)
    }

    /// The next step.
    pub(crate) fn step<F: Files>(&mut self, room: &mut Room<'_, F>) -> Step<F> {
        if let Some(head) = self.head.take() {
            return Step::Head(head);
        }
        let rest = self.content.get(self.sent..).unwrap_or_default();
        if rest.is_empty() {
            return Step::End(None);
        }
        self.sent += room.write(rest);
        Step::Written
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Driver;
    use super::*;
    use crate::world::Peer;

    fn handler() -> WholeContent<impl Fn(&WholeRequest<'_>) -> Result<WholeAnswer, Problem>> {
        let terms = ContentTerms {
            types: &["application/json"],
            most: 20,
        };
        WholeContent::new(terms, |request: &WholeRequest<'_>| {
            let value = request.json()?;
            let name = value["name"].as_str();
            let name = name.ok_or_else(|| Problem::new(422, "there is no name"))?;
            Ok(WholeAnswer {
                status: 200,
                fields: Fields::new(),
                content: name.as_bytes().to_vec(),
            })
        })
    }

    /// The status and the content of the answer to content in pieces.
    fn answer(fields: &[(&str, &str)], pieces: &[&str]) -> (u16, String) {
        let mut head = Fields::new();
        head.push(b":method", b"POST");
        for (name, value) in fields {
            head.push(name.as_bytes(), value.as_bytes());
        }
        let request = Request::new(&head, Peer::Unix);
        let mut driver = Driver::new(&mut handler(), &request).expect("an exchange");
        for piece in pieces {
            driver.receive(Part::Data(piece.as_bytes()));
        }
        driver.receive(Part::End);
        let status = driver.head().expect("an answer").status;
        (status, driver.read_all())
    }

    #[test]
    fn content_that_comes_in_pieces_is_answered_as_a_whole() {
        let json = [("content-type", "application/problem+json; charset=utf-8")];
        assert_eq!(answer(&json, &["{\"name\"", ": \"x\"}"]), (200, "x".into()));
        let (status, content) = answer(&json, &["{\"name\"\n", "}"]);
        assert!(
            status == 400 && content.contains("\"line\": 2"),
            "{content}"
        );
        assert_eq!(answer(&json, &["{}"]).0, 422);
        let (status, content) = answer(&json, &["{\"name\"   ", ": \"longer\"}"]);
        assert!(
            status == 413 && content.contains("\"limit\": 20"),
            "{content}"
        );
    }

    #[test]
    fn a_head_that_is_not_on_the_terms_is_refused_at_once() {
        let terms = ContentTerms {
            types: &["application/json", "text/plain"],
            most: 20,
        };
        let check = |content_type: &str, len: &str| {
            let mut head = Fields::new();
            head.push(b"content-type", content_type.as_bytes());
            head.push(b"content-length", len.as_bytes());
            terms.check(&head).map_err(|problem| problem.status())
        };
        assert_eq!(check("Application/JSON", "20"), Ok(()));
        assert_eq!(check("text/plain;charset=x", "0"), Ok(()));
        assert_eq!(check("text/html", "1"), Err(415));
        assert_eq!(check("", "1"), Err(415));
        assert_eq!(check("text/plain", "21"), Err(413));
    }
}
