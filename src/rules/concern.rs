//! The paths that any rule of a host may be for, by their first segments: all others pass by without being compared
//! with one rule after another.

use std::collections::HashSet;

use foldhash::quality::RandomState;

/// The first segments of paths that rules may be for.
#[derive(Debug, Default)]
pub(super) struct Concern {
    /// A rule is for paths of any first segment.
    everything: bool,
    segments: HashSet<Box<[u8]>, RandomState>,
}

impl Concern {
    /// Adds the first segment of the paths of a rule; none where it may be any.
    pub fn add(&mut self, segment: Option<&[u8]>) {
        match segment {
            Some(segment) => {
                self.segments.insert(segment.into());
            }
            None => self.everything = true,
        }
    }

    /// False if no rule is for the target of a request. A path that has to be decoded or normalised may be that of
    /// any rule.
    pub fn covers(&self, target: &[u8]) -> bool {
        if self.everything {
            return true;
        }
        let Some(rest) = target.strip_prefix(b"/") else {
            return true;
        };
        let (mut first, mut before) = (None, b'/');
        for (at, byte) in rest.iter().enumerate() {
            match byte {
                b'?' => return self.has(first.unwrap_or(rest.get(..at).unwrap_or_default())),
                b'/' | b'.' if before == b'/' => return true,
                b'/' => {
                    let segment = rest.get(..at).unwrap_or_default();
                    first.get_or_insert(segment);
                }
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' => {}
                _ => return true,
            }
            before = *byte;
        }
        self.has(first.unwrap_or(rest))
    }

    fn has(&self, segment: &[u8]) -> bool {
        self.segments.contains(segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_other_first_segments_pass_by_and_odd_spellings_do_not() {
        let mut concern = Concern::default();
        assert!(!concern.covers(b"/a"));
        concern.add(Some(b"old"));
        concern.add(Some(b""));
        for target in [
            "/old",
            "/old/",
            "/old/x?y",
            "/old?x",
            "/",
            "/?x",
            "/%6fld",
            "/a/../old",
            "//old",
            "/./old",
            "/a//b",
            "*",
            "http://h/old",
            "",
            "/\u{e9}",
            "/a/.b",
            "/old\\x",
            "/.old",
        ] {
            assert!(concern.covers(target.as_bytes()), "{target}");
        }
        for target in [
            "/new",
            "/older",
            "/a/old",
            "/new?/old",
            "/a/b.css",
            "/a./b",
            "/Old",
            "/new/",
        ] {
            assert!(!concern.covers(target.as_bytes()), "{target}");
        }
        concern.add(None);
        assert!(concern.covers(b"/new"));
    }
}
