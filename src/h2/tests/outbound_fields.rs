//! §8.2 of what is sent: brought into form, checked, or both.

use super::*;
use crate::h2::{Malformed, Misuse};

fn list(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().copied().collect()
}

/// A server that has to answer request 1.
fn asked(config: Config) -> (ScriptedPeer, StreamKey) {
    let mut peer = ScriptedPeer::of_server(config);
    peer.get(1);
    peer.hear();
    let key = peer.key(1);
    (peer, key)
}

/// The fields that go over the wire for a response.
fn sent(config: Config, fields: &[(&str, &str)]) -> Result<Fields, Misuse> {
    let (mut peer, key) = asked(config);
    let result = peer.connection.send_headers(key, list(fields).iter(), true);
    let sent = peer.sent();
    match result {
        Ok(()) => Ok(peer.fields(&sent[0])),
        Err(misuse) => {
            assert_eq!(sent, [], "nothing of a misuse reaches the wire");
            peer.answer(1);
            Err(misuse)
        }
    }
}

fn only_checking() -> Config {
    Config {
        normalize_outbound: false,
        ..Config::server()
    }
}

#[test]
fn a_configuration_for_others_normalizes_and_checks_in_both_roles() {
    for config in [Config::client(), Config::server(), Config::default()] {
        assert!(config.validate_inbound && config.validate_outbound);
        assert!(config.normalize_outbound && config.join_cookies);
    }
    assert!(Config::client().trim_inbound && !Config::server().trim_inbound);
}

#[test]
fn fields_of_others_are_brought_into_the_form_of_http2() {
    let fields = [
        (":status", "200"),
        (" X-Odd\t", "\t x "),
        ("Connection", "close, X-Hop"),
        ("x-hop", "one"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "close"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "websocket"),
        ("set-cookie", "a=1"),
    ];
    let sent = sent(Config::server(), &fields).unwrap();
    let shown = format!("{sent:?}");
    assert_eq!(shown, "[:status: 200, x-odd: x, set-cookie: a=1]");
}

#[test]
fn te_keeps_trailers_alone() {
    let mut peer = ScriptedPeer::of_client(Config::client());
    let mut te = |value: &str| {
        let mut fields = list(&request("GET", "/"));
        fields.push(b"TE", value.as_bytes());
        // HTTP/1.1 asks for this beside it.
        fields.push(b"connection", b"te");
        let opened = peer.connection.open(fields.iter(), true, peer.now);
        opened.unwrap();
        let sent = peer.sent();
        peer.fields(&sent[0]).value("te").map(<[u8]>::to_vec)
    };
    assert_eq!(te("gzip, Trailers;q=1"), None);
    assert_eq!(te("gzip, Trailers"), Some(b"Trailers".to_vec()));
    assert_eq!(te("deflate"), None);
}

#[test]
fn credentials_and_short_cookies_are_never_indexed() {
    let mut peer = ScriptedPeer::of_client(Config::client());
    let mut fields = list(&request("GET", "/"));
    let long = "a-cookie-of-twenty-bytes=1";
    for (name, value) in [
        ("authorization", "Basic eA=="),
        ("cookie", "a=1"),
        ("cookie", long),
    ] {
        fields.push(name.as_bytes(), value.as_bytes());
    }
    let opened = peer.connection.open(fields.iter(), true, peer.now);
    opened.unwrap();
    let sent = peer.sent();
    let sensitive: Vec<bool> = peer
        .fields(&sent[0])
        .iter()
        .skip(4)
        .map(|field| field.sensitive)
        .collect();
    assert_eq!(sensitive, [true, true, false]);
}

#[test]
fn a_section_that_stays_wrong_is_refused_with_its_reason() {
    let refused = |config, fields: &[(&str, &str)]| match sent(config, fields) {
        Err(Misuse::MalformedFields(Malformed(reason))) => reason,
        other => panic!("{other:?}"),
    };
    let connection = [(":status", "200"), ("connection", "close")];
    assert_eq!(
        refused(only_checking(), &connection),
        "connection-specific field"
    );
    let uppercase = [(":status", "200"), ("X-Odd", "x")];
    assert!(refused(only_checking(), &uppercase).contains("name"));
    let twice = [(":status", "200"), (":status", "200")];
    assert_eq!(
        refused(Config::server(), &twice),
        "pseudo-header field twice"
    );
    let split = [(":status", "200"), ("x", "a\r\nb")];
    assert!(refused(Config::server(), &split).contains("CR"));
}

