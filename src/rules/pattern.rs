//! The `from` of a redirect: literal segments, `:name` for one segment, `*` for the rest.

use super::encode::decode;

/// A pattern that takes parts of a path for the target of a redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathPattern {
    segments: Vec<PatternSegment>,
    /// The beginning of the segment that the splat stands in; `None` without a splat.
    splat: Option<Box<[u8]>>,
    /// Names of placeholders that parameters of the query fill, behind those of segments.
    parameters: Vec<Box<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PatternSegment {
    Literal(Box<[u8]>),
    Placeholder(Box<str>),
}

/// The parts of a path that a pattern has taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Captures<'p> {
    /// The segments of placeholders, in the pattern's order.
    pub segments: Vec<&'p [u8]>,
    /// The rest of the path behind the splat's place, without a slash at its front.
    pub splat: Option<&'p [u8]>,
}

impl PathPattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<PathPattern, String> {
        let path = text
            .strip_prefix('/')
            .ok_or_else(|| format!("a path begins with a slash, write '/{text}'"))?;
        if path.contains(['?', '#']) {
            return Err("the pattern is of a path, leave out what begins with '?' or '#'".into());
        }
        let mut segments = Vec::new();
        let mut splat = None;
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            if splat.is_some() {
                return Err("nothing may follow the '*'; write ':name' for one segment".into());
            }
            if segment == "." || segment == ".." {
                return Err("paths are compared without '.' and '..'; leave them out".into());
            }
            match (segment.strip_suffix('*'), segment.strip_prefix(':')) {
                (Some(begin), _) if !begin.contains('*') => splat = Some(decode(begin).into()),
                (None, Some(name)) if is_name(name) => {
                    let is_same = |known: &PatternSegment| matches!(known, PatternSegment::Placeholder(known) if **known == *name);
                    if name == "splat" || segments.iter().any(is_same) {
                        return Err(format!("':{name}' is taken; give the segment another name"));
                    }
                    segments.push(PatternSegment::Placeholder(name.into()));
                }
                _ if segment.contains('*') => {
                    return Err("a '*' stands at the end; write ':name' for one segment".into());
                }
                _ => segments.push(PatternSegment::Literal(decode(segment).into())),
            }
        }
        Ok(PathPattern {
            segments,
            splat,
            parameters: Vec::new(),
        })
    }

    /// The position of a placeholder among [`Captures::segments`].
    pub fn placeholder(&self, name: &str) -> Option<usize> {
        let names = self.segments.iter().filter_map(|segment| match segment {
            PatternSegment::Placeholder(name) => Some(&**name),
            PatternSegment::Literal(_) => None,
        });
        let names = names.chain(self.parameters.iter().map(|name| &**name));
        names.into_iter().position(|known| known == name)
    }

    /// Adds a placeholder for a parameter of the query, whose value the caller adds to the captures.
    pub fn take_parameter(&mut self, name: &str) -> Result<(), String> {
        if name == "splat" || self.placeholder(name).is_some() {
            return Err(format!("':{name}' is taken; give the segment another name"));
        }
        self.parameters.push(name.into());
        Ok(())
    }

    /// The first segment of all paths that the pattern matches; none where they have several.
    pub fn first_segment(&self) -> Option<&[u8]> {
        match (self.segments.first(), &self.splat) {
            (Some(PatternSegment::Literal(literal)), _) => Some(literal),
            (Some(PatternSegment::Placeholder(_)), _) | (None, Some(_)) => None,
            (None, None) => Some(b""),
        }
    }

    /// True if the pattern ends with a splat.
    pub fn has_splat(&self) -> bool {
        self.splat.is_some()
    }

    /// The parts of a decoded path, if the pattern matches. A slash at the path's end makes no difference.
    pub fn captures<'p>(&self, path: &'p [u8]) -> Option<Captures<'p>> {
        let mut rest = path.strip_prefix(b"/")?;
        let mut captures = Captures::default();
        for segment in &self.segments {
            if rest.is_empty() {
                return None;
            }
            let end = rest.iter().position(|byte| *byte == b'/');
            let (found, behind) = rest.split_at(end.unwrap_or(rest.len()));
            match segment {
                PatternSegment::Literal(literal) if **literal == *found => {}
                PatternSegment::Literal(_) => return None,
                PatternSegment::Placeholder(_) => captures.segments.push(found),
            }
            rest = behind.strip_prefix(b"/").unwrap_or(behind);
        }
        match &self.splat {
            Some(begin) => captures.splat = Some(rest.strip_prefix(&**begin)?),
            None if rest.is_empty() => {}
            None => return None,
        }
        Some(captures)
    }

    /// A path that the pattern matches, with `rest` in the splat's place.
    pub fn sample(&self, rest: &str) -> Vec<u8> {
        let mut path = Vec::new();
        for segment in &self.segments {
            path.push(b'/');
            match segment {
                PatternSegment::Literal(literal) => path.extend_from_slice(literal),
                PatternSegment::Placeholder(_) => path.push(b'x'),
            }
        }
        if let Some(begin) = &self.splat {
            path.push(b'/');
            path.extend_from_slice(begin);
            path.extend_from_slice(rest.as_bytes());
        }
        if path.is_empty() {
            path.push(b'/');
        }
        path
    }
}

