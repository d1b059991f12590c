//! Users and the hashes of their passwords, in the form of htpasswd.

use std::path::{Path, PathBuf};

use crate::helper::PasswordHashKind;

/// The most users of a file: a search among them takes microseconds, and more belong into a database.
const MOST_USERS: usize = 10_000;

/// A hash for a file without users, of which no password is known.
const NOBODY: &str = "$2y$10$GXqIOJ6JJimmbyXiJSd4mu0SmZ6OJkffs5VfhXQjTqjJyytAHp/ka";

/// The users of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Users {
    /// The file that they were read from.
    pub file: PathBuf,
    /// Lines that are taken and are a danger, each with its file and line.
    pub warnings: Vec<String>,
    /// Names and hashes, sorted by name.
    entries: Vec<(Box<[u8]>, Box<str>)>,
    /// The hash that takes longest: a password of a user that is not there is compared with it, so that the
    /// time does not tell who is.
    decoy: Box<str>,
}

impl Users {
    /// Reads the content of a file: lines of `name:hash`, empty lines, and comments behind `#`. The error
    /// names the file and the line.
    pub fn parse(file: &Path, content: &[u8]) -> Result<Users, String> {
        let mut entries: Vec<(Box<[u8]>, Box<str>)> = Vec::new();
        let mut warnings = Vec::new();
        let mut dearest = (0, NOBODY);
        for (line, number) in content.split(|byte| *byte == b'\n').zip(1..) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.trim_ascii().is_empty() || line.starts_with(b"#") {
                continue;
            }
            let mistake = |problem: &str| format!("{}:{number}: {problem}", file.display());
            let line = std::str::from_utf8(line).map_err(|_| mistake("the line is not UTF-8"))?;
            let parts = line.split_once(':');
            let (name, hash) =
                parts.ok_or_else(|| mistake("write name:hash, as htpasswd -B does"))?;
            let kind = PasswordHashKind::of(hash).map_err(|problem| mistake(&problem))?;
            if matches!(kind, PasswordHashKind::Apr1 | PasswordHashKind::Sha1) {
                let danger = "this hash is quick to guess; make it anew with htpasswd -B";
                warnings.push(mistake(danger));
            }
            if entries.iter().any(|(known, _)| **known == *name.as_bytes()) {
                return Err(mistake(&format!("'{name}' stands there twice")));
            }
            if entries.len() == MOST_USERS {
                return Err(mistake(&format!("there are more than {MOST_USERS} users")));
            }
            dearest = dearest.max((dearness(kind, hash), hash));
            entries.push((name.as_bytes().into(), hash.into()));
        }
        entries.sort();
        Ok(Users {
            file: file.into(),
            warnings,
            entries,
            decoy: dearest.1.into(),
        })
    }

    /// True if a user is in both with one hash.
    #[cfg(feature = "panel")]
    pub(crate) fn is_same(&self, other: &Users, name: &[u8]) -> bool {
        self.hash(name)
            .is_ok_and(|hash| other.hash(name) == Ok(hash))
    }

    /// The hash of a user, or `Err` with one that takes as long.
    pub(super) fn hash(&self, name: &[u8]) -> Result<&str, &str> {
        let found = self
            .entries
            .binary_search_by(|(known, _)| (**known).cmp(name));
        let entry = found.ok().and_then(|at| self.entries.get(at));
        entry.map(|(_, hash)| &**hash).ok_or(&self.decoy)
    }
}

/// A number that grows with the time that a hash takes.
fn dearness(kind: PasswordHashKind, hash: &str) -> u32 {
    let digits = |text: &str| text.parse().unwrap_or(0);
    match kind {
        PasswordHashKind::Sha1 => 1,
        PasswordHashKind::Apr1 => 2,
        // 5,000 rounds where none are told take some 5 ms.
        PasswordHashKind::ShaCrypt => match hash.split("rounds=").nth(1) {
            Some(rounds) => digits(rounds.split('$').next().unwrap_or_default()),
            None => 5_000,
        },
        // Cost 4 takes 1 ms.
        PasswordHashKind::Bcrypt => 1_000 << (digits(hash.get(4..6).unwrap_or_default()) - 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

    fn bcrypt(cost: u32) -> String {
        format!("$2y${cost:02}${}", "x".repeat(53))
    }

    fn parse(text: &str) -> Result<Users, String> {
        Users::parse(Path::new("etc/htpasswd"), text.as_bytes())
    }

    #[test]
    fn users_are_found_by_their_names() {
        let dear = bcrypt(12);
        let text = format!("# staff\n\nb:{CHEAP}\r\na:{}\nc:{dear}\n", bcrypt(5));
        let users = parse(&text).unwrap();
        assert_eq!(users.warnings.len(), 1);
        assert!(users.warnings[0].starts_with("etc/htpasswd:3: "));
        assert_eq!(users.hash(b"b"), Ok(CHEAP));
        assert_eq!(users.hash(b"a"), Ok(bcrypt(5).as_str()));
        // The dearest hash stands for those who are not there.
        assert_eq!(users.hash(b"d"), Err(dear.as_str()));
        assert_eq!(users.hash(b""), Err(dear.as_str()));
        assert_eq!(parse("").unwrap().hash(b"a"), Err(NOBODY));
        assert!(PasswordHashKind::of(NOBODY).is_ok());
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, said) in [
            (
                "a\n",
                "etc/htpasswd:1: write name:hash, as htpasswd -B does",
            ),
            (
                "#\na:plain\n",
                "etc/htpasswd:2: calmd takes no such hash; make it anew with htpasswd -B",
            ),
            (
                &format!("a:{CHEAP}\na:{CHEAP}\n"),
                "etc/htpasswd:2: 'a' stands there twice",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), said);
        }
    }
}
