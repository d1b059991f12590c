//! Rows of the catalogue that take more than a script: what is answered has to be looked at, or the
//! world around the server is hostile.

mod descriptors;
mod disk;
mod files;
mod requests;
mod uploads;

/// One row: what is wrong, if anything is.
pub struct Check {
    pub name: &'static str,
    pub run: fn(full: bool) -> Result<(), String>,
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Check> {
    [
        requests::ALL,
        files::ALL,
        uploads::ALL,
        descriptors::ALL,
        disk::ALL,
    ]
    .into_iter()
    .flatten()
}

/// `Err` with what is wrong unless `fine`.
fn demand(fine: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    match fine {
        true => Ok(()),
        false => Err(otherwise()),
    }
}
