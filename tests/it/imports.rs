//! Imports between the rooms of the crate: the table of floors, and the words that a protocol core must
//! not use.
//!
//! A room is a directory of `src` or a file beside them. A room may import rooms of lower floors only, so
//! rooms of one floor never import each other. Tests and their helpers may import any room, because they
//! drive a part as its users do.

use super::source::{self, Source};

/// The rooms by floor, the lowest first.
const FLOORS: [&[&str]; 9] = [
    // The world and the nouns that all rooms share.
    &["allocator", "hosts", "http", "panics", "world"],
    // Cores, content and the means of the server.
    &["content", "h1", "hpack", "telemetry", "tls"],
    // A request that is being answered, a connected socket, and the core that is built of another core.
    &["exchange", "h2", "helper", "link", "sandbox"],
    // Answers, and the client.
    &["client", "inspect", "proxy", "rules", "site"],
    // The way from a path to an answer, uploads, which a site of their own shows, and the panel.
    &["panel", "routes", "upload"],
    // The event loop.
    &["server"],
    // Settings of all rooms.
    &["config"],
    // The configured program, and the command line.
    &["app", "cli"],
    &["main"],
];

/// Imports that break the rule for now, each with its reason. The list must only shrink.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// Words that a protocol core may not name, each with the reason.
const FORBIDDEN: &[(&str, &str)] = &[
    ("std::net", "sockets belong to the shell"),
    ("std::fs", "files belong to the world"),
    ("std::io", "a core moves bytes between buffers"),
    ("std::thread", "there is one thread"),
    ("std::process", "a core decides nothing about the process"),
    ("std::env", "configuration comes as arguments"),
    ("Instant::now", "time comes as an argument"),
    ("SystemTime::now", "time comes as an argument"),
    (".elapsed()", "time comes as an argument"),
    ("mio", "readiness belongs to the shell"),
    ("rustls", "TLS belongs to the shell"),
    ("rustix", "system calls belong to the world"),
    ("signal_hook", "signals belong to the shell"),
];

/// The floor of a room, from 1 on.
fn floor(room: &str) -> Option<usize> {
    let floor = FLOORS.iter().position(|rooms| rooms.contains(&room));
    floor.map(|floor| floor + 1)
}

/// The room that a file belongs to.
fn room(file: &Source) -> &str {
    let path = file.path.trim_start_matches("src/");
    let end = path.find('/').unwrap_or(path.len());
    path[..end].trim_end_matches(".rs")
}

/// All files of the crate that are part of the product.
fn product() -> Vec<Source> {
    let mut files = source::sources("src");
    let is_product = |file: &Source| !file.is_test();
    // The one file lists the rooms, the other runs before they are compiled.
    let is_room = |file: &Source| !["lib", "build"].contains(&room(file));
    files.retain(|file| is_product(file) && is_room(file));
    files
}

#[test]
fn every_room_with_a_floor_has_files() {
    let files = product();
    let is_stale = |name: &&&str| !files.iter().any(|file| room(file) == **name);
    let stale: Vec<_> = FLOORS.iter().copied().flatten().filter(is_stale).collect();
    assert!(stale.is_empty(), "no file is in {stale:?}");
}

#[test]
fn a_room_imports_rooms_of_lower_floors_only() {
    let mut faults = Vec::new();
    for file in product() {
        let from = room(&file);
        let Some(own) = floor(from) else {
            faults.push(format!("{}: the room has no floor", file.path));
            continue;
        };
        let tokens = file.tokens();
        for path in source::paths(&tokens) {
            let ["crate" | "calmd", to, ..] = path.segments[..] else {
                continue;
            };
            let is_exception = EXCEPTIONS.iter().any(|(a, b, _)| (*a, *b) == (from, to));
            if to == from || is_exception {
                continue;
            }
            if floor(to).is_none_or(|floor| floor >= own) {
                let path = path.segments.join("::");
                faults.push(format!("{}: {path}: not below floor {own}", file.path));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// True if `line` names `word`, and not a longer word that contains it.
fn names(line: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(is_word);
        let after = line[at + word.len()..].chars().next().is_some_and(is_word);
        !before && !after
    })
}

/// Rooms that run in any world, the simulated one of the tests too, and take the time from it.
const IN_ANY_WORLD: [&str; 8] = [
    "client", "exchange", "link", "proxy", "routes", "rules", "server", "site",
];

#[test]
fn rooms_that_run_in_any_world_ask_no_other_clock() {
    let mut faults = Vec::new();
    for file in product() {
        if !IN_ANY_WORLD.contains(&room(&file)) {
            continue;
        }
        for (line, number) in file.product().lines().zip(1..) {
            let is_comment = line.trim_start().starts_with("//");
            let clocks = ["Instant::now", "SystemTime::now", ".elapsed()"];
            if !is_comment && clocks.iter().any(|clock| names(line, clock)) {
                faults.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_protocol_cores_name_no_socket_file_thread_or_clock() {
    let mut files = product();
    files.retain(|file| ["h1", "h2", "hpack", "http"].contains(&room(file)));
    assert!(files.len() > 20, "the cores were not found");
    let mut faults = Vec::new();
    for file in &files {
        for (number, line) in file.product().lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for (word, reason) in FORBIDDEN {
                if names(line, word) {
                    faults.push(format!("{}:{}: {word}: {reason}", file.path, number + 1));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
