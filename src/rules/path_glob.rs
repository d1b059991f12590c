//! Patterns of paths: `/private/**`, `**/*.{css,js}`, `/download/*.zip`.

use std::fmt;

/// A pattern of the paths that a rule is for. It is compared with the decoded path, so that no other
/// spelling of a path goes round the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathGlob {
    text: String,
    /// The directory of a pattern that ends in `/**`, which the pattern means as well.
    directory: Option<usize>,
}

impl PathGlob {
    /// Reads a pattern. It begins at the root with a slash, or matches at any depth with `**/`.
    pub fn parse(text: &str) -> Result<PathGlob, String> {
        if !(text.starts_with('/') || text.starts_with("**/")) {
            return Err(format!(
                "a path begins with a slash, write '/{text}', or '**/{text}' for any directory"
            ));
        }
        let segments = text.trim_start_matches("**").split('/').skip(1);
        if segments
            .clone()
            .any(|segment| segment == "." || segment == "..")
            || text.contains("//")
        {
            return Err(format!(
                "'{text}' matches nothing, since paths are compared without '.', '..' and '//'"
            ));
        }
        if !is_balanced(text, '{', '}') || !is_balanced(text, '[', ']') {
            return Err(format!("a bracket of '{text}' is not closed"));
        }
        Ok(PathGlob {
            directory: text.strip_suffix("/**").map(str::len),
            text: text.into(),
        })
    }

    /// The first segment of all paths that the pattern means; none where they have several.
    pub(super) fn first_segment(&self) -> Option<&[u8]> {
        let segment = self.text.strip_prefix('/')?.split('/').next()?;
        let is_glob = segment.contains(['*', '?', '[', ']', '{', '}', '!', '\\']);
        (!is_glob).then_some(segment.as_bytes())
    }

    /// True for the paths that the pattern means: `/a/**` means `/a` as well as all beneath it.
    pub fn matches(&self, path: &[u8]) -> bool {
        if self.text == "/**" {
            return path.starts_with(b"/");
        }
        let is_directory = |len| {
            let (directory, _) = self.text.split_at(len);
            fast_glob::glob_match(directory, path)
        };
        fast_glob::glob_match(&self.text, path) || self.directory.is_some_and(is_directory)
    }
}

impl fmt::Display for PathGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_balanced(text: &str, open: char, close: char) -> bool {
    let depth = text.chars().try_fold(0usize, |depth, c| match c {
        c if c == open => Some(depth + 1),
        c if c == close => depth.checked_sub(1),
        _ => Some(depth),
    });
    depth == Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_segment_is_told_where_all_paths_have_it() {
        for (pattern, segment) in [
            ("/a/**", Some("a")),
            ("/a", Some("a")),
            ("/a/*.css", Some("a")),
            ("/", Some("")),
            ("/**", None),
            ("**/a", None),
            ("/{a,b}/c", None),
            ("/a*/b", None),
        ] {
            let glob = PathGlob::parse(pattern).unwrap();
            let found = glob.first_segment();
            assert_eq!(found, segment.map(str::as_bytes), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_means_what_is_beneath_a_directory_and_the_directory() {
        for (pattern, path, is_meant) in [
            ("/**", "/", true),
            ("/**", "/a/b", true),
            ("/**", "*", false),
            ("/a/**", "/a", true),
            ("/a/**", "/a/", true),
            ("/a/**", "/a/b/c.txt", true),
            ("/a/**", "/a/.hidden", true),
            ("/a/**", "/ab", false),
            ("/a/**", "/", false),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/b/c", false),
            ("/a", "/a", true),
            ("/a", "/a/", false),
            ("/*.{css,js}", "/x.css", true),
            ("/*.{css,js}", "/a/x.css", false),
            ("**/*.js", "/a/b/x.js", true),
            ("**/*.js", "/x.js", true),
            ("**/admin/**", "/x/admin", true),
            ("**/admin/**", "/x/admin/y", true),
            ("/{a,b}/**", "/b", true),
            ("/", "/", true),
            ("/", "/a", false),
        ] {
            let glob = PathGlob::parse(pattern).unwrap();
            assert_eq!(glob.matches(path.as_bytes()), is_meant, "{pattern} {path}");
        }
    }

    #[test]
    fn a_pattern_that_could_match_nothing_is_refused() {
        for text in [
            "", "a", "a/**", "*", "/a//b", "/a/../b", "/./a", "/{a", "/a}", "/[a",
        ] {
            assert!(PathGlob::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            PathGlob::parse("a/**").unwrap_err(),
            "a path begins with a slash, write '/a/**', or '**/a/**' for any directory"
        );
    }
}
