//! The head of a request as its upstream gets it: a new one, made of the fields that go on.

use super::forwarded::{ForwardedFields, is_claim, push_earlier, push_forwarded, push_via};
use super::path::upstream_target;
use super::scheme::{UpstreamScheme, UpstreamVersion};
use super::websocket::TunnelOffer;
use crate::exchange::Request;
use crate::http::grammar::is_connection_specific_lowercase;
use crate::http::{Fields, Pseudo};

/// The field of a request's identifier. Where requests have one, a client's own does not go on.
const REQUEST_ID: &[u8] = b"x-request-id";

/// Room for the fields that the proxy adds, so that making a head allocates once.
const ADDED_FIELDS: usize = 6;
const ADDED_BYTES: usize = 256;

/// The way in which an upstream is spoken to.
#[derive(Clone, Debug)]
pub(super) struct UpstreamRule {
    /// The protocol.
    pub(super) scheme: UpstreamScheme,
    /// The path that requests are forwarded of, without a slash at its end.
    pub(super) mount: String,
    /// The path that takes its place, if any does.
    pub(super) replacement: Option<String>,
}

/// Makes the fields of the request that the upstream gets, in memory that held other fields. `content-length` is not
/// among them: the protocol core writes it from the content's true length. A request for a tunnel becomes an upgrade
/// for HTTP/1.1. `known` remembers what is told about clients.
pub(super) fn upstream_fields(
    fields: &mut Fields,
    request: &Request<'_>,
    rule: &UpstreamRule,
    tunnel: Option<TunnelOffer>,
    known: &mut ForwardedFields,
) {
    let from = request.fields;
    fields.make_room_of(from, ADDED_FIELDS, ADDED_BYTES);
    let method = match tunnel {
        Some(TunnelOffer::Upgrade(_)) => b"GET",
        Some(TunnelOffer::Connect) | None => from.method().unwrap_or_default(),
    };
    fields.push(b":method", method);
    if let Some(TunnelOffer::Connect) = tunnel {
        let protocol = from.pseudo(Pseudo::Protocol);
        fields.push(b":protocol", protocol.unwrap_or_default());
    }
    let scheme: &[u8] = if rule.scheme.is_secure() {
        b"https"
    } else {
        b"http"
    };
    fields.push(b":scheme", scheme);
    fields.push(b":authority", from.authority().unwrap_or_default());
    let target = upstream_target(
        from.path().unwrap_or_default(),
        &rule.mount,
        request.rest,
        rule.replacement.as_deref(),
    );
    fields.push(b":path", &target);
    let mut cookies = Vec::new();
    let mut earlier = Vec::new();
    let (mut takes_trailers, mut offers_websocket) = (false, false);
    for field in from.regular() {
        match field.name {
            b"cookie" => {
                // HTTP/2 cuts the field in crumbs (RFC 9113 §8.2.3).
                if !cookies.is_empty() {
                    cookies.extend_from_slice(b"; ");
                }
                cookies.extend_from_slice(field.value);
            }
            b"via" => push_earlier(&mut earlier, field.value),
            b"te" => takes_trailers |= names_trailers(field.value),
            b"upgrade" => offers_websocket |= field.value == b"websocket",
            // A key has no meaning over HTTP/2 (RFC 8441 §5), and the proxy's own takes its place in an upgrade.
            b"sec-websocket-key" if tunnel.is_some() => {}
            REQUEST_ID if request.id.is_some() => {}
            name if goes_on(name) => fields.push_field(field),
            _ => {}
        }
    }
    if !cookies.is_empty() {
        fields.push(b"cookie", &cookies);
    }
    if let Some(TunnelOffer::Upgrade(key)) = tunnel {
        fields.push(b"upgrade", b"websocket");
        fields.push(b"sec-websocket-key", key.text().as_bytes());
    }
    match rule.scheme.version() {
        // The core has checked the offer.
        UpstreamVersion::Http1 if tunnel.is_none() && offers_websocket => {
            fields.push(b"upgrade", b"websocket");
        }
        // gRPC takes no other spelling.
        UpstreamVersion::Http2 if takes_trailers => fields.push(b"te", b"trailers"),
        UpstreamVersion::Http1 | UpstreamVersion::Http2 => {}
    }
    if let Some(id) = request.id {
        fields.push(REQUEST_ID, id.as_bytes());
    }
    if earlier.is_empty() {
        known.push(fields, request);
    } else {
        push_forwarded(fields, request);
        push_via(fields, &earlier, request.version);
    }
}

