//! Text in HTML.

/// Appends text. Every character that has a meaning in HTML is escaped.
pub(crate) fn escape(page: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(has_meaning) {
        let (plain, special) = rest.split_at(at);
        page.push_str(plain);
        page.push_str(match special.as_bytes().first() {
            Some(b'&') => "&amp;",
            Some(b'<') => "&lt;",
            Some(b'>') => "&gt;",
            Some(b'"') => "&quot;",
            _ => "&#39;",
        });
        rest = special.get(1..).unwrap_or_default();
    }
    page.push_str(rest);
}

/// True for bytes that are escaped. Each is a character of its own in UTF-8.
fn has_meaning(byte: u8) -> bool {
    matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'')
}
