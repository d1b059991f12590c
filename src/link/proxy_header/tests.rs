use super::*;

/// A header of version 2 with these last bytes.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family][..], &len, rest].concat()
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind][..], &len, value].concat()
}

/// Addresses of IPv4: 192.0.2.1 to 192.0.2.9.
const V4: &[u8] = &[192, 0, 2, 1, 192, 0, 2, 9, 200, 0, 1, 187];

fn ip(text: &str) -> Option<Peer> {
    Some(Peer::Ip(text.parse().unwrap()))
}

/// Reads a header with what follows it, cut at every byte, and again with every byte by itself at the end.
fn parse(header: &[u8]) -> (Option<Peer>, Option<Scheme>) {
    for end in 0..header.len() {
        assert_eq!(ProxyHeader::parse(&header[..end]), Ok(None), "{end}");
    }
    let whole = ProxyHeader::parse(header).unwrap().unwrap();
    assert_eq!(whole.len, header.len());
    let followed = [header, b"GET / HTTP/1.1\r\n\r\n"].concat();
    assert_eq!(ProxyHeader::parse(&followed), Ok(Some(whole)));
    (whole.client, whole.scheme)
}

/// The error of a header, which must be the same however much of what is wrong follows it.
fn error(header: &[u8]) -> ProxyHeaderError {
    let error = ProxyHeader::parse(header).unwrap_err();
    for end in 0..header.len() {
        match ProxyHeader::parse(&header[..end]) {
            Ok(found) => assert_eq!(found, None, "{end}"),
            Err(early) => assert_eq!(early, error, "{end}"),
        }
    }
    error
}

#[test]
fn a_line_tells_the_client_however_it_is_cut() {
    for (line, client) in [
        (
            "PROXY TCP4 192.0.2.1 192.0.2.9 51234 443\r\n",
            ip("192.0.2.1"),
        ),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            ip("255.255.255.255"),
        ),
        (
            "PROXY TCP6 2001:db8::1 2001:db8::9 0 443\r\n",
            ip("2001:db8::1"),
        ),
        (
            "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.9 1 2\r\n",
            ip("192.0.2.1"),
        ),
        ("PROXY UNKNOWN\r\n", None),
        (
            "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n",
            None,
        ),
    ] {
        assert_eq!(parse(line.as_bytes()), (client, None), "{line:?}");
    }
}

#[test]
fn a_line_has_107_bytes_at_most_and_ends_with_a_carriage_return_and_a_line_feed() {
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LONGEST_LINE - 16));
    assert_eq!(longest.len(), LONGEST_LINE);
    parse(longest.as_bytes());
    let longer = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LONGEST_LINE - 15));
    assert_eq!(error(longer.as_bytes()), ProxyHeaderError::TooLong);
    assert_eq!(error(b"PROXY UNKNOWN\n"), ProxyHeaderError::Length);
}

#[test]
fn a_line_that_is_wrong_is_refused() {
    for line in [
        "PROXY TCP4 192.0.2.1 192.0.2.9 51234\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.9 51234 443 1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.9 51234 65536\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.9 +1 443\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.9  443\r\n",
        "PROXY TCP4 192.0.2.1  192.0.2.9 1 443\r\n",
        "PROXY TCP4 192.0.2.256 192.0.2.9 1 443\r\n",
        "PROXY TCP4 ::1 ::1 1 443\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.9 1 443\r\n",
        "PROXY TCP4 example.org 192.0.2.9 1 443\r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 \u{e9} 192.0.2.9 1 443\r\n",
    ] {
        assert_eq!(
            error(line.as_bytes()),
            ProxyHeaderError::Address,
            "{line:?}"
        );
    }
    assert_eq!(error(b"PROXY TCP4 \xff\r\n"), ProxyHeaderError::Address);
    for line in [
        "PROXY \r\n",
        "PROXY UDP4 1 2 3 4\r\n",
        "PROXY tcp4 1 2 3 4\r\n",
    ] {
        assert_eq!(
            error(line.as_bytes()),
            ProxyHeaderError::Unknown,
            "{line:?}"
        );
    }
}

#[test]
fn version_2_tells_the_client_however_it_is_cut() {
    let v6 = [&[0x20, 1, 0x0d, 0xb8][..], &[0; 11], &[1], &[9; 20]].concat();
    let mapped = [&[0; 10][..], &[255, 255, 192, 0, 2, 1], &[9; 20]].concat();
    for (header, client) in [
        (binary(0x21, 0x11, V4), ip("192.0.2.1")),
        (binary(0x21, 0x12, V4), ip("192.0.2.1")),
        (binary(0x21, 0x21, &v6), ip("2001:db8::1")),
        (binary(0x21, 0x22, &mapped), ip("192.0.2.1")),
        (binary(0x21, 0x31, &[0; 216]), Some(Peer::Unix)),
        (binary(0x21, 0x00, &[]), None),
        (binary(0x20, 0x00, &[]), None),
        (binary(0x20, 0x11, V4), None),
        // Nothing in it means anything, whatever it is.
        (binary(0x20, 0xff, &[1, 2, 3]), None),
    ] {
        assert_eq!(parse(&header), (client, None), "{header:?}");
    }
}

