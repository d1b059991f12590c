//! Text for people: colours on a terminal only, and nothing that a terminal would obey.

pub use crate::http::printable;
use std::fmt::Write;
use std::io::IsTerminal;

/// The use of colours, or none.
#[derive(Clone, Copy)]
pub struct Style(bool);

/// The colours in use (ECMA-48 SGR).
#[derive(Clone, Copy)]
pub enum Paint {
    /// Times and what is beside the point.
    Dim,
    /// Names.
    Bold,
    /// Bytes that we send.
    Sent,
    /// Bytes that we receive.
    Received,
    /// Errors.
    Alarm,
}

impl Style {
    /// No colours.
    pub const PLAIN: Style = Style(false);

    /// Colours if it is a terminal, unless its user wants none (NO_COLOR).
    pub fn of(stream: &impl IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Style(stream.is_terminal() && !refused)
    }

    /// Appends `text` in a colour.
    pub fn paint(self, out: &mut String, paint: Paint, text: &str) {
        if !self.0 {
            return out.push_str(text);
        }
        let code = match paint {
            Paint::Dim => 2,
            Paint::Bold => 1,
            Paint::Sent => 36,
            Paint::Received => 32,
            Paint::Alarm => 31,
        };
        let _ = write!(out, "\x1b[{code}m{text}\x1b[0m");
    }

    /// Appends a line `name: value`.
    pub fn field(self, out: &mut String, name: &[u8], value: &[u8]) {
        self.paint(out, Paint::Bold, &printable(name));
        let _ = writeln!(out, ": {}", printable(value));
    }
}

/// A number of bytes, as people write it.
pub fn size(bytes: f64) -> String {
    let mut value = bytes;
    if value < 999.5 {
        return format!("{value:.0} B");
    }
    let mut unit = "";
    for larger in ["kB", "MB", "GB", "TB"] {
        if value >= 999.5 {
            value /= 1000.0;
            unit = larger;
        }
    }
    if value < 9.995 {
        format!("{value:.2} {unit}")
    } else {
        format!("{value:.1} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_printed() {
        assert_eq!(
            printable(b"a\x1b[2Jb\r\n\x9b"),
            "a\\u{1b}[2Jb\\r\\n\u{fffd}"
        );
        assert_eq!(printable("grün".as_bytes()), "grün");
        assert_eq!(
            printable("gpj.\u{202e}exe\u{2066}\u{200b}\u{feff}\u{2028}".as_bytes()),
            "gpj.\\u{202e}exe\\u{2066}\\u{200b}\\u{feff}\\u{2028}"
        );
        assert_eq!(
            printable("שלום, Zoë 👩‍💻".as_bytes()),
            "שלום, Zoë 👩‍💻",
            "text from right to left is shown as it is"
        );
    }

    #[test]
    fn sizes_have_three_digits() {
        assert_eq!(size(999.0), "999 B");
        assert_eq!(size(1_000.0), "1.00 kB");
        assert_eq!(size(104_857_600.0), "104.9 MB");
    }
}
