//! No circle of files in `src`: no file may need a file that needs it in turn, directly or over others.
//!
//! A file needs another if its product code names an item of that file, in a `use` or in a path. Three
//! rules make this the question that a reader has, who wants to begin somewhere:
//!
//! - A name that a file only re-exports leads on to the file that has the item. So a parent module that
//!   re-exports its children, and a child that names a sibling over the parent, make no circle.
//! - `mod` declarations need nothing by themselves.
//! - A file may always name items of the files that it lies beneath (`super::Connection` in
//!   `connection/receive.rs`), because a module's children are parts of it. The other direction counts: a
//!   circle may run from a parent over its child and a stranger back to the parent.

use super::source::{self, Named, Source};
use std::collections::{BTreeMap, BTreeSet};

/// A module's path, from the root of the crate.
type Module<'a> = Vec<&'a str>;

/// The modules of the crate, each with the tokens of its file.
struct Crate<'a> {
    tokens: BTreeMap<Module<'a>, Vec<&'a str>>,
    named: BTreeMap<Module<'a>, Vec<Named<'a>>>,
}

impl<'a> Crate<'a> {
    fn of(files: &'a [Source]) -> Self {
        let tokens: BTreeMap<Module<'a>, Vec<&str>> = files
            .iter()
            .filter(|file| !file.is_test() && !is_program(file))
            .map(|file| (module(file), file.tokens()))
            .collect();
        let named = tokens
            .iter()
            .map(|(module, tokens)| (module.clone(), source::paths(tokens)))
            .collect();
        Crate { tokens, named }
    }

    /// The path from the root for a path that a module names; none for a path of another crate, or of an
    /// item that the module has imported.
    fn absolute(&self, module: &[&'a str], path: &Named<'a>) -> Option<Module<'a>> {
        let mut base = module.to_vec();
        let segments = match path.segments[..] {
            ["crate", ref rest @ ..] => {
                base.clear();
                rest
            }
            ["self" | "super", ..] => {
                let ups = |segment: &&&str| ["self", "super"].contains(*segment);
                let (ups, rest) = path
                    .segments
                    .split_at(path.segments.iter().take_while(ups).count());
                for _ in ups.iter().filter(|segment| **segment == "super") {
                    base.pop();
                }
                rest
            }
            [first, ..] => {
                let child = [module, &[first]].concat();
                self.tokens
                    .contains_key(&child)
                    .then_some(&path.segments[..])?
            }
            [] => return None,
        };
        base.extend(segments);
        Some(base)
    }

    /// The module whose file has the item that a path from the root names.
    fn owner(&self, path: &[&'a str], depth: usize) -> Option<Module<'a>> {
        assert!(depth < 32, "{path:?} is re-exported in a circle");
        let len = (1..=path.len())
            .rev()
            .find(|len| self.tokens.contains_key(&path[..*len]))?;
        let (module, rest) = path.split_at(len);
        let Some((item, behind)) = rest.split_first().filter(|(item, _)| **item != "*") else {
            return Some(module.to_vec());
        };
        let imports = || self.named[module].iter().filter(|path| path.is_import);
        let explicit = imports().find(|import| import.name == *item);
        if let Some(target) = explicit.and_then(|import| self.absolute(module, import)) {
            return self.owner(&[&target, behind].concat(), depth + 1);
        }
        if self.defines(module, item) {
            return Some(module.to_vec());
        }
        let by_glob = imports()
            .filter(|import| import.name == "*")
            .filter_map(|import| self.absolute(module, import))
            .map(|target| target[..target.len() - 1].to_vec())
            .find(|target| self.defines(target, item));
        Some(by_glob.unwrap_or(module.to_vec()))
    }

    fn defines(&self, module: &[&str], item: &str) -> bool {
        let kinds = [
            "fn", "struct", "enum", "trait", "type", "const", "static", "!",
        ];
        let Some(tokens) = self.tokens.get(module) else {
            return false;
        };
        let mut pairs = tokens.windows(2);
        pairs.any(|pair| pair[1] == item && kinds.contains(&pair[0]))
    }

    /// The modules that each module needs.
    fn needs(&self) -> BTreeMap<Module<'a>, BTreeSet<Module<'a>>> {
        let mut needs = BTreeMap::new();
        for (module, named) in &self.named {
            let owners = named
                .iter()
                .filter_map(|path| self.absolute(module, path))
                .filter_map(|path| self.owner(&path, 0))
                .filter(|owner| !module.starts_with(owner));
            needs.insert(module.clone(), owners.collect());
        }
        needs
    }
}

fn is_program(file: &Source) -> bool {
    ["src/lib.rs", "src/main.rs", "src/build.rs"].contains(&&*file.path)
}

/// The module of a file.
fn module(file: &Source) -> Module<'_> {
    let path = file.path.trim_start_matches("src/");
    let path = path.strip_suffix("/mod.rs").unwrap_or(path);
    path.trim_end_matches(".rs").split('/').collect()
}

/// All modules that can be reached from one, over one step or more.
fn reached<'g, 'a>(
    needs: &'g BTreeMap<Module<'a>, BTreeSet<Module<'a>>>,
    from: &Module<'a>,
) -> BTreeSet<&'g Module<'a>> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&Module<'a>> = needs[from].iter().collect();
    while let Some(module) = open.pop() {
        if found.insert(module) {
            open.extend(&needs[module]);
        }
    }
    found
}

/// The steps of all circles, as lines.
fn circles(files: &[Source]) -> Vec<String> {
    let needs = Crate::of(files).needs();
    let reached: BTreeMap<_, _> = needs
        .keys()
        .map(|module| (module, reached(&needs, module)))
        .collect();
    let mut found = Vec::new();
    for (from, targets) in &needs {
        for to in targets.iter().filter(|to| reached[to].contains(from)) {
            found.push(format!("{} needs {}", from.join("::"), to.join("::")));
        }
    }
    found
}

#[test]
fn no_circle_of_files_is_in_the_crate() {
    let files = source::sources("src");
    let found = circles(&files);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_circle_over_re_exports_and_children_is_found() {
    let file = |path: &str, text: &str| Source {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let files = [
        file("src/lib.rs", "mod a;"),
        file(
            "src/a/mod.rs",
            "mod b; mod c; mod d; pub use b::B; pub use d::*;",
        ),
        file("src/a/b.rs", "use super::C; pub struct B(c::C);"),
        file("src/a/c.rs", "mod e; use self::e::E; pub struct C;"),
        file("src/a/c/e.rs", "use super::C; pub struct E(crate::a::D);"),
        file("src/a/d.rs", "pub struct D(super::B);"),
    ];
    // The parent re-exports its children, and `e` names its parent: neither is a step.
    assert_eq!(circles(&files), Vec::<String>::new());
    let mut files = files;
    files[2] = file("src/a/b.rs", "use super::c::C; pub struct B(C);");
    let expected = [
        "a::b needs a::c",
        "a::c needs a::c::e",
        "a::c::e needs a::d",
        "a::d needs a::b",
    ];
    assert_eq!(circles(&files), expected);
}
