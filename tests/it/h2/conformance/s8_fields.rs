//! RFC 9113 §8.2, §8.3: malformed field sections.

use super::super::wire::*;
use super::*;

fn malformed(section: &'static str, sentence: &'static str) -> Case {
    case(section, sentence, Stream(1, PROTOCOL_ERROR))
}

pub fn cases() -> Vec<Case> {
    [fields(), connection_specific(), pseudo(), request_pseudo()]
        .into_iter()
        .flatten()
        .collect()
}

/// A request of the given fields alone.
fn of(fields: &[(&str, &str)]) -> Vec<u8> {
    headers(1, END, &block(fields))
}

/// Cases of §8.2 and §8.2.1.
fn fields() -> Vec<Case> {
    let with = |sentence, name: &str, value: &str| {
        malformed("8.2.1", sentence).send(get_with(1, &[(name, value)]))
    };
    let taken = |sentence, name: &str, value: &str| {
        case("8.2.1", sentence, Answered(vec![(1, 200)])).send(get_with(1, &[(name, value)]))
    };
    vec![
        malformed("8.2", "a field name in uppercase").send(get_with(1, &[("X-TEST", "ok")])),
        malformed("8.2", "a trailer's name in uppercase")
            .send(post(1))
            .send(headers(1, END, &block(&[("X-Test", "ok")]))),
        with("a field name with a space", "x y", "ok"),
        with("a field name with NUL", "x\0", "ok"),
        with("a field name with CR", "x\r", "ok"),
        with("a field name with DEL", "x\x7f", "ok"),
        with("a field name beyond ASCII", "xü", "ok"),
        with(
            "a field name with a colon behind its first byte",
            "x:y",
            "ok",
        ),
        with("an empty field name", "", "ok"),
        with("a field value with NUL", "x", "a\0b"),
        with("a field value with CR", "x", "a\rb"),
        with("a field value with LF", "x", "a\nb"),
        with("a field value that begins with a space", "x", " a"),
        with("a field value that ends with a tab", "x", "a\t"),
        taken("an empty field value", "x", ""),
        taken("a field value beyond ASCII", "x", "ü"),
        taken(
            "a field name of every other byte of a token",
            "!#$%&'*+-.^_`|~09az",
            "ok",
        ),
    ]
}

/// Cases of §8.2.2 and §8.2.3.
fn connection_specific() -> Vec<Case> {
    let with = |sentence, name: &str, value: &str| {
        malformed("8.2.2", sentence).send(get_with(1, &[(name, value)]))
    };
    vec![
        with("connection", "connection", "keep-alive"),
        with("proxy-connection", "proxy-connection", "keep-alive"),
        with("keep-alive", "keep-alive", "timeout=5"),
        with("transfer-encoding", "transfer-encoding", "chunked"),
        with("upgrade", "upgrade", "h2c"),
        with("te other than trailers", "te", "trailers, deflate;q=0.5"),
        case("8.2.2", "te: trailers", Answered(vec![(1, 200)]))
            .send(get_with(1, &[("te", "trailers")])),
        malformed("8.2.2", "connection among trailers")
            .send(post(1))
            .send(headers(1, END, &block(&[("connection", "close")]))),
        case("8.2.3", "cookie in crumbs", Answered(vec![(1, 200)]))
            .send(get_with(1, &[("cookie", "a=b"), ("cookie", "c=d")])),
    ]
}

