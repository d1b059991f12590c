//! The subjects of python-hyper's tests, beside the tests here that cover them.

use crate::source;

const LIST: &str = include_str!("SUBJECTS.md");

#[test]
fn every_test_that_covers_a_subject_of_python_hypers_exists() {
    let sources = ["src", "tests"].map(source::sources);
    let texts: Vec<&str> = sources
        .iter()
        .flatten()
        .map(|source| &*source.text)
        .collect();
    let rows = LIST.lines().filter(|line| line.starts_with("| test_"));
    let mut named = 0;
    for row in rows {
        let cell = row.split(" | ").last().expect("three cells");
        let names: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        assert!(
            !names.is_empty() || cell.starts_with("derived"),
            "no test: {row}"
        );
        for name in names {
            let is_test = texts.iter().any(|text| has_test(text, name));
            assert!(is_test, "{name} of the row {row}");
            named += 1;
        }
    }
    assert!(named > 130, "{named}");
}

/// Says that a source has a test of this name.
fn has_test(text: &str, name: &str) -> bool {
    let function = format!("fn {name}(");
    text.match_indices(&function).any(|(at, _)| {
        // Other attributes stand between the two at most.
        let before = text.get(..at).unwrap_or_default().lines().rev();
        before.take(9).any(|line| line.trim() == "#[test]")
    })
}
