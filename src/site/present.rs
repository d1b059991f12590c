//! From a file that was found to the response for a request.

use std::io;
use std::rc::Rc;

use super::Site;
use super::conditional::{self, PreconditionFields, PreconditionOutcome};
use super::encoding::Preferences;
use super::multipart::Multipart;
use super::range::{self, ByteRange, Ranges};
use super::representation::{ByteSource, Representation};
use super::resource::Resource;
use crate::content::Body;
use crate::exchange::Response;
use crate::http::{Fields, Method};
use crate::world::Files;

/// Fields that describe content. A 304 has none of them (RFC 9110 §15.4.5). The date of the last change
/// is left out too, because the tag says more.
const OF_CONTENT: [&[u8]; 5] = [
    b"content-type",
    b"content-length",
    b"content-encoding",
    b"last-modified",
    b"accept-ranges",
];

/// Fields that are true of a file, but not of an error whose page the file is.
const OF_THE_FILE: [&[u8]; 4] = [
    b"etag",
    b"last-modified",
    b"accept-ranges",
    b"cache-control",
];

/// Room for fields that a part has beyond those that it leaves out: it replaces the length, and adds its range.
const MORE_FIELDS: usize = 1;
const MORE_BYTES: usize = 64;

/// Reason why a file that was found cannot be sent.
pub(crate) enum Unready {
    /// The file has changed since it was looked at.
    Changed,
    /// The file can no longer be opened.
    Failed(io::Error),
}

/// Properties of a request beside its target, found in one pass over its fields.
#[derive(Default)]
struct RequestTraits {
    accept_encoding: bool,
    preconditions: PreconditionFields,
    range: bool,
}

impl RequestTraits {
    fn of(request: &Fields) -> Self {
        let mut asked = RequestTraits::default();
        for field in request.behind_pseudo() {
            match field.name {
                b"accept-encoding" => asked.accept_encoding = true,
                b"if-match" | b"if-unmodified-since" => asked.preconditions.wants_match = true,
                b"if-none-match" | b"if-modified-since" => {
                    asked.preconditions.wants_change = true;
                }
                b"range" => asked.range = true,
                _ => {}
            }
        }
        asked
    }
}

impl<F: Files> Site<F> {
    /// Answers a GET or HEAD for a file.
    pub(crate) fn present(
        &mut self,
        resource: &Resource<F>,
        request: &Fields,
        method: Method,
    ) -> Result<Response<F>, Unready> {
        let asked = RequestTraits::of(request);
        let representation = select(resource, request, &asked);
        if asked.preconditions.wants_match || asked.preconditions.wants_change {
            let validators = representation.validators();
            match conditional::evaluate(request, asked.preconditions, &validators) {
                PreconditionOutcome::Proceed => {}
                PreconditionOutcome::NotModified => return Ok(not_modified(representation)),
                PreconditionOutcome::Failed => {
                    return Ok(self.page_of_resource(412, resource, None));
                }
            }
        }
        // A range is defined for GET only (RFC 9110 §14.2).
        let ranges = match method {
            Method::Get if asked.range => ranges(representation, request),
            _ => Ranges::Whole,
        };
        if ranges == Ranges::Unsatisfiable {
            let content_range = format!("bytes */{}", representation.len());
            return Ok(self.page_of_resource(416, resource, Some(&content_range)));
        }
        if let Ranges::One(range) = ranges
            && let Some(response) = self.excerpt(resource, representation, range)?
        {
            return Ok(response);
        }
        let source = match method {
            Method::Head => None,
            _ => Some(self.source(resource, representation)?),
        };
        Ok(match (source, ranges) {
            (Some(source), Ranges::One(range)) => self.part(representation, &source, range),
            (Some(source), Ranges::Several(ranges)) => parts(representation, source, ranges),
            (source, _) => whole(
                200,
                representation,
                representation.forms().fields.clone(),
                source,
            ),
        })
    }

    /// Answers an error with the site's own page for it. Preconditions and ranges are ignored, because they
    /// are about the resource that was asked for (RFC 9110 §13.2.1, §14.2).
    pub(crate) fn present_error_page(
        &mut self,
        status: u16,
        page: &Resource<F>,
        request: &Fields,
    ) -> Result<Response<F>, Unready> {
        let asked = RequestTraits::of(request);
        // A client that accepts no coding gets the page without one: a second error would hide the
        // first.
        let representation = select(page, request, &asked);
        let forms = representation.forms();
        let fields = forms.not_found.get_or_init(|| {
            let mut fields = copy_without(&forms.fields, &OF_THE_FILE);
            fields.push(b"cache-control", b"no-cache");
            Rc::new(fields)
        });
        let source = self.source(page, representation)?;
        Ok(whole(status, representation, fields.clone(), Some(source)))
    }

