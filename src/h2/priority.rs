//! The priority of a response (RFC 9218 §4): how urgent it is, and whether its parts are of use.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::fmt;

/// The urgencies that exist, 0 (first) to 7 (background).
pub const URGENCIES: usize = 8;

/// Urgency and incremental as a `priority` field or a PRIORITY_UPDATE frame says them. One byte.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Priority(u8);

const INCREMENTAL: u8 = 0x8;
const URGENCY: u8 = 0x7;

impl Default for Priority {
    /// Urgency 3, not incremental (RFC 9218 §4.1, §4.2).
    fn default() -> Self {
        Priority(3)
    }
}

impl Priority {
    /// A priority; urgencies past 7 become 7.
    pub fn new(urgency: u8, incremental: bool) -> Self {
        let incremental = if incremental { INCREMENTAL } else { 0 };
        Priority(urgency.min(URGENCY) | incremental)
    }

    /// From 0, the most urgent, to 7.
    pub fn urgency(self) -> u8 {
        self.0 & URGENCY
    }

    /// The client can use parts of the response, so that it shares its turn.
    pub fn incremental(self) -> bool {
        self.0 & INCREMENTAL != 0
    }

    /// Reads a `priority` field value: a dictionary of structured fields (RFC 8941 §3.2), of which
    /// only `u` and `i` matter. What is unknown, out of range or of another type is ignored
    /// (RFC 9218 §4), as is what cannot be read at all.
    pub fn parse(value: &[u8]) -> Priority {
        Priority::default().updated(value)
    }

    /// The priority that a field makes of the one that an earlier field of its section gave.
    pub fn updated(mut self, value: &[u8]) -> Priority {
        for member in value.split(|&byte| byte == b',') {
            // Parameters of a member (`u=3;x`) mean nothing here.
            let item = member.split(|&byte| byte == b';').next();
            match item.unwrap_or_default().trim_ascii() {
                [b'u', b'=', digit @ b'0'..=b'7'] => {
                    self = Priority::new(digit & 0xf, self.incremental());
                }
                b"i" | b"i=?1" => self = Priority::new(self.urgency(), true),
                b"i=?0" => self = Priority::new(self.urgency(), false),
                _ => {}
            }
        }
        self
    }
}

impl fmt::Display for Priority {
    /// The field value; defaults are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.urgency(), self.incremental()) {
            (urgency, false) => write!(f, "u={urgency}"),
            (3, true) => f.write_str("i"),
            (urgency, true) => write!(f, "u={urgency}, i"),
        }
    }
}

impl fmt::Debug for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_read_and_the_rest_ignored() {
        let cases: [(&str, u8, bool); 12] = [
            ("", 3, false),
            ("u=0", 0, false),
            ("u=5, i", 5, true),
            ("i,u=1", 1, true),
            ("i=?0", 3, false),
            ("i;x=y, u=2;q", 2, true),
            ("u=8", 3, false),
            ("u=-1", 3, false),
            ("u=\"1\", i=1", 3, false),
            ("u=1, u=6", 6, false),
            ("x=(1 2), u=4", 4, false),
            ("\x00\u{ff},,;=", 3, false),
        ];
        for (value, urgency, incremental) in cases {
            let expected = Priority::new(urgency, incremental);
            assert_eq!(Priority::parse(value.as_bytes()), expected, "{value:?}");
        }
    }

    #[test]
    fn every_priority_comes_back() {
        for urgency in 0..8 {
            for incremental in [false, true] {
                let priority = Priority::new(urgency, incremental);
                assert_eq!(Priority::parse(priority.to_string().as_bytes()), priority);
            }
        }
    }
}
