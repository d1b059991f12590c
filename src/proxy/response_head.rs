//! The head of an upstream's response as the client gets it.

use std::rc::Rc;

use super::forwarded::{push_earlier, push_via};
use super::scheme::UpstreamVersion;
use crate::exchange::Head;
use crate::http::grammar::decimal;
use crate::http::{Fields, status};

/// Willingness of a client to take fields behind the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrailerUse {
    /// They are sent, and so is the field that announces them.
    Wanted,
    /// They are sent where the length of the content is not known before, which HTTP/1.1 has chunks for.
    BehindChunks,
    /// They are dropped.
    Dropped,
}

/// The head for the client, made of the upstream's in place. `common` are the fields that the operator adds to every
/// response; those of the upstream win.
pub(super) fn client_head(
    mut head: Rc<Fields>,
    common: &Fields,
    trailers: TrailerUse,
    version: UpstreamVersion,
) -> Head {
    // Nobody else holds it.
    let fields = Rc::make_mut(&mut head);
    let status = fields.status().unwrap_or(502);
    let len = fields.value("content-length");
    let is_sized = len.is_some();
    let len = len.and_then(decimal);
    let mut earlier = Vec::new();
    fields.retain_regular(|field| match field.name {
        // The server writes its own.
        b"date" => false,
        b"trailer" => match trailers {
            TrailerUse::Wanted => true,
            TrailerUse::BehindChunks => !is_sized,
            TrailerUse::Dropped => false,
        },
        b"via" => {
            push_earlier(&mut earlier, field.value);
            false
        }
        b"proxy-authenticate" => false,
        _ => true,
    });
    let said = fields.len();
    for field in common.iter() {
        // An application's scripts have the types that it gives them.
        let is_own = field.name == b"x-content-type-options";
        if !is_own && fields.iter().take(said).all(|said| said.name != field.name) {
            fields.push_field(field);
        }
    }
    let name = match version {
        UpstreamVersion::Http1 => "HTTP/1.1",
        UpstreamVersion::Http2 => "HTTP/2.0",
    };
    push_via(fields, &earlier, name);
    Head {
        status,
        len: if status::has_no_content(status) {
            Some(0)
        } else {
            len
        },
        fields: head,
    }
}

/// The head of an informational response for the client; none for the one that the server sends itself.
pub(super) fn interim_head(from: &Fields) -> Option<Head> {
    let status = from.status().filter(|status| (102..200).contains(status))?;
    let mut fields = Fields::new();
    from.regular()
        .filter(|field| field.name != b"date")
        .for_each(|field| fields.push_field(field));
    Some(Head {
        status,
        fields: Rc::new(fields),
        len: Some(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&str, &str)], trailers: TrailerUse) -> (u16, Option<u64>, Vec<String>) {
        let from: Fields = fields.iter().copied().collect();
        let common = [("x-content-type-options", "nosniff"), ("x-own", "calmd")];
        let head = client_head(
            Rc::new(from),
            &common.into_iter().collect(),
            trailers,
            UpstreamVersion::Http1,
        );
        let fields = head.fields.iter().map(|field| format!("{field:?}"));
        (head.status, head.len, fields.collect())
    }

    #[test]
    fn an_upstreams_fields_go_on_and_win_over_common_ones() {
        let from = [
            (":status", "200"),
            ("date", "yesterday"),
            ("content-length", "7"),
            ("set-cookie", "a"),
            ("set-cookie", "b"),
            ("via", "1.0 x"),
            ("trailer", "x-sum"),
        ];
        let (status, len, fields) = head(&from, TrailerUse::Dropped);
        assert_eq!((status, len), (200, Some(7)));
        let expected = [
            "content-length: 7",
            "set-cookie: a",
            "set-cookie: b",
            "x-own: calmd",
            "via: 1.0 x, 1.1 calmd",
        ];
        assert_eq!(fields, expected);
        let (.., fields) = head(&from, TrailerUse::Wanted);
        assert!(fields.contains(&"trailer: x-sum".to_owned()));
        let (.., fields) = head(&[(":status", "200"), ("x-own", "app")], TrailerUse::Wanted);
        assert_eq!(fields, ["x-own: app", "via: 1.1 calmd"]);
    }

    #[test]
    fn statuses_without_content_have_none_whatever_they_say() {
        let (_, len, _) = head(
            &[(":status", "304"), ("content-length", "9")],
            TrailerUse::Dropped,
        );
        assert_eq!(len, Some(0));
        let (_, len, _) = head(&[(":status", "200")], TrailerUse::Dropped);
        assert_eq!(len, None);
    }

    #[test]
    fn informational_responses_go_on_but_100() {
        let interim =
            |status| interim_head(&[(":status", status), ("link", "x")].into_iter().collect());
        assert_eq!(
            interim("103").map(|head| (head.status, head.fields.len())),
            Some((103, 1))
        );
        assert!(interim("100").is_none() && interim("101").is_none());
    }
}
