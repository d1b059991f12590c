//! Tables in files. Tests write them, and compare them with their own results.

use std::path::Path;
use std::{env, fs};

/// Writes the table if `CALMD_WRITE_TABLES` is set. Otherwise the table must be equal to the file.
pub fn check(file: &str, table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/h2")
        .join(file);
    if env::var_os("CALMD_WRITE_TABLES").is_some() {
        fs::write(&path, table).expect("the table can be written");
        return;
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let lines = written.lines().zip(table.lines());
    let difference = lines.clone().find(|(written, found)| written != found);
    assert!(
        written == table,
        "{file} is not what the tests find; CALMD_WRITE_TABLES=1 cargo test --test it h2:: writes it.\n\
         The first difference: {difference:#?}"
    );
}
