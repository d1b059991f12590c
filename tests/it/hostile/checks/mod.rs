//! Rows of the catalogue that take more than a script: the answer has to be examined, or the world
//! around the server is hostile.

mod descriptors;
mod disk;
mod files;
mod panel;
mod passwords;
mod requests;
mod uploads;

/// One row, with a function that returns the fault, if there is one.
pub struct Check {
    pub name: &'static str,
    pub run: fn(full: bool) -> Result<(), String>,
}

/// All checks.
pub fn all() -> impl Iterator<Item = &'static Check> {
    [
        requests::ALL,
        files::ALL,
        uploads::ALL,
        descriptors::ALL,
        disk::ALL,
        passwords::ALL,
        panel::ALL,
    ]
    .into_iter()
    .flatten()
}

/// Returns the fault `otherwise` unless `fine`.
fn demand(fine: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if fine { Ok(()) } else { Err(otherwise()) }
}
