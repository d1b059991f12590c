//! The public surface of the library, as a listing in a file: a change of what others can name is seen in the
//! change's own text, and a version is chosen knowing it.
//!
//! The listing is taken from the source: items and methods that are `pub`, in modules that are, or whose names
//! such a module gives on with `pub use`. Signatures stand as they are written, without their docs.

use super::source::tokens;
use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

/// Rooms that make up the library.
const ROOMS: [&str; 4] = ["h1", "h2", "hpack", "http"];

/// The listing, beside this test.
const FILE: &str = "tests/it/surface.txt";

/// Bodies are no part of the surface, but fields and variants are.
const WITH_BODY: [&str; 3] = ["struct", "enum", "trait"];

/// A module as its file has it.
struct SurfaceModule {
    path: String,
    is_public: bool,
    tokens: Vec<String>,
}

/// All modules below a file, tests left out.
fn modules(file: &Path, path: &str, is_public: bool, found: &mut Vec<SurfaceModule>) {
    let text = fs::read_to_string(file).expect("a module's file");
    let tokens: Vec<String> = tokens(&text).into_iter().map(str::to_owned).collect();
    let directory = if file.ends_with("mod.rs") {
        file.parent().expect("a directory").to_owned()
    } else {
        file.with_extension("")
    };
    let items = items(&tokens);
    for item in &items {
        let Some(name) = item.module() else { continue };
        let flat = directory.join(format!("{name}.rs"));
        let file = if flat.is_file() {
            flat
        } else {
            directory.join(name).join("mod.rs")
        };
        let is_public = is_public && item.is_public();
        modules(&file, &format!("{path}::{name}"), is_public, found);
    }
    found.push(SurfaceModule {
        path: path.to_owned(),
        is_public,
        tokens,
    });
}

/// The tokens of an item without its attributes.
struct Item<'t>(&'t [String]);

impl<'t> Item<'t> {
    fn is_public(&self) -> bool {
        self.0.first().is_some_and(|first| first == "pub")
            && self.0.get(1).is_none_or(|next| next != "(")
    }

    /// The name of a module in a file of its own.
    fn module(&self) -> Option<&'t str> {
        let at = self.0.iter().position(|token| token == "mod")?;
        let is_alone = at <= 4 && self.0.last().is_some_and(|last| last == ";");
        is_alone.then(|| self.0[at + 1].as_str())
    }

    /// The text up to the body, or with it where it is a part of the surface.
    fn text(&self) -> String {
        let keyword = self
            .0
            .iter()
            .find(|token| WITH_BODY.contains(&token.as_str()));
        let end = match keyword {
            Some(_) => self.0.len(),
            None => body(self.0).unwrap_or(self.0.len()),
        };
        let mut text = String::new();
        for token in public_fields(&self.0[..end]) {
            let sticks = [",", ";", ".", ")", ">", ":", "::", "(", "<", "?", "]"];
            let opens = ["(", "<", "&", "::", "[", "!", ".", "'", "?"];
            let is_glued = text.is_empty()
                || sticks.contains(&token)
                || opens.iter().any(|open| text.ends_with(open));
            if !is_glued {
                text.push(' ');
            }
            text += token;
        }
        text
    }
}

/// The place of the brace that opens an item's body, or of the sign before its value.
fn body(tokens: &[String]) -> Option<usize> {
    let mark = if has_value(tokens) { "=" } else { "{" };
    tokens.iter().position(|token| token == mark)
}

/// True for a constant, a type's other name and an import: they end with a semicolon, whatever braces they have.
fn has_value(tokens: &[String]) -> bool {
    let is_function = tokens.iter().any(|token| token == "fn");
    let kinds = ["const", "static", "type", "use"];
    let mut begin = tokens.iter().take(5);
    !is_function && begin.any(|token| kinds.contains(&token.as_str()))
}

/// An item without attributes, and without the fields that are its own business.
fn public_fields(tokens: &[String]) -> Vec<&str> {
    let is_struct = tokens.iter().take(3).any(|token| token == "struct");
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "#" {
            at = skip(tokens, at + 1);
            continue;
        }
        let is_place = is_struct
            && at > 2
            && kept
                .last()
                .is_some_and(|last| ["{", "(", ","].contains(last));
        let closes = ["}", ")"].contains(&tokens[at].as_str());
        let is_for_all = tokens[at] == "pub" && tokens.get(at + 1).is_none_or(|next| next != "(");
        if is_place && !closes && !is_for_all {
            let mut depth = 0;
            while at < tokens.len() {
                match tokens[at].as_str() {
                    "(" | "<" | "[" | "{" => depth += 1,
                    ")" | ">" | "]" | "}" if depth == 0 => break,
                    ")" | ">" | "]" | "}" => depth -= 1,
                    "," if depth == 0 => {
                        at += 1;
                        break;
                    }
                    _ => {}
                }
                at += 1;
            }
            continue;
        }
        kept.push(tokens[at].as_str());
        at += 1;
    }
    kept
}

/// The place behind the group that opens at `at`.
fn skip(tokens: &[String], mut at: usize) -> usize {
    let mut depth = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    at
}

