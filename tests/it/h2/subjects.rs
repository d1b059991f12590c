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
        let names = cell.split('`').skip(1).step_by(2);
        for name in names.filter(|name| name.contains('_') && !name.contains("end_stream")) {
            let function = format!("fn {name}(");
            let exists = texts.iter().any(|text| text.contains(&function));
            assert!(exists, "{name} of the row {row}");
            named += 1;
        }
    }
    assert!(named > 90, "{named}");
}