/// Cases of §8.3.
fn pseudo() -> Vec<Case> {
    vec![
        malformed("8.3", "a pseudo-header field that nobody knows")
            .send(get_with(1, &[(":test", "ok")])),
        malformed("8.3", "a pseudo-header field of responses")
            .send(get_with(1, &[(":status", "200")])),
        malformed("8.3", "a pseudo-header field among trailers")
            .send(post(1))
            .send(headers(1, END, &block(&[(":method", "GET")]))),
        malformed("8.3", "a pseudo-header field behind a field").send(of(&[
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "localhost"),
            ("x-test", "ok"),
            (":path", "/"),
        ])),
        malformed("8.3", ":method twice").send(get_with(1, &[(":method", "GET")])),
        malformed("8.3", ":scheme twice").send(get_with(1, &[(":scheme", "http")])),
        malformed("8.3", ":path twice").send(get_with(1, &[(":path", "/")])),
        malformed("8.3", ":authority twice").send(get_with(1, &[(":authority", "localhost")])),
    ]
}

/// Cases of §8.3.1.
fn request_pseudo() -> Vec<Case> {
    const METHOD: (&str, &str) = (":method", "GET");
    const SCHEME: (&str, &str) = (":scheme", "http");
    const PATH: (&str, &str) = (":path", "/");
    const AUTHORITY: (&str, &str) = (":authority", "localhost");
    let with = |sentence, fields: &[(&str, &str)]| malformed("8.3.1", sentence).send(of(fields));
    let taken = |sentence, fields: &[(&str, &str)]| {
        case("8.3.1", sentence, Answered(vec![(1, 200)])).send(of(fields))
    };
    vec![
        with("no :method", &[SCHEME, PATH, AUTHORITY]),
        with("no :scheme", &[METHOD, PATH, AUTHORITY]),
        with("no :path", &[METHOD, SCHEME, AUTHORITY]),
        with(
            "an empty :path",
            &[METHOD, SCHEME, (":path", ""), AUTHORITY],
        ),
        with(
            ":path without a slash",
            &[METHOD, SCHEME, (":path", "index.html"), AUTHORITY],
        ),
        with(
            ":path in absolute form",
            &[METHOD, SCHEME, (":path", "http://localhost/"), AUTHORITY],
        ),
        with(
            ":path of * for GET",
            &[METHOD, SCHEME, (":path", "*"), AUTHORITY],
        ),
        with(
            ":path with a space",
            &[METHOD, SCHEME, (":path", "/a b"), AUTHORITY],
        ),
        with(
            "an empty :method",
            &[(":method", ""), SCHEME, PATH, AUTHORITY],
        ),
        with(
            ":method that is no token",
            &[(":method", "GE T"), SCHEME, PATH, AUTHORITY],
        ),
        with(
            "an empty :scheme",
            &[METHOD, (":scheme", ""), PATH, AUTHORITY],
        ),
        with(
            ":authority with userinfo",
            &[METHOD, SCHEME, PATH, (":authority", "user@localhost")],
        ),
        with(
            "an empty :authority",
            &[METHOD, SCHEME, PATH, (":authority", "")],
        ),
        with(
            ":authority and host that differ",
            &[METHOD, SCHEME, PATH, AUTHORITY, ("host", "other")],
        ),
        case(
            "8.3.1",
            "neither :authority nor host",
            Answered(vec![(1, 400)]),
        )
        .send(of(&[METHOD, SCHEME, PATH])),
        with(
            ":authority with two ports",
            &[METHOD, SCHEME, PATH, (":authority", "localhost:1:2")],
        ),
        with(
            "host twice",
            &[
                METHOD,
                SCHEME,
                PATH,
                ("host", "localhost"),
                ("host", "localhost"),
            ],
        ),
        taken(
            "host and no :authority",
            &[METHOD, SCHEME, PATH, ("host", "localhost")],
        ),
        taken(
            ":authority and host that agree",
            &[METHOD, SCHEME, PATH, AUTHORITY, ("host", "localhost")],
        ),
        with("no field at all", &[]),
        malformed("8.3.1", "content-length that is no number")
            .send(post_with(1, &[("content-length", "+5")])),
        malformed("8.3.1", "content-length twice").send(post_with(
            1,
            &[("content-length", "5"), ("content-length", "6")],
        )),
    ]
}

#[test]
fn s8_2_and_8_3_fields() {
    run(&cases());
}