#[test]
fn tlvs_come_in_any_order_and_only_the_one_of_tls_is_of_use() {
    let checksum = tlv(0x03, &[1, 2, 3, 4]);
    let alpn = tlv(0x01, b"h2");
    let name = tlv(0x02, &[b'a'; 255]);
    let tls = |bits| {
        tlv(
            TLV_SSL,
            &[
                bits, 0, 0, 0, 1, 0x21, 0, 7, b'T', b'L', b'S', b'v', b'1', b'.', b'3',
            ],
        )
    };
    for (tlvs, scheme) in [
        (vec![], None),
        (vec![&checksum, &alpn, &name], None),
        (vec![&checksum, &alpn, &name, &tls(1)], Some(Scheme::Https)),
        (vec![&tls(7), &checksum], Some(Scheme::Https)),
        // The client came in the clear (a certificate's bits say nothing of that).
        (vec![&tls(6)], None),
        (vec![&tlv(TLV_SSL, &[])], None),
        (vec![&tlv(0x04, &[0; 40]), &tlv(0xee, &[])], None),
    ] {
        let tlvs: Vec<u8> = tlvs.into_iter().flatten().copied().collect();
        let header = binary(0x21, 0x11, &[V4, &tlvs].concat());
        assert_eq!(parse(&header), (ip("192.0.2.1"), scheme), "{header:?}");
    }
}

#[test]
fn a_header_of_version_2_is_bounded_and_its_parts_fit() {
    let padding = |len: usize| tlv(0x04, &vec![0; len - V4.len() - 3]);
    parse(&binary(0x21, 0x11, &[V4, &padding(LONGEST_REST)].concat()));
    let too_long = binary(0x21, 0x11, &[V4, &padding(LONGEST_REST + 1)].concat());
    assert_eq!(error(&too_long), ProxyHeaderError::TooLong);
    // That is found before anything of it is awaited.
    assert_eq!(
        ProxyHeader::parse(&too_long[..FIXED]),
        Err(ProxyHeaderError::TooLong)
    );
    for (family, rest) in [
        (0x11, &V4[..11]),
        (0x21, &[0; 35]),
        (0x31, &[0; 215]),
        (0x11, &[V4, &[1, 0]].concat()),
        (0x11, &[V4, &[1, 0, 2, b'h']].concat()),
        (0x00, &[1]),
    ] {
        let header = binary(0x21, family, rest);
        assert_eq!(error(&header), ProxyHeaderError::Length, "{header:?}");
    }
    for family in [0x10, 0x13, 0x41, 0xff] {
        assert_eq!(error(&binary(0x21, family, V4)), ProxyHeaderError::Address);
    }
    for command in [0x00, 0x11, 0x22, 0x2f, 0x31] {
        assert_eq!(error(&binary(command, 0x11, V4)), ProxyHeaderError::Unknown);
    }
}

#[test]
fn anything_else_is_no_header() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"proxy TCP4",
        b"PROXYTCP4",
        b"\r\n\r\n\0\r\nQUIX\n",
        b"\0",
    ] {
        assert_eq!(error(bytes), ProxyHeaderError::Missing, "{bytes:?}");
    }
    assert_eq!(ProxyHeader::parse(b""), Ok(None));
}

/// Every byte of two headers in turn takes every value: nothing is taken beyond the end, and nothing panics.
#[test]
fn no_byte_that_is_changed_makes_a_header_longer_than_its_bytes() {
    let headers = [
        b"PROXY TCP4 192.0.2.1 192.0.2.9 51234 443\r\n".to_vec(),
        binary(
            0x21,
            0x11,
            &[V4, &tlv(TLV_SSL, &[1, 0, 0, 0, 0]), &tlv(1, b"h2")].concat(),
        ),
    ];
    for header in headers {
        for at in 0..header.len() {
            for value in 0..=255 {
                let mut changed = header.clone();
                changed[at] = value;
                if let Ok(Some(found)) = ProxyHeader::parse(&changed) {
                    assert!(found.len <= changed.len(), "{changed:?}");
                }
            }
        }
    }
}

#[test]
fn changed_bytes_never_make_a_parser_read_on_or_change_its_mind() {
    let seeds = [
        b"PROXY TCP4 192.0.2.1 192.0.2.9 51234 443\r\n".to_vec(),
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(),
        binary(
            0x21,
            0x11,
            &[V4, &tlv(1, b"h2"), &tlv(0x20, &[1, 0, 0, 0, 0])].concat(),
        ),
        binary(0x21, 0x21, &[[1; 36].as_slice(), &tlv(4, &[0; 9])].concat()),
        binary(0x20, 0, &tlv(3, &[1, 2, 3, 4])),
    ];
    // Knuth's generator: the same bytes in each run.
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut outcomes = [0; 3];
    for round in 0..20_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..1 + random(3) {
            let at = random(bytes.len());
            match random(3) {
                0 => bytes[at] = random(256) as u8,
                1 => bytes.insert(at, random(256) as u8),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes.extend_from_slice(b"GET / HTTP/1.1\r\n");
        // The first verdict stands, however much follows.
        let mut verdict = None;
        for end in 0..=bytes.len() {
            let parsed = ProxyHeader::parse(&bytes[..end]);
            if let Ok(Some(header)) = &parsed {
                assert!(
                    header.len <= end && header.len <= FIXED + LONGEST_REST,
                    "{bytes:?}"
                );
            }
            match &verdict {
                Some(verdict) => assert_eq!(&parsed, verdict, "{bytes:?} {end}"),
                None if parsed != Ok(None) => verdict = Some(parsed),
                None => {}
            }
        }
        outcomes[match verdict {
            None => 0,
            Some(Ok(_)) => 1,
            Some(Err(_)) => 2,
        }] += 1;
    }
    assert!(outcomes.iter().all(|count| *count > 100), "{outcomes:?}");
}
