//! Tests of field sections.

use super::*;

#[test]
fn fields_come_back_in_order_with_their_pseudo_fields_found() {
    let fields: Fields = [
        (":method", "GET"),
        (":path", "/a"),
        ("host", "x"),
        ("cookie", "a"),
        ("cookie", "b"),
    ]
    .into_iter()
    .collect();
    assert_eq!(fields.method(), Some(&b"GET"[..]));
    assert_eq!(fields.path(), Some(&b"/a"[..]));
    assert_eq!(fields.authority(), Some(&b"x"[..]));
    assert_eq!(fields.scheme(), None);
    assert_eq!(fields.values("cookie").collect::<Vec<_>>(), [b"a", b"b"]);
    assert_eq!(fields.regular().count(), 3);
    assert_eq!(fields.size(), 10 + 7 + 5 + 7 + 7 + 5 * 32);
}

#[test]
fn a_request_has_its_four_pseudo_fields_in_front() {
    let mut fields = Fields::request("GET", "https", "example.org", "/a?b");
    fields.push(b"accept", b"*/*");
    let texts: Vec<String> = fields.iter().map(|field| format!("{field:?}")).collect();
    assert_eq!(
        texts,
        [
            ":method: GET",
            ":scheme: https",
            ":authority: example.org",
            ":path: /a?b",
            "accept: */*"
        ]
    );
}

#[test]
fn a_name_in_capitals_becomes_one_in_lowercase_and_its_value_stays() {
    let mut fields = Fields::new();
    fields.push_lowercase(b"X-Sum", b"ABC");
    fields.push_lowercase(&[b'N'; 100], b"");
    assert_eq!(fields.value("x-sum"), Some(&b"ABC"[..]));
    assert_eq!(fields.value(&"n".repeat(100)), Some(&b""[..]));
}

#[cfg(feature = "proxy")]
#[test]
fn fields_that_are_not_wanted_leave_the_others_as_they_were() {
    let from = [
        (":status", "200"),
        ("date", "now"),
        ("a", "1"),
        ("b", ""),
        ("date", "then"),
        ("c", "3"),
    ];
    let mut fields = from.into_iter().collect::<Fields>();
    let other = std::mem::take(&mut fields);
    fields.push(b"x", b"y");
    fields.copy_with_room(&other, 1, 10);
    assert_eq!(fields, from.into_iter().collect());
    assert_eq!(fields.status(), Some(200));
    fields.retain_regular(|field| field.name != b"date");
    fields.push(b"d", b"4");
    let kept = [("a", "1"), ("b", ""), ("c", "3"), ("d", "4")];
    assert_eq!(fields, kept.into_iter().collect());
    assert_eq!((fields.status(), fields.size()), (None, 7 + 4 * 32));
}

#[test]
fn a_cleared_section_is_empty() {
    let mut fields: Fields = [(":status", "204")].into_iter().collect();
    assert_eq!(fields.status(), Some(204));
    fields.clear();
    assert!(fields.is_empty());
    assert_eq!(fields.status(), None);
}

#[test]
fn names_become_lowercase_and_nothing_else_changes() {
    let all: Vec<u8> = (0..=255).collect();
    for length in 0..30 {
        for from in 0..=all.len() - length {
            let mut name = all[from..from + length].to_vec();
            let expected = name.to_ascii_lowercase();
            make_lowercase(&mut name);
            assert_eq!(name, expected);
        }
    }
}
