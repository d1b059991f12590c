//! Percent-encoding of what goes into a `Location`, and decoding of what stands in a rule.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};

/// Bytes of a decoded path that are escaped in a path: all that end a path, an attribute or a field, and
/// the backslash, which browsers take for a slash.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Bytes that are escaped in one value of a query.
const QUERY_VALUE: &AsciiSet = &PATH.add(b'&').add(b'+').add(b'=').add(b'/').add(b':');

/// Bytes that are escaped where a text is encoded already: those that no target of a request has.
const TEXT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`');

/// Appends a decoded path or a part of one.
pub(super) fn push_path(out: &mut Vec<u8>, path: &[u8]) {
    percent_encode(path, PATH).for_each(|part| out.extend_from_slice(part.as_bytes()));
}

/// Appends a decoded text as one value of a query.
pub(super) fn push_query_value(out: &mut Vec<u8>, value: &[u8]) {
    percent_encode(value, QUERY_VALUE).for_each(|part| out.extend_from_slice(part.as_bytes()));
}

/// Appends a text that is encoded already, without any byte that could end a field.
pub(super) fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    percent_encode(text, TEXT).for_each(|part| out.extend_from_slice(part.as_bytes()));
}

/// The bytes that a text stands for.
pub(super) fn decode(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

/// The decoded path of a target.
pub(super) fn decoded_path(target: &[u8]) -> Vec<u8> {
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#'));
    let path = target.split_at(end.unwrap_or(target.len())).0;
    percent_encoding::percent_decode(path).collect()
}