    /// The bytes of a representation. Its content may be kept for the next response, if it was read before.
    pub(super) fn source(
        &mut self,
        resource: &Resource<F>,
        representation: &Representation<F>,
    ) -> Result<ByteSource<F>, Unready> {
        let was_read = representation.file.was_read();
        let source = match representation.source(&mut self.reads) {
            Ok(source) => source.ok_or(Unready::Changed)?,
            Err(error) => return Err(Unready::Failed(error)),
        };
        if was_read {
            let file = source.file();
            self.hot
                .admit(&mut self.reads, resource, representation, file);
        }
        Ok(source)
    }

    /// A 206 with a single part (RFC 9110 §15.3.7.1).
    fn part(
        &mut self,
        representation: &Representation<F>,
        source: &ByteSource<F>,
        range: ByteRange,
    ) -> Response<F> {
        let whole = &representation.forms().fields;
        let head = self.hot.excerpts_mut().last_head();
        Response {
            status: 206,
            fields: head.fields(whole, range, representation.len()),
            body: Body::One(source.slice(range.start, range.end)),
        }
    }

    /// A page about a resource that exists but cannot be sent in the requested way.
    fn page_of_resource(
        &mut self,
        status: u16,
        resource: &Resource<F>,
        content_range: Option<&str>,
    ) -> Response<F> {
        let mut response = self.error(status);
        let mut fields = Fields::clone(&response.fields);
        if let Some(content_range) = content_range {
            fields.push(b"content-range", content_range.as_bytes());
        }
        if resource.varies() {
            fields.push(b"vary", b"accept-encoding");
        }
        response.fields = Rc::new(fields);
        response
    }
}

/// The representation that the request prefers.
fn select<'r, F: Files>(
    resource: &'r Resource<F>,
    request: &Fields,
    asked: &RequestTraits,
) -> &'r Representation<F> {
    let values = || request.values("accept-encoding");
    // A request without weights refuses no coding, and a file without sidecars leaves no choice.
    let matters =
        asked.accept_encoding && (resource.varies() || values().any(|value| value.contains(&b';')));
    if !matters {
        return resource.plain();
    }
    let codings = resource.representations.iter().map(|r| r.coding);
    let position = Preferences::parse(values()).choose(codings);
    let chosen = position.and_then(|position| resource.representations.get(position));
    chosen.unwrap_or_else(|| resource.plain())
}

/// The meaning of a request's `Range` for the representation that it gets.
fn ranges<F: Files>(representation: &Representation<F>, request: &Fields) -> Ranges {
    if !conditional::range_applies(request, &representation.validators()) {
        return Ranges::Whole;
    }
    let value = request.value("range").unwrap_or_default();
    match range::parse(value, representation.len()) {
        // Several parts of an encoded representation have no agreed form: it is sent whole.
        Ranges::Several(_) if representation.is_encoded() => Ranges::Whole,
        ranges => ranges,
    }
}

fn whole<F: Files>(
    status: u16,
    representation: &Representation<F>,
    fields: Rc<Fields>,
    source: Option<ByteSource<F>>,
) -> Response<F> {
    Response {
        status,
        fields,
        body: source.map_or(Body::Empty, |source| {
            Body::One(source.slice(0, representation.len()))
        }),
    }
}

fn not_modified<F: Files>(representation: &Representation<F>) -> Response<F> {
    let forms = representation.forms();
    let fields = forms
        .not_modified
        .get_or_init(|| Rc::new(copy_without(&forms.fields, &OF_CONTENT)));
    Response {
        status: 304,
        fields: fields.clone(),
        body: Body::Empty,
    }
}

/// A 206 with several parts (RFC 9110 §15.3.7.2): the parts name their ranges, the head of the response
/// does not. If the heads of the parts make the body longer than the file by more than a tenth, the
/// whole file is sent instead.
fn parts<F: Files>(
    representation: &Representation<F>,
    source: ByteSource<F>,
    ranges: Vec<ByteRange>,
) -> Response<F> {
    let content_type = representation.forms().fields.value("content-type");
    let multipart = Multipart::new(
        ranges,
        representation.len(),
        content_type.unwrap_or_default(),
        representation.entity_tag(),
    );
    if multipart.len > representation.len() + representation.len() / 10 {
        return whole(
            200,
            representation,
            representation.forms().fields.clone(),
            Some(source),
        );
    }
    let mut fields = copy_without(
        &representation.forms().fields,
        &[b"content-length", b"content-type"],
    );
    fields.push(b"content-type", multipart.content_type.as_bytes());
    fields.push(b"content-length", multipart.len.to_string().as_bytes());
    Response {
        status: 206,
        fields: Rc::new(fields),
        body: multipart.body(source),
    }
}

/// The fields without those of these names, with room for the fields of a part.
pub(super) fn copy_without(fields: &Fields, names: &[&[u8]]) -> Fields {
    let mut copy = Fields::with_room_of(fields, MORE_FIELDS, MORE_BYTES);
    for field in fields.iter().filter(|field| !names.contains(&field.name)) {
        copy.push_field(field);
    }
    copy
}

#[cfg(test)]
mod tests;