/// The items of a file or of a block, without those that are for tests.
fn items(tokens: &[String]) -> Vec<Item<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let mut is_test = false;
        while tokens.get(at).is_some_and(|token| token == "#") {
            let inner = usize::from(tokens.get(at + 1).is_some_and(|token| token == "!"));
            let end = skip(tokens, at + 1 + inner);
            is_test |= tokens[at..end].iter().any(|token| token == "test");
            at = end;
        }
        let begin = at;
        while at < tokens.len() {
            match tokens[at].as_str() {
                ";" => {
                    at += 1;
                    break;
                }
                "{" if !has_value(&tokens[begin..at]) => {
                    at = skip(tokens, at);
                    break;
                }
                "(" | "[" | "{" => at = skip(tokens, at),
                _ => at += 1,
            }
        }
        if begin < at && !is_test {
            found.push(Item(&tokens[begin..at]));
        }
    }
    found
}

/// The type that an `impl` block without a trait is for.
fn type_of_block<'t>(item: &Item<'t>) -> Option<&'t str> {
    if item.0.first()? != "impl" {
        return None;
    }
    let head = &item.0[1..body(item.0)?];
    if head.iter().any(|token| token == "for") {
        return None;
    }
    let mut depth = 0;
    let names = head.iter().filter(|token| {
        depth += i32::from(*token == "<") - i32::from(*token == ">");
        depth == 0 && *token != ">"
    });
    names.last().map(String::as_str)
}

/// The names that a module gives on from private ones.
fn given_on(module: &SurfaceModule) -> BTreeSet<String> {
    let uses = items(&module.tokens);
    let uses = uses
        .iter()
        .filter(|item| item.is_public() && item.0[1] == "use");
    uses.flat_map(|item| item.0[2..].iter().cloned()).collect()
}

/// The whole listing, sorted.
fn listing() -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut lines = BTreeSet::new();
    for room in ROOMS {
        let mut found = Vec::new();
        modules(&source.join(room).join("mod.rs"), room, true, &mut found);
        let given_on: BTreeSet<String> = found
            .iter()
            .filter(|module| module.is_public)
            .flat_map(given_on)
            .collect();
        let mut types = BTreeSet::new();
        for module in &found {
            for item in items(&module.tokens) {
                let name = item.0.iter().skip(1).find(|token| {
                    ![
                        "struct", "enum", "trait", "fn", "const", "type", "static", "unsafe",
                    ]
                    .contains(&token.as_str())
                });
                let Some(name) = name else { continue };
                let is_seen = module.is_public || given_on.contains(name);
                if !item.is_public() || !is_seen || item.0[1] == "use" {
                    continue;
                }
                if item.module().is_none() {
                    types.insert(name.clone());
                }
                lines.insert(format!(
                    "{}: {}",
                    module.path.trim_start_matches("::"),
                    item.text()
                ));
            }
        }
        for module in &found {
            for item in items(&module.tokens) {
                let Some(of) = type_of_block(&item).filter(|of| types.contains(*of)) else {
                    continue;
                };
                let begin = body(item.0).expect("a block");
                for method in items(&item.0[begin + 1..item.0.len() - 1]) {
                    if method.is_public() {
                        lines.insert(format!("{room}: {of}: {}", method.text()));
                    }
                }
            }
        }
    }
    lines
        .into_iter()
        .fold(String::new(), |listing, line| listing + &line + "\n")
}

#[test]
fn the_public_surface_is_the_one_that_is_recorded() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let listing = listing();
    if env::var_os("CALMD_WRITE_TABLES").is_some() {
        fs::write(&path, &listing).expect("the listing can be written");
        return;
    }
    let recorded = fs::read_to_string(&path).unwrap_or_default();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (recorded, found) = (lines(&recorded), lines(&listing));
    let gone: Vec<_> = recorded.difference(&found).collect();
    let new: Vec<_> = found.difference(&recorded).collect();
    assert!(
        gone.is_empty() && new.is_empty(),
        "the public surface has changed: CALMD_WRITE_TABLES=1 cargo test --test it surface records it, and the \
         README's CHANGELOG tells it.\ngone: {gone:#?}\nnew: {new:#?}"
    );
}

#[test]
fn the_listing_has_methods_and_fields_and_nothing_private() {
    let listing = listing();
    for line in [
        "h2: Connection: pub fn release(&mut self, stream: StreamKey, len: u32) -> Result<(), Misuse>",
        "h2: Connection: pub fn is_idle(&self) -> bool",
        "h2: Connection: pub fn push<f>(&mut self, parent: StreamKey, fields: impl IntoIterator<Item = Field<f>>, \
         now: Instant,) -> Result<StreamKey, Misuse>",
    ] {
        assert!(
            listing.lines().any(|found| found == line),
            "{line}\n{listing}"
        );
    }
    assert!(listing.contains("pub struct Grant { pub stream: StreamKey, pub max_len: u32, }"));
    for private in ["Outbound", "fn give_back", "pub(", "mod tests"] {
        assert!(!listing.contains(private), "{private}");
    }
}