/// True for the name of a placeholder, which a port or a date is not.
pub(super) fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_segments_and_the_rest() {
        for (pattern, path, taken) in [
            ("/", "/", Some("")),
            ("/", "/a", None),
            ("/a", "/a", Some("")),
            ("/a", "/a/", Some("")),
            ("/a/", "/a", Some("")),
            ("/a", "/a/b", None),
            ("/a", "/b", None),
            ("/a%20b", "/a b", Some("")),
            ("/a/*", "/a/b/c", Some("*b/c")),
            ("/a/*", "/a/b/", Some("*b/")),
            ("/a/*", "/a", Some("*")),
            ("/a/*", "/a/", Some("*")),
            ("/a/*", "/ab", None),
            ("/*", "/", Some("*")),
            ("/*", "/x", Some("*x")),
            ("/a*", "/abc/d", Some("*bc/d")),
            ("/:y/:m", "/2026/11", Some("2026,11,")),
            ("/:y/:m", "/2026", None),
            ("/:y/:m", "/2026/11/x", None),
            ("/b/:id/*", "/b/7/c/d", Some("7,*c/d")),
            ("/b/:id/*", "/b", None),
            ("/b/:id/*", "/b/7", Some("7,*")),
            ("/12:30", "/12:30", Some("")),
        ] {
            let pattern = PathPattern::parse(pattern).unwrap();
            let found = pattern.captures(path.as_bytes()).map(|captures| {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let mut told: String = captures.segments.iter().map(|it| text(it) + ",").collect();
                if let Some(splat) = captures.splat {
                    told += &format!("*{}", text(splat));
                }
                told
            });
            assert_eq!(found.as_deref(), taken, "{pattern:?} {path}");
        }
    }

    #[test]
    fn a_pattern_with_a_mistake_says_the_mend() {
        for (text, said) in [
            ("a", "a path begins with a slash, write '/a'"),
            (
                "/*/a",
                "nothing may follow the '*'; write ':name' for one segment",
            ),
            (
                "/a*b",
                "a '*' stands at the end; write ':name' for one segment",
            ),
            (
                "/**",
                "a '*' stands at the end; write ':name' for one segment",
            ),
            ("/:a/:a", "':a' is taken; give the segment another name"),
            (
                "/:splat",
                "':splat' is taken; give the segment another name",
            ),
            (
                "/a?b",
                "the pattern is of a path, leave out what begins with '?' or '#'",
            ),
            (
                "/../a",
                "paths are compared without '.' and '..'; leave them out",
            ),
        ] {
            assert_eq!(PathPattern::parse(text).unwrap_err(), said, "{text}");
        }
    }
}
