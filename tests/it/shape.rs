//! The shape of the sources: how long files are, how much of the server depends on the type of its world, and where
//! things of one kind stand.

use super::source::{self, Source};
use std::collections::BTreeSet;

/// The most lines of a file: a file is about one concept, and is read in one go.
const MOST_LINES: usize = 500;

/// Files that may be longer, each with the reason. Tables of data are no Rust, and are not looked at.
const LONG_FILES: &[(&str, &str)] = &[];

/// The most bounds by the world in `src/server`. The event loop owns the world, and each of its files has one; what
/// reads and writes sockets takes a world as an object (`world::Outside`), and everything else takes none.
const MOST_WORLDS: usize = 12;

#[test]
fn no_file_is_longer_than_500_lines() {
    let mut faults = Vec::new();
    for file in ["src", "tests"]
        .iter()
        .flat_map(|root| source::sources(root))
    {
        let lines = file.text.lines().count();
        let may = LONG_FILES.iter().any(|(path, _)| *path == file.path);
        if (lines > MOST_LINES) != may {
            faults.push(format!("{}: {lines} lines", file.path));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Bounds of type parameters by the world, wherever they stand: in a list of parameters, behind `where`, or as
/// `impl World`. An implementation of the trait, and a world as an object, are none.
fn world_bounds(file: &Source) -> usize {
    let tokens = file.tokens();
    let places = tokens.windows(3).filter(|three| match three {
        ["impl", "World", behind] => *behind != "for",
        [before, "World", _] => [":", "+"].contains(before),
        _ => false,
    });
    places.count()
}

#[test]
fn bounds_by_the_world_are_seen_wherever_they_stand() {
    let of = |text: &str| {
        world_bounds(&Source {
            path: String::new(),
            text: text.to_owned(),
        })
    };
    assert_eq!(
        of("impl<F: Files, W: World<Files = F> + 'static> A<W> {}"),
        1
    );
    assert_eq!(of("fn a(world: impl World) where W: Copy + World {}"), 2);
    assert_eq!(
        of(
            "use crate::world::World; // <W: World>\nimpl World for A { fn b(w: &mut dyn World) {} }"
        ),
        0
    );
}

#[test]
fn at_most_a_dozen_parts_of_the_server_are_generic_over_the_world() {
    let files = source::sources("src/server");
    let counts = files.iter().filter(|file| !file.is_test());
    let counts = counts.map(|file| (world_bounds(file), &*file.path));
    let counts: Vec<_> = counts.filter(|(count, _)| *count > 0).collect();
    let sum: usize = counts.iter().map(|(count, _)| count).sum();
    assert!((1..=MOST_WORLDS).contains(&sum), "{sum} bounds: {counts:?}");
}

/// Files that hold one of the tricks for speed and memory of which `src/lib.rs` has the list.
const TRICKS: [&str; 17] = [
    "src/allocator.rs",
    "src/exchange/call/made.rs",
    "src/exchange/queue.rs",
    "src/h1/known.rs",
    "src/h2/connection/again.rs",
    "src/hpack/packed.rs",
    "src/link/piece.rs",
    "src/link/splices.rs",
    "src/server/batch.rs",
    "src/server/config.rs",
    "src/server/event_loop.rs",
    "src/server/head_lines.rs",
    "src/server/lent.rs",
    "src/server/reply_buffers.rs",
    "src/site/mod.rs",
    "src/tls/records/wire_buffer.rs",
    "src/tls/resting_keys.rs",
];

#[test]
fn files_with_a_trick_refer_to_the_list_of_tricks() {
    const PLACE: &str = "crate#performance-tricks-that-must-not-be-undone";
    let files = source::sources("src");
    let is_list = |file: &Source| {
        let heading = "//! # Performance tricks that must not be undone\n";
        file.path == "src/lib.rs" && file.text.contains(heading)
    };
    assert!(files.iter().any(is_list), "the list has moved");
    let referring = files.iter().filter(|file| file.text.contains(PLACE));
    let referring: Vec<_> = referring.map(|file| &*file.path).collect();
    assert_eq!(referring, TRICKS);
}

#[test]
fn what_calmd_does_not_use_of_a_connection_of_http_2_stands_in_one_file() {
    const CORE: &str = "src/h2/connection/";
    const LIBRARY: &str = "src/h2/connection/library.rs";
    let mut files = source::sources("src");
    files.retain(|file| !file.is_test() && file.path != LIBRARY);
    let is_core = |file: &&Source| file.path.starts_with(CORE);
    let is_product = |file: &&Source| is_core(file) || !file.path.starts_with("src/h2/");
    let mut used = BTreeSet::new();
    for tokens in files.iter().filter(is_product).map(Source::tokens) {
        let calls = tokens
            .windows(2)
            .filter(|two| [".", "::"].contains(&two[0]));
        used.extend(calls.map(|two| two[1]));
    }
    let mut unused = Vec::new();
    for file in files.iter().filter(is_core) {
        for three in file.tokens().windows(3) {
            if three[..2] == ["pub", "fn"] && !used.contains(three[2]) {
                unused.push(format!(
                    "{} of {} belongs to {LIBRARY}",
                    three[2], file.path
                ));
            }
        }
    }
    assert!(unused.is_empty(), "{}", unused.join("\n"));
}
