//! Facts of README.md that change elsewhere: versions, links, and the paths of scripts and sources.

use std::path::Path;

const README: &str = include_str!("../../README.md");
const BENCHES: &str = include_str!("../bench/README.md");

/// The texts between two marks.
fn between<'t>(text: &'t str, open: &'t str, close: char) -> impl Iterator<Item = &'t str> {
    let parts = text.split(open).skip(1);
    parts.filter_map(move |part| part.split_once(close).map(|(inner, _)| inner))
}

#[test]
fn versions_are_those_of_the_package() {
    let compiler = env!("CARGO_PKG_RUST_VERSION");
    assert!(README.contains(&format!("Rust {compiler} or later")));
    let version = env!("CARGO_PKG_VERSION");
    assert!(README.contains(&format!("calmd {version} serves public")));
}

#[test]
fn samples_show_the_start_page_as_it_is() {
    let page = std::fs::metadata(Path::new(env!("CARGO_MANIFEST_DIR")).join("public/index.html"));
    let len = page.unwrap().len();
    assert!(
        README.contains(&format!(" content-length: {len}\n")),
        "{len}"
    );
    // The content of a hundred thousand of them, as `calmd get -n` tells it.
    let all = format!("{:.1} MB of content", len as f64 / 10.0);
    assert!(README.contains(&all), "{all}");
}

#[test]
fn links_lead_to_files_and_headings() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_word = |c: &char| c.is_alphanumeric() || " -".contains(*c);
    let anchor = |heading: &str| {
        let words: String = heading.to_lowercase().chars().filter(is_word).collect();
        words.trim().replace(' ', "-")
    };
    let mut found = 0;
    for (text, directory) in [
        (README, root.to_owned()),
        (BENCHES, root.join("tests/bench")),
    ] {
        for link in between(text, "](", ')').filter(|link| !link.starts_with("http")) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            assert!(directory.join(path).exists(), "{link} leads nowhere");
            let target = match path {
                "" => text,
                "tests/bench/README.md" => BENCHES,
                _ => continue,
            };
            let mut headings = target.lines().filter(|line| line.starts_with('#'));
            let is_there = heading.is_empty() || headings.any(|line| anchor(line) == heading);
            assert!(is_there, "{link} names no heading");
            found += 1;
        }
    }
    assert!(found > 2, "links were not found");
}

#[test]
fn scripts_and_sources_lie_where_the_text_has_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = 0;
    for code in README.split('`').chain(BENCHES.split('`')) {
        let path = code.split_whitespace().next().unwrap_or_default();
        if [".ci/", "findings/", "src/", "tests/"]
            .iter()
            .any(|top| path.starts_with(top))
        {
            assert!(root.join(path).exists(), "{path} is not there");
            found += 1;
        }
    }
    assert!(found > 8, "paths were not found");
}