/// True if a client says that it takes fields behind content (RFC 9110 §10.1.4).
pub(super) fn takes_trailers(fields: &Fields) -> bool {
    fields.values("te").any(names_trailers)
}

/// True if a value of `te` has that among its codings.
fn names_trailers(value: &[u8]) -> bool {
    let codings = value.split(|byte| *byte == b',');
    let mut codings = codings.map(<[u8]>::trim_ascii);
    codings.any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}

/// The fields behind the content of a request that the upstream gets, if any.
pub(super) fn upstream_trailers(from: &Fields) -> Option<Fields> {
    let mut fields = Fields::new();
    let kept = from.iter().filter(|field| goes_on(field.name));
    kept.for_each(|field| fields.push_field(field));
    (!fields.is_empty()).then_some(fields)
}

/// True for a field that is meant for the application: none that concerns the connection, that frames or
/// routes the message, that the server answers itself (`expect`), or that the proxy writes. Names with an
/// underscore that applications would take for such a field do not go on either.
fn goes_on(name: &[u8]) -> bool {
    let is_dropped = |name: &[u8]| {
        is_connection_specific_lowercase(name)
            || is_claim(name)
            || matches!(
                name,
                b"content-length"
                    | b"expect"
                    | b"host"
                    | b"http2-settings"
                    | b"proxy-authorization"
                    | b"te"
                    | b"trailer"
                    | b"via"
            )
    };
    if !name.contains(&b'_') {
        return !is_dropped(name);
    }
    let hyphens = name
        .iter()
        .map(|byte| if *byte == b'_' { b'-' } else { *byte });
    !is_dropped(&hyphens.collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Peer;
    use std::net::{Ipv4Addr, Ipv6Addr};

    const RULE: fn() -> UpstreamRule = || UpstreamRule {
        scheme: UpstreamScheme::Http,
        mount: String::new(),
        replacement: None,
    };

    fn made(fields: &[(&str, &str)], peer: Peer, version: &'static str) -> Vec<String> {
        let base = [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "example.org:8443"),
            (":path", "/a?b"),
        ];
        let fields: Fields = base.iter().chain(fields).copied().collect();
        let request = Request {
            version,
            rest: b"/a",
            ..Request::new(&fields, peer)
        };
        let mut made = Fields::new();
        upstream_fields(
            &mut made,
            &request,
            &RULE(),
            None,
            &mut ForwardedFields::new(),
        );
        made.iter().map(|field| format!("{field:?}")).collect()
    }

    const V4: Peer = Peer::Ip(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));

    #[test]
    fn a_head_is_made_of_the_request_and_of_what_the_proxy_knows() {
        assert_eq!(
            made(
                &[("accept", "*/*"), ("x-a", "1"), ("x-a", "2")],
                V4,
                "HTTP/2.0"
            ),
            [
                ":method: GET",
                ":scheme: http",
                ":authority: example.org:8443",
                ":path: /a?b",
                "accept: */*",
                "x-a: 1",
                "x-a: 2",
                "x-forwarded-for: 192.0.2.1",
                "x-forwarded-proto: https",
                "x-forwarded-host: example.org:8443",
                "forwarded: for=192.0.2.1;host=\\\"example.org:8443\\\";proto=https",
                "via: 2 calmd",
            ]
        );
    }

    #[test]
    fn each_client_is_told_about_as_it_is_whoever_was_before() {
        let mut known = ForwardedFields::new();
        let peers = [
            V4,
            Peer::Ip(Ipv4Addr::new(192, 0, 2, 17).into()),
            Peer::Unix,
        ];
        let authorities = ["a", "b:1"];
        for turn in 0..48 {
            let fields = Fields::request(
                "GET",
                ["http", "https"][turn % 2],
                authorities[turn / 2 % 2],
                "/",
            );
            let request = Request {
                version: ["HTTP/1.1", "HTTP/2.0"][turn / 4 % 2],
                ..Request::new(&fields, peers[turn / 8 % 3])
            };
            // Twice, because the second time it is remembered.
            for _ in 0..2 {
                let (mut made, mut alone) = (Fields::new(), Fields::new());
                upstream_fields(&mut made, &request, &RULE(), None, &mut known);
                upstream_fields(
                    &mut alone,
                    &request,
                    &RULE(),
                    None,
                    &mut ForwardedFields::new(),
                );
                assert_eq!(made, alone, "{turn}");
            }
        }
    }

    #[test]
    fn addresses_of_version_6_are_quoted_and_unix_peers_have_none() {
        let v6 = made(&[], Peer::Ip(Ipv6Addr::LOCALHOST.into()), "HTTP/1.1");
        assert!(v6.contains(&"x-forwarded-for: ::1".to_owned()), "{v6:?}");
        let forwarded = "forwarded: for=\\\"[::1]\\\";host=\\\"example.org:8443\\\";proto=https";
        assert!(v6.contains(&forwarded.to_owned()), "{v6:?}");
        let unix = made(
            &[("via", "1.0 a"), ("via", "1.1 b")],
            Peer::Unix,
            "HTTP/1.0",
        );
        assert!(
            !unix
                .iter()
                .any(|field| field.starts_with("x-forwarded-for"))
        );
        assert!(
            unix.iter()
                .any(|field| field.starts_with("forwarded: for=unknown;"))
        );
        assert!(
            unix.contains(&"via: 1.0 a, 1.1 b, 1.0 calmd".to_owned()),
            "{unix:?}"
        );
    }

    #[test]
    fn fields_of_the_connection_and_claims_of_the_client_do_not_go_on() {
        for name in [
            "connection",
            "keep-alive",
            "proxy-connection",
            "transfer-encoding",
            "upgrade",
            "te",
            "trailer",
            "expect",
            "content-length",
            "http2-settings",
            "host",
            "proxy-authorization",
            "x-real-ip",
            "x_real_ip",
            "x-forwarded-port",
            "content_length",
            "transfer_encoding",
            "x_forwarded-for",
        ] {
            let value = "evil";
            let made = made(&[(name, value)], V4, "HTTP/1.1");
            let passed = made.iter().find(|field| field.ends_with(": evil"));
            assert_eq!(passed, None, "{name}");
        }
        for name in [
            "x-forwarded-for",
            "forwarded",
            "x-forwarded-proto",
            "x-forwarded-host",
        ] {
            let made = made(&[(name, "evil")], V4, "HTTP/1.1");
            let of_name = made
                .iter()
                .filter(|field| field.starts_with(&format!("{name}: ")));
            assert_eq!(of_name.count(), 1, "{name}");
            assert!(!made.iter().any(|field| field.contains("evil")), "{name}");
        }
        for name in [
            "x_own",
            "authorization",
            "upgrade-insecure-requests",
            "x-forwarded-user",
        ] {
            let made = made(&[(name, "kept")], V4, "HTTP/1.1");
            assert!(made.iter().any(|field| field.ends_with(": kept")), "{name}");
        }
    }

    #[test]
    fn an_upstream_of_http_2_hears_of_trailers_exactly_and_of_no_upgrade() {
        let rule = UpstreamRule {
            scheme: UpstreamScheme::H2c,
            ..RULE()
        };
        for (te, expected) in [
            ("trailers", Some("trailers")),
            ("deflate, Trailers", Some("trailers")),
            ("trailers;q=1, gzip", None),
            ("", None),
        ] {
            let fields = [
                (":method", "POST"),
                (":path", "/a"),
                ("te", te),
                ("upgrade", "websocket"),
            ];
            let fields: Fields = fields.into_iter().collect();
            let mut made = Fields::new();
            let request = Request::new(&fields, V4);
            upstream_fields(
                &mut made,
                &request,
                &rule,
                None,
                &mut ForwardedFields::new(),
            );
            let passed = made.value("te").map(|value| String::from_utf8_lossy(value));
            assert_eq!(passed.as_deref(), expected, "{te}");
            assert!(made.value("upgrade").is_none());
        }
    }

    #[test]
    fn trailers_say_nothing_that_only_the_proxy_can_know() {
        let fields = [
            ("grpc-status", "0"),
            ("x-forwarded-for", "a"),
            ("te", "b"),
            ("x-sum", "1"),
        ];
        let trailers = upstream_trailers(&fields.into_iter().collect()).unwrap();
        let names: Vec<_> = trailers.iter().map(|field| format!("{field:?}")).collect();
        assert_eq!(names, ["grpc-status: 0", "x-sum: 1"]);
        assert!(upstream_trailers(&[("x_real_ip", "a")].into_iter().collect()).is_none());
    }

    #[test]
    fn crumbs_of_a_cookie_become_one_field() {
        let made = made(
            &[("cookie", "a=b"), ("x", "y"), ("cookie", "c=d")],
            V4,
            "HTTP/2.0",
        );
        assert!(made.contains(&"cookie: a=b; c=d".to_owned()), "{made:?}");
    }
}
