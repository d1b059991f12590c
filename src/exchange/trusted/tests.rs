//! Tables of what trusted proxies say, and of what is made of it.

use super::*;

/// The client as `10.0.0.0/8`, `fd00::/8` and Unix peers tell of it: address, scheme, host.
fn client(fields: &[(&str, &str)], peer: &str) -> (String, Option<ClaimFault>) {
    let mut set = PeerSet::default();
    for text in ["10.0.0.0/8", "fd00::/8", "unix"] {
        set.add(text).unwrap();
    }
    let fields: Fields = fields.iter().copied().collect();
    let peer = match peer {
        "unix" => Peer::Unix,
        address => Peer::Ip(address.parse().unwrap()),
    };
    let (claim, fault) = TrustedProxies::new(set).client(&fields, peer, Scheme::Http);
    let host = claim.host.map_or("-".into(), String::from_utf8_lossy);
    let told = format!("{} {} {host}", claim.peer, claim.scheme.as_str());
    (told, fault)
}

#[test]
fn the_client_is_the_first_address_from_the_right_that_is_not_trusted() {
    for (value, expected) in [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7, 10.0.0.3", "192.0.2.7"),
        ("10.9.9.9, 192.0.2.7,10.0.0.3 ,10.1.1.1", "192.0.2.7"),
        // What is left of the client is the client's own invention.
        ("garbage\", 192.0.2.7", "192.0.2.7"),
        ("\", 192.0.2.7", "192.0.2.7"),
        ("198.51.100.1, 192.0.2.7", "192.0.2.7"),
        // All are trusted: the left one began.
        ("10.0.0.4, 10.0.0.3", "10.0.0.4"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7, ::ffff:10.0.0.1", "192.0.2.7"),
        ("192.0.2.7, fd00::1", "192.0.2.7"),
        // The proxy before is known, its client is not.
        ("192.0.2.7, unknown, 10.0.0.3", "10.0.0.3"),
        ("unknown", "10.0.0.1"),
        ("", "10.0.0.1"),
        (" , ,", "10.0.0.1"),
        ("192.0.2.7,,", "192.0.2.7"),
    ] {
        let told = client(&[("x-forwarded-for", value)], "10.0.0.1");
        assert_eq!(told, (format!("{expected} http -"), None), "{value}");
    }
    let lines = [
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-for", "10.0.0.3"),
    ];
    assert_eq!(client(&lines, "unix").0, "192.0.2.7 http -");
}

#[test]
fn forwarded_is_read_by_its_elements() {
    for (value, expected) in [
        ("for=192.0.2.7", "192.0.2.7 http -"),
        ("For=192.0.2.7;PROTO=HTTPS;by=10.0.0.1", "192.0.2.7 https -"),
        (
            "for=\"192.0.2.7:80\";host=\"a.test:8443\";proto=https",
            "192.0.2.7 https a.test:8443",
        ),
        ("for=\"[2001:db8::1]:80\"", "2001:db8::1 http -"),
        (
            "for=\"[2001:db8::1]\", for=10.0.0.3;proto=https",
            "2001:db8::1 http -",
        ),
        (
            "for=192.0.2.7;proto=https, for=10.0.0.3;proto=http",
            "192.0.2.7 https -",
        ),
        ("for=\", for=192.0.2.7", "192.0.2.7 http -"),
        (
            "for=10.0.0.9;proto=https, for=192.0.2.7;proto=http",
            "192.0.2.7 http -",
        ),
        ("for=_hidden;proto=https, for=10.0.0.3", "10.0.0.3 https -"),
        ("for=\"unknown:_x\";proto=https", "10.0.0.1 https -"),
        ("proto=https", "10.0.0.1 https -"),
        ("for=192.0.2.7;a=\"b;c=d,e\"", "192.0.2.7 http -"),
        ("for=192.0.2.7; proto=https ;", "192.0.2.7 https -"),
    ] {
        let told = client(&[("forwarded", value)], "10.0.0.1");
        assert_eq!(told, (expected.to_owned(), None), "{value}");
    }
}

#[test]
fn scheme_and_host_are_those_of_the_client_s_place_in_the_lists() {
    for (fields, expected) in [
        (vec![("x-forwarded-proto", "https")], "10.0.0.1 https -"),
        (
            vec![
                ("x-forwarded-for", "192.0.2.7, 10.0.0.3"),
                ("x-forwarded-proto", "https"),
            ],
            "192.0.2.7 https -",
        ),
        (
            vec![
                ("x-forwarded-for", "192.0.2.7, 10.0.0.3"),
                ("x-forwarded-proto", "https, http"),
            ],
            "192.0.2.7 https -",
        ),
        // The client's own claim stands left of the one of the proxy that it came to.
        (
            vec![
                ("x-forwarded-for", "192.0.2.7"),
                ("x-forwarded-proto", "https, http"),
            ],
            "192.0.2.7 http -",
        ),
        (
            vec![
                ("x-forwarded-for", "192.0.2.7"),
                ("x-forwarded-host", "evil.test, a.test:80"),
            ],
            "192.0.2.7 http a.test:80",
        ),
        (vec![("x-forwarded-proto", "wss")], "10.0.0.1 https -"),
        // Where both forms are there, the customary one decides.
        (
            vec![
                ("forwarded", "for=10.6.6.6;proto=https"),
                ("x-forwarded-for", "192.0.2.7"),
            ],
            "192.0.2.7 http -",
        ),
    ] {
        let told = client(&fields, "10.0.0.1");
        assert_eq!(told, (expected.to_owned(), None), "{fields:?}");
    }
}

#[test]
fn peers_that_are_not_trusted_say_nothing() {
    let fields = [
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.test"),
        ("forwarded", "for=192.0.2.7;proto=https;host=evil.test"),
    ];
    for count in 0..=fields.len() {
        let told = client(&fields[count..], "203.0.113.1");
        assert_eq!(told, ("203.0.113.1 http -".into(), None));
    }
}

#[test]
fn malformed_words_leave_the_peer_and_are_told() {
    let long = "10.0.0.2,".repeat(MOST_HOPS + 1);
    for (name, value) in [
        ("x-forwarded-for", "localhost"),
        ("x-forwarded-for", "192.0.2.256"),
        ("x-forwarded-for", "192.0.2.7:port"),
        ("x-forwarded-for", "192.0.2.7:123456"),
        ("x-forwarded-for", "192.0.2.7, nonsense"),
        ("x-forwarded-for", "nonsense, 10.0.0.3"),
        ("x-forwarded-for", "[2001:db8::1"),
        ("x-forwarded-for", "[2001:db8::1]x"),
        ("x-forwarded-for", "fe80::1%eth0"),
        ("x-forwarded-for", "\"192.0.2.7\""),
        ("x-forwarded-for", "_"),
        ("x-forwarded-for", "\u{e9}"),
        ("x-forwarded-for", &long),
        ("x-forwarded-proto", "gopher"),
        ("x-forwarded-host", "a/b"),
        ("x-forwarded-host", "user@a.test"),
        ("forwarded", "192.0.2.7"),
        ("forwarded", "for=192.0.2.7;for=192.0.2.8"),
        ("forwarded", "for=\"192.0.2.7"),
        ("forwarded", "for=\"192.0\\.2.7\""),
        ("forwarded", "for=192.0.2.7;proto=gopher"),
        ("forwarded", "for=192.0.2.7;host=\"a b\""),
        ("forwarded", "for =192.0.2.7"),
        ("forwarded", "for=192.0.2.7, for=, for=10.0.0.3"),
    ] {
        let (told, fault) = client(&[(name, value)], "10.0.0.1");
        assert_eq!(told, "10.0.0.1 http -", "{name}: {value}");
        assert!(fault.is_some(), "{name}: {value}");
    }
}

#[test]
fn clients_cannot_move_the_address_that_the_proxy_adds_behind_theirs() {
    // Knuth's generator: the same texts in each run.
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let parts = [
        "10.0.0.9",
        "\"",
        ",",
        ";",
        "for=",
        "=",
        "\\",
        "proto=https",
        "[::1]",
        " ",
        ":80",
        "_x",
        "unknown",
    ];
    for _ in 0..5_000 {
        let theirs: String = (0..random(8)).map(|_| parts[random(parts.len())]).collect();
        for (name, ours) in [
            ("x-forwarded-for", "192.0.2.7"),
            ("forwarded", "for=192.0.2.7;proto=http"),
        ] {
            let value = format!("{theirs}, {ours}");
            let told = client(&[(name, &value)], "10.0.0.1");
            assert_eq!(told, ("192.0.2.7 http -".into(), None), "{name}: {value}");
            let lines = [(name, theirs.as_str()), (name, ours)];
            assert_eq!(client(&lines, "10.0.0.1"), told, "{name}: {value}");
        }
    }
}
