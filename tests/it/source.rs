//! The crate's own source text, for tests that hold rules about it: files, tokens, paths.

use std::fs;
use std::path::Path;

/// One source file.
pub struct Source {
    /// The path from the repository's root, with slashes.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// All files below a directory of the repository whose names end in `.rs`, in the order of their paths.
pub fn sources(directory: &str) -> Vec<Source> {
    let found = all(directory, |path| path.ends_with(".rs"));
    assert!(
        found.len() > 20,
        "the sources in {directory} were not found"
    );
    found
}

/// All scripts below a directory of the repository: Python and shell, whose names may have no extension.
pub fn scripts(directory: &str) -> Vec<Source> {
    let is_script = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        !name.contains('.') || name.ends_with(".py") || name.ends_with(".sh")
    };
    let found = all(directory, is_script);
    assert!(found.len() > 2, "no scripts are in {directory}");
    found
}

fn all(directory: &str, is_wanted: fn(&str) -> bool) -> Vec<Source> {
    let mut found = Vec::new();
    gather(directory, is_wanted, &mut found);
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn gather(directory: &str, is_wanted: fn(&str) -> bool, found: &mut Vec<Source>) {
    let absolute = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    for entry in fs::read_dir(absolute).expect("a source directory") {
        let entry = entry.expect("an entry");
        let path = format!("{directory}/{}", entry.file_name().display());
        if entry.path().is_dir() {
            // Build directories of the packages in `tests` are no sources, nor what Python compiles.
            if !["target", "__pycache__"].contains(&&*entry.file_name().to_string_lossy()) {
                gather(&path, is_wanted, found);
            }
        } else if is_wanted(&path) {
            let text = fs::read_to_string(entry.path()).expect("a source file");
            found.push(Source { path, text });
        }
    }
}

impl Source {
    /// True for a file that holds nothing but tests and their helpers.
    pub fn is_test(&self) -> bool {
        let parts = || self.path.split('/');
        parts().any(|part| part.trim_end_matches(".rs").ends_with("tests"))
            || self.path.ends_with("/testing.rs")
    }

    /// The text in front of the file's own test module, which is always the last item.
    pub fn product(&self) -> &str {
        let tests = self.text.find("#[cfg(test)]\nmod tests {");
        &self.text[..tests.unwrap_or(self.text.len())]
    }

    /// The tokens of [`Source::product`].
    pub fn tokens(&self) -> Vec<&str> {
        tokens(self.product())
    }
}

/// Names, `::` and single characters of a text, without white space, comments and literals.
pub fn tokens(text: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let name = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let len = match first {
            _ if first.is_whitespace() => first.len_utf8(),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            'r' | 'b' if raw_string(rest).is_some() => raw_string(rest).unwrap_or(1),
            '"' => string(rest),
            '\'' => character(rest),
            _ => {
                let len = match first {
                    ':' if rest.starts_with("::") => 2,
                    _ if name > 0 => name,
                    _ => first.len_utf8(),
                };
                found.push(&rest[..len]);
                len
            }
        };
        rest = &rest[len..];
    }
    found
}

/// The length of the string at the beginning of a text.
fn string(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text[1..].find(|c| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 2)
}

/// The length of the raw string at the beginning of a text, if there is one.
fn raw_string(text: &str) -> Option<usize> {
    let marks = text.strip_prefix('b').unwrap_or(text).strip_prefix('r')?;
    let hashes = marks.find(|c| c != '#')?;
    marks[hashes..].strip_prefix('"')?;
    let begin = text.len() - marks.len() + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(begin + text[begin..].find(&end)? + end.len())
}

/// The length of the character at the beginning of a text; 1 for the mark of a lifetime.
fn character(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => text[3..].find('\'').map_or(text.len(), |end| end + 4),
        Some(_) => match characters.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}

/// A path that a file names: its segments, and the name by which the file calls its last one.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<'a> {
    /// The segments, as they are written. A glob ends in `*`.
    pub segments: Vec<&'a str>,
    /// The alias of a `use`, or the last segment.
    pub name: &'a str,
    /// True for a path in a `use` declaration.
    pub is_import: bool,
}

/// All paths of two segments or more, and all imports, in a file's tokens.
pub fn paths<'a>(tokens: &[&'a str]) -> Vec<Named<'a>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            let end = tokens[at..].iter().position(|token| *token == ";");
            let end = at + end.expect("the end of a use declaration");
            tree(&tokens[at + 1..end], &[], &mut found);
            at = end;
            continue;
        }
        let mut end = at + 1;
        while tokens.get(end) == Some(&"::")
            && tokens.get(end + 1).is_some_and(|next| is_word(next))
        {
            end += 2;
        }
        let is_begin = at == 0 || !["::", "."].contains(&tokens[at - 1]);
        if end > at + 1 && is_word(tokens[at]) && is_begin {
            let segments: Vec<&str> = tokens[at..end].iter().copied().step_by(2).collect();
            let name = segments[segments.len() - 1];
            let is_import = false;
            found.push(Named {
                segments,
                name,
                is_import,
            });
        }
        at = end;
    }
    found
}

/// True for a name or a keyword.
pub fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Adds the paths of one tree of a `use` declaration.
fn tree<'a>(tokens: &[&'a str], before: &[&'a str], found: &mut Vec<Named<'a>>) {
    if let Some(brace) = tokens.iter().position(|token| *token == "{") {
        let head = tokens[..brace]
            .iter()
            .copied()
            .filter(|token| *token != "::");
        let before: Vec<&str> = before.iter().copied().chain(head).collect();
        let mut depth = 0;
        let inner = &tokens[brace + 1..tokens.len() - 1];
        let branches = inner.split(|token| {
            depth += i32::from(*token == "{") - i32::from(*token == "}");
            depth == 0 && *token == ","
        });
        branches
            .filter(|branch| !branch.is_empty())
            .for_each(|branch| tree(branch, &before, found));
        return;
    }
    let (path, alias) = match tokens {
        [path @ .., "as", alias] => (path, Some(*alias)),
        _ => (tokens, None),
    };
    let own = path.iter().copied().filter(|token| *token != "::");
    let mut segments: Vec<&str> = before.iter().copied().chain(own).collect();
    if segments.len() > 1 && segments.last() == Some(&"self") {
        segments.pop();
    }
    let last = segments.last().copied().unwrap_or_default();
    found.push(Named {
        segments,
        name: alias.unwrap_or(last),
        is_import: true,
    });
}

#[test]
fn paths_are_found_in_imports_and_in_code_but_not_in_comments_and_literals() {
    let text = r##"
        use crate::a::{b::C, d::{self, E as F}, g::*}; // use crate::x::Y;
        fn f<'a>(c: char) -> &'a str { crate::h::i('"', '\'', 'é'); r#"crate::j::k " "# }
        const L: &str = "crate::m::\"n"; type O = self::p::Q<super::R>;
    "##;
    let tokens = tokens(text);
    let found: Vec<(String, &str)> = paths(&tokens)
        .iter()
        .map(|path| (path.segments.join("::"), path.name))
        .collect();
    let expected = [
        ("crate::a::b::C", "C"),
        ("crate::a::d", "d"),
        ("crate::a::d::E", "F"),
        ("crate::a::g::*", "*"),
        ("crate::h::i", "i"),
        ("self::p::Q", "Q"),
        ("super::R", "R"),
    ];
    assert_eq!(found, expected.map(|(path, name)| (path.to_owned(), name)));
}
