//! Names of uploads: made safe, never trusted.

use crate::http::is_deceptive;

/// The beginning of a temporary's name. A site never serves a name that begins with a dot.
pub(super) const TEMPORARY: &str = ".calmd-upload-";

/// The longest name in bytes: the most that file systems take is 255, and a number may be added.
const LONGEST: usize = 200;

/// The name of a file whose sender gave none that can be used.
const NAMELESS: &str = "upload";

/// The name for a file that a client calls so: the last segment, without characters that mislead a person, a
/// shell or another system, and never hidden.
pub(super) fn safe(given: &[u8]) -> String {
    let last = given.rsplit(|byte| matches!(byte, b'/' | b'\\')).next();
    let text = String::from_utf8_lossy(last.unwrap_or_default());
    let characters = text.chars().filter(|&character| !is_deceptive(character));
    let safe: String = characters
        .filter(|character| !character.is_control())
        .map(|character| match character {
            '<' | '>' | ':' | '"' | '|' | '?' | '*' => '_',
            character => character,
        })
        .collect();
    let trimmed = safe.trim_start_matches(['.', ' ', '-', '~']);
    let name = shorten(trimmed.trim_end_matches(['.', ' ']));
    if name.is_empty() {
        NAMELESS.into()
    } else {
        name
    }
}

/// The name with a number before its extension.
pub(super) fn numbered(name: &str, number: u32) -> String {
    let (stem, extension) = split(name);
    format!("{stem}-{number}{extension}")
}

/// A name of at most [`LONGEST`] bytes, with its extension.
fn shorten(name: &str) -> String {
    if name.len() <= LONGEST {
        return name.into();
    }
    let (stem, extension) = split(name);
    let mut end = LONGEST.saturating_sub(extension.len());
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    let stem = stem.get(..end).unwrap_or_default();
    format!("{stem}{extension}")
}

/// The name up to its extension, and the extension with its dot. A longer one is none.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= 16 => name.split_at(dot),
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_safe() {
        let long = "ä".repeat(200) + ".tar";
        let short = "ä".repeat(98) + ".tar";
        for (given, wanted) in [
            ("a.txt", "a.txt"),
            ("größe 1.txt", "größe 1.txt"),
            ("/etc/passwd", "passwd"),
            ("C:\\Users\\x\\photo.jpg", "photo.jpg"),
            ("../../x", "x"),
            ("..", "upload"),
            (".", "upload"),
            ("", "upload"),
            ("a/", "upload"),
            (".htaccess", "htaccess"),
            ("-rf", "rf"),
            ("a\r\nb\0c", "abc"),
            ("a<b>:c|d?.txt", "a_b__c_d_.txt"),
            ("exe\u{202e}gpj.x", "exegpj.x"),
            ("end. . ", "end"),
            (long.as_str(), short.as_str()),
        ] {
            assert_eq!(safe(given.as_bytes()), wanted, "{given:?}");
            assert_eq!(safe(wanted.as_bytes()), wanted, "{wanted:?} stays");
        }
        assert_eq!(safe(b"caf\xe9"), "caf\u{fffd}");
    }

    #[test]
    fn a_number_stands_before_the_extension() {
        assert_eq!(numbered("a.tar.gz", 2), "a.tar-2.gz");
        assert_eq!(numbered("a", 1), "a-1");
        assert_eq!(
            numbered("end of. a long sentence here", 1),
            "end of. a long sentence here-1"
        );
    }
}
