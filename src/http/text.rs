//! Text from peers and files, made safe to show to people.

/// True for a character that could deceive the reader of a terminal or a log.
///
/// Such a character moves the cursor or changes the title (control characters), begins a line, shows
/// what follows in another order (the bidirectional controls of CVE-2021-42574), or is invisible. The
/// joiners U+200C and U+200D are allowed, because Persian, Indic scripts and emoji need them.
pub fn is_deceptive(c: char) -> bool {
    matches!(c,
        // LEFT-TO-RIGHT MARK and similar marks, embeddings, overrides, isolates.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
        // LINE SEPARATOR and PARAGRAPH SEPARATOR.
        | '\u{2028}' | '\u{2029}'
        // Invisible: SOFT HYPHEN, ZERO WIDTH SPACE, WORD JOINER and similar characters, BYTE ORDER
        // MARK, interlinear annotations, tags.
        | '\u{ad}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        || c.is_control()
}

/// Bytes from the network as text, without the characters that [`is_deceptive`] names.
pub fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for c in String::from_utf8_lossy(bytes).chars() {
        if is_deceptive(c) {
            text.extend(c.escape_default())
        } else {
            text.push(c)
        }
    }
    text
}
