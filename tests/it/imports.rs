//! The rule between core and shell: the protocol cores know no socket, file, thread or clock.

use std::fs;
use std::path::{Path, PathBuf};

/// What a core may not name, and why.
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
    (
        "crate::server",
        "the shell uses the core, never the reverse",
    ),
    ("crate::site", "the core knows no site"),
    ("crate::world", "the core knows no world"),
    ("crate::tls", "TLS belongs to the shell"),
    ("crate::cli", "configuration comes as arguments"),
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a source directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Whether `line` names `word`, and not a longer word that contains it.
fn names(line: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(is_word);
        let after = line[at + word.len()..].chars().next().is_some_and(is_word);
        !before && !after
    })
}

#[test]
fn the_protocol_cores_import_no_socket_file_thread_or_clock() {
    let mut files = Vec::new();
    for core in ["h1", "h2", "hpack", "http"] {
        sources(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(core),
            &mut files,
        );
    }
    assert!(files.len() > 20, "the cores were not found");
    let mut faults = Vec::new();
    // Tests make the times that they pass in, and drive the core as a shell would.
    let is_test = |file: &&PathBuf| file.components().any(|part| part.as_os_str() == "tests");
    for file in files.iter().filter(|file| !is_test(file)) {
        let text = fs::read_to_string(file).expect("a source file");
        let code = text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for (word, reason) in FORBIDDEN {
                if names(line, word) {
                    faults.push(format!(
                        "{}:{}: {word}: {reason}",
                        file.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
