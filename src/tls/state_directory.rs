//! The directory of the certificate that is made for localhost. It belongs to the user of the process,
//! and no site is served from it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The directory that the environment names, if it names one.
///
/// ```text
/// CARGO_MANIFEST_DIR  certs/ of this repository, under `cargo run`
/// STATE_DIRECTORY     what systemd made for the service (StateDirectory=)
/// XDG_STATE_HOME      calmd/ in it
/// HOME                .local/state/calmd/ in it
/// ```
pub fn state_directory(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name| variable(name).map(PathBuf::from);
    // A relative path would depend on the directory in which the server happens to be started (XDG Base
    // Directory Specification), and could well be in the site.
    let absolute = |name| path(name).filter(|path| path.is_absolute());
    // Cargo sets the variable for every program that it runs. Only our own package has this directory.
    let is_ours = variable("CARGO_PKG_NAME").is_some_and(|name| name == env!("CARGO_PKG_NAME"));
    let repository = absolute("CARGO_MANIFEST_DIR").filter(|_| is_ours);
    // The variable may name several, separated by colons (systemd.exec(5)).
    let service = variable("STATE_DIRECTORY").and_then(|list| {
        let first = std::env::split_paths(&list).next()?;
        first.is_absolute().then_some(first)
    });
    let home = absolute("HOME").filter(|home| home != Path::new("/"));
    repository
        .map(|repository| repository.join("certs"))
        .or(service)
        .or_else(|| Some(absolute("XDG_STATE_HOME")?.join("calmd")))
        .or_else(|| Some(home?.join(".local/state/calmd")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Option<String> {
        let value = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        };
        state_directory(value).map(|path| path.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_pair_is_kept_where_the_environment_keeps_state() {
        let mut variables = vec![("HOME", "/home/u")];
        let mut expect = |variable, directory: &str| {
            variables.extend(variable);
            assert_eq!(found(&variables).as_deref(), Some(directory));
        };
        expect(None, "/home/u/.local/state/calmd");
        expect(Some(("XDG_STATE_HOME", "/x")), "/x/calmd");
        expect(
            Some(("STATE_DIRECTORY", "/var/lib/calmd:/other")),
            "/var/lib/calmd",
        );
        expect(Some(("CARGO_MANIFEST_DIR", "/code")), "/var/lib/calmd");
        expect(Some(("CARGO_PKG_NAME", "calmd")), "/code/certs");
    }

    #[test]
    fn without_a_directory_of_its_own_it_is_kept_nowhere() {
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[("HOME", "/")]), None);
        assert_eq!(found(&[("HOME", ""), ("XDG_STATE_HOME", "state")]), None);
        assert_eq!(found(&[("STATE_DIRECTORY", "state")]), None);
    }
}
