//! The mechanical part of the crate's rules for words: the first words of docs, and the names of types.
//!
//! A doc names its thing with a noun, or what it does with a verb in the third person. A type's name is
//! used once in a program, its tests included, so that a search for it finds one thing; only a room's main noun may be
//! used in several rooms, where the path tells them apart (`h1::Connection`).

use super::source::{self, Source};
use std::collections::BTreeMap;

/// First words that begin a clause about the thing instead of naming it.
const CLAUSES: [&str; 17] = [
    "What ",
    "Whatever ",
    "Whether ",
    "Who ",
    "Whoever ",
    "Whom ",
    "Whose ",
    "How ",
    "So many ",
    "So much ",
    "At most so ",
    "The same ",
    "The same, ",
    "Why ",
    "Where ",
    "When ",
    "Which ",
];

/// Type names that several rooms may use, each with the reason.
const MAIN_NOUNS: &[(&str, &str)] = &[
    ("Config", "each room owns its configuration"),
    (
        "Connection",
        "each protocol, the client and the server have one",
    ),
    ("Error", "each protocol and the client have one"),
    ("Event", "each protocol core tells its own"),
];

fn doc(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let doc = line.strip_prefix("///").or(line.strip_prefix("//!"))?;
    Some(doc.trim_start().trim_start_matches("- "))
}

/// The words of the list that a doc opens with.
fn clause(doc: &str) -> Option<&'static str> {
    let is_opening = |clause: &&&str| doc.starts_with(**clause);
    CLAUSES.iter().find(is_opening).copied()
}

#[test]
fn docs_name_their_thing_first() {
    let mut faults = Vec::new();
    for file in ["src", "tests"]
        .iter()
        .flat_map(|root| source::sources(root))
    {
        for (line, number) in file.text.lines().zip(1..) {
            if let Some(opening) = doc(line).and_then(clause) {
                faults.push(format!(
                    "{}:{number}: a doc line opens with '{opening}'",
                    file.path
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The text of a docstring's first line, or of a comment at the margin, in a script.
fn script_doc(line: &str) -> Option<&str> {
    let docstring = line.trim_start().strip_prefix("\"\"\"");
    docstring.or(line.strip_prefix("# "))
}

#[test]
fn docs_of_scripts_name_their_thing_first() {
    let mut faults = Vec::new();
    for directory in ["findings", "tests/bench", "tests/interop"] {
        for script in source::scripts(directory) {
            for (line, number) in script.text.lines().zip(1..) {
                if let Some(opening) = script_doc(line).and_then(clause) {
                    faults.push(format!("{}:{number}: opens with '{opening}'", script.path));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The names of the types that a file defines, without associated types.
fn types(file: &Source) -> Vec<String> {
    let tokens = source::tokens(&file.text);
    let mut found = Vec::new();
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        depth += i32::from(*token == "{") - i32::from(*token == "}");
        let is_definition = match *token {
            "struct" | "enum" | "trait" | "union" => true,
            // Deeper ones are associated types, whose names the trait sets.
            "type" => depth == 0,
            _ => false,
        };
        if is_definition {
            let name = tokens.get(at + 1).filter(|name| source::is_word(name));
            found.extend(name.map(|name| (*name).to_owned()));
        }
    }
    found
}

/// The program that a file is a part of. Examples and measurements are read alone.
fn program(path: &str) -> Option<&'static str> {
    const PROGRAMS: [&str; 4] = ["src/", "tests/it/hostile/", "tests/it/", "tests/fuzz/"];
    PROGRAMS.into_iter().find(|start| path.starts_with(start))
}

#[test]
fn a_types_name_is_used_once() {
    let mut files: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
    for file in ["src", "tests"].into_iter().flat_map(source::sources) {
        let Some(program) = program(&file.path) else {
            continue;
        };
        for name in types(&file) {
            let paths = files.entry((program, name)).or_default();
            paths.push(file.path.clone());
        }
    }
    for (noun, _) in MAIN_NOUNS {
        let key = ("src/", (*noun).to_owned());
        let is_double = files.get(&key).is_some_and(|paths| paths.len() > 1);
        assert!(is_double, "{noun} is used once: take it off the list");
    }
    let is_allowed = |name: &str| MAIN_NOUNS.iter().any(|(noun, _)| *noun == name);
    let double: Vec<String> = files
        .iter()
        .filter(|((_, name), paths)| paths.len() > 1 && !is_allowed(name))
        .map(|((_, name), paths)| format!("{name}: {}", paths.join(", ")))
        .collect();
    assert!(double.is_empty(), "{}", double.join("\n"));
}