#[test]
fn a_user_that_is_sure_of_its_fields_pays_for_no_check() {
    let config = Config {
        validate_outbound: false,
        normalize_outbound: false,
        ..Config::server()
    };
    let odd = [(":status", "200"), ("X-Odd", " x ")];
    assert_eq!(sent(config, &odd), Ok(list(&odd)));
}

#[test]
fn crumbs_of_cookies_are_joined() {
    let mut peer = ScriptedPeer::of_server(Config::server());
    let mut fields = request("GET", "/").to_vec();
    fields.extend([("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")]);
    peer.headers(1, flag::END_STREAM, &fields);
    let heard = peer.hear();
    assert!(heard[0].0.contains("cookie: a=1; b=2, x: y"), "{heard:?}");
}

mod rfc7540_priority {
    use super::*;
    use crate::h2::Rfc7540Priority;

    const PRIORITY: Rfc7540Priority = Rfc7540Priority {
        dependency: 3,
        exclusive: true,
        weight: 16,
    };

    fn client() -> ScriptedPeer {
        ScriptedPeer::of_client(Config {
            rfc7540_priorities: true,
            ..Config::client()
        })
    }

    #[test]
    fn it_goes_with_headers_and_with_priority() {
        let mut peer = client();
        let fields = list(&request("GET", "/"));
        let connection = &mut peer.connection;
        let opened = connection.open_with_priority(fields.iter(), PRIORITY, true, peer.now);
        let stream = opened.unwrap();
        let low = Rfc7540Priority {
            dependency: 0,
            exclusive: false,
            weight: 256,
        };
        connection.send_rfc7540_priority(stream.id(), low).unwrap();
        let sent = peer.sent();
        let wire = [0x80, 0, 0, 3, 15];
        assert_eq!(sent[0].payload[..5], wire);
        let flags = flag::END_HEADERS | flag::END_STREAM | flag::PRIORITY;
        assert_eq!((sent[0].kind, sent[0].flags), (FrameType::HEADERS, flags));
        let frame = (sent[1].kind, sent[1].id, &sent[1].payload[..]);
        assert_eq!(frame, (FrameType::PRIORITY, 1, &[0, 0, 0, 0, 255][..]));
        // A server understands both.
        let mut server = ScriptedPeer::of_server(Config {
            report_extensions: true,
            ..Config::server()
        });
        for frame in &sent {
            server.send(frame.kind, frame.flags, frame.id, &frame.payload);
        }
        let heard = server.hear();
        assert!(
            heard[0].0.contains("exclusive: true, weight: 16"),
            "{heard:?}"
        );
        assert!(heard[1].0.contains("weight: 256"), "{heard:?}");
    }

    #[test]
    fn no_stream_depends_on_itself_and_weights_have_bounds() {
        let mut peer = client();
        let mut send = |id, dependency, weight| {
            let priority = Rfc7540Priority {
                dependency,
                exclusive: false,
                weight,
            };
            peer.connection.send_rfc7540_priority(id, priority)
        };
        assert_eq!(send(5, 0, 1), Ok(()));
        for (id, dependency, weight) in [
            (5, 5, 1),
            (5, 0, 0),
            (5, 0, 257),
            (0, 3, 1),
            (5, 1 << 31, 1),
        ] {
            assert_eq!(send(id, dependency, weight), Err(Misuse::InvalidValue));
        }
    }

    #[test]
    fn who_announced_that_it_sends_none_sends_none() {
        let mut peer = ScriptedPeer::of_client(Config::client());
        let refused = peer.connection.send_rfc7540_priority(5, PRIORITY);
        assert_eq!(refused, Err(Misuse::Rfc7540Disabled));
        assert!(peer.connection.local_settings().no_rfc7540_priorities);
        assert!(!client().connection.local_settings().no_rfc7540_priorities);
        let mut server = ScriptedPeer::server();
        let refused = server.connection.send_rfc7540_priority(5, PRIORITY);
        assert_eq!(refused, Err(Misuse::WrongRole));
    }
}
