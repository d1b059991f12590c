//! Media types by the extension of a file's name (RFC 9110 §8.3).

use super::path::file_name;

/// What a file is when its name does not say (RFC 9110 §8.3): bytes, which no browser executes.
const UNKNOWN: &str = "application/octet-stream";

/// The value of `Content-Type` for a file of this name.
///
/// Text is taken for UTF-8, as everything that is written today is.
pub(crate) fn content_type(path: &[u8]) -> String {
    let essence = essence(path);
    if is_text(essence) {
        format!("{essence}; charset=utf-8")
    } else {
        essence.to_owned()
    }
}

fn essence(path: &[u8]) -> &'static str {
    let name = file_name(path);
    let extension = match name.iter().rposition(|byte| *byte == b'.') {
        Some(dot) => &name[dot + 1..],
        None => return UNKNOWN,
    };
    let Ok(extension) = std::str::from_utf8(extension) else {
        return UNKNOWN;
    };
    // Where the table is older than the registrations of IANA, or means something else on the web.
    match extension.to_ascii_lowercase().as_str() {
        "js" | "mjs" | "cjs" => "text/javascript",
        "map" => "application/json",
        "m4a" => "audio/mp4",
        "ico" => "image/vnd.microsoft.icon",
        "br" => UNKNOWN,
        "zst" => "application/zstd",
        extension => mime_guess::from_ext(extension)
            .first_raw()
            .unwrap_or(UNKNOWN),
    }
}

/// Whether a type is text, so that its character set must be said.
fn is_text(essence: &str) -> bool {
    essence.starts_with("text/")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
        || matches!(
            essence,
            "application/json" | "application/javascript" | "application/xml"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_of_the_web_are_right() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("a/style.css", "text/css; charset=utf-8"),
            ("app.js", "text/javascript; charset=utf-8"),
            ("app.mjs", "text/javascript; charset=utf-8"),
            ("APP.JS", "text/javascript; charset=utf-8"),
            ("app.js.map", "application/json; charset=utf-8"),
            ("data.json", "application/json; charset=utf-8"),
            (
                "site.webmanifest",
                "application/manifest+json; charset=utf-8",
            ),
            ("logo.svg", "image/svg+xml; charset=utf-8"),
            ("feed.xml", "text/xml; charset=utf-8"),
            ("feed.atom", "application/atom+xml; charset=utf-8"),
            ("notes.txt", "text/plain; charset=utf-8"),
            ("photo.avif", "image/avif"),
            ("photo.webp", "image/webp"),
            ("photo.jpg", "image/jpeg"),
            ("image.png", "image/png"),
            ("font.woff2", "font/woff2"),
            ("module.wasm", "application/wasm"),
            ("film.mp4", "video/mp4"),
            ("paper.pdf", "application/pdf"),
            ("style.css.gz", "application/gzip"),
            ("style.css.br", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn what_is_not_known_is_bytes() {
        for name in [
            &b"LICENSE"[..],
            b"a.b/c",
            b"x.",
            b"x.unheard-of",
            b"x.\xff",
            b"",
        ] {
            assert_eq!(content_type(name), "application/octet-stream");
        }
    }
}
