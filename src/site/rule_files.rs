//! The files of a site that are rules for it: `_redirects` and `_headers`. They are read here, understood
//! elsewhere, and never served.

use std::io;
use std::time::Instant;

use super::Site;
use super::encoding::Coding;
use super::following::FOLLOW_ROOT;
use super::listing::HiddenNames;
use crate::exchange::Request;
use crate::http::Method;
use crate::world::{FileKind, FileReads, Files, Metadata};

/// Names of the files, in the root.
const NAMES: [&[u8]; 2] = [b"_redirects", b"_headers"];

/// The longest file that is read: 2,100 rules of 100 bytes are shorter.
const LONGEST: u64 = 256 << 10;

/// The state of the files at the last look.
#[derive(Debug, Default)]
pub(super) struct RuleFiles {
    watch: RuleWatch,
    /// The files that were there; none before the first was.
    seen: Option<Box<[Option<Metadata>; 2]>>,
}

/// The next look at the files.
#[derive(Clone, Copy, Debug, Default)]
enum RuleWatch {
    /// After a change of the names in the root. There are no files of rules, as on most sites, and the root is looked
    /// at anyway.
    #[default]
    Off,
    /// At the next request.
    Due,
    /// From this time on: a second after the last look.
    From(Instant),
}

/// The use of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum RuleFileUse {
    /// They are rules, and are not served.
    #[default]
    Rules,
    /// They are files like all others.
    Files,
}

/// The texts of the files, empty where there is none.
#[derive(Debug)]
pub(crate) struct RuleTexts {
    /// `_redirects`
    pub redirects: String,
    /// `_headers`
    pub headers: String,
}

/// True if a path names the file or one of its sidecars.
fn is_of(path: &[u8], name: &[u8]) -> bool {
    path.strip_prefix(name).is_some_and(|rest| {
        let mut sidecars = Coding::SIDECARS.iter().map(|coding| coding.extension());
        rest.is_empty() || sidecars.any(|extension| rest == extension.as_bytes())
    })
}

impl<F: Files> Site<F> {
    /// The texts of the files, if they have changed since the last look.
    #[inline]
    pub(crate) fn changed_rules(&mut self, now: Instant) -> Option<RuleTexts> {
        self.follow_root_when_due(now);
        match self.rule_files.watch {
            RuleWatch::Off => None,
            RuleWatch::From(due) if now < due => None,
            RuleWatch::From(_) | RuleWatch::Due => self.look_for_rules(now),
        }
    }

    fn look_for_rules(&mut self, now: Instant) -> Option<RuleTexts> {
        self.rule_files.watch = RuleWatch::From(now + FOLLOW_ROOT);
        let mut seen = [None, None];
        for (name, seen) in NAMES.into_iter().zip(&mut seen) {
            match self.open_files.tree().look_up(name) {
                Ok(metadata) if metadata.kind == FileKind::File => *seen = Some(metadata),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // The system cannot tell now: the rules stay.
                Err(_) => return None,
            }
        }
        if seen == [None, None] {
            self.rule_files.watch = RuleWatch::Off;
        }
        let known = self.rule_files.seen.as_deref();
        if seen == *known.unwrap_or(&[None, None]) {
            return None;
        }
        self.rule_files.seen = Some(Box::new(seen));
        let [redirects, headers] = NAMES.map(|name| self.rule_text(name));
        Some(RuleTexts { redirects, headers })
    }

    /// Has the files looked at anew at the next request.
    pub(crate) fn watch_rules(&mut self) {
        if self.rule_file_use == RuleFileUse::Rules {
            self.rule_files.watch = RuleWatch::Due;
        }
    }

    /// True for the path of a file of rules, and for one with its compressed content: neither is served.
    pub(super) fn hides_rules(&self, path: &[u8]) -> bool {
        path.first() == Some(&b'_')
            && self.rule_file_use == RuleFileUse::Rules
            && NAMES.iter().any(|name| is_of(path, name))
    }

    /// The names that a listing of this directory leaves out.
    pub(super) fn hidden_names(&self, directory: &[u8]) -> HiddenNames {
        match self.rule_file_use {
            RuleFileUse::Rules if directory.is_empty() => {
                |name| NAMES.iter().any(|rules| is_of(name, rules))
            }
            RuleFileUse::Rules | RuleFileUse::Files => |_| false,
        }
    }

    /// The texts of the files as they are now; empty where they are no rules.
    pub(crate) fn rule_texts(&mut self) -> RuleTexts {
        let [redirects, headers] = match self.rule_file_use {
            RuleFileUse::Rules => NAMES.map(|name| self.rule_text(name)),
            RuleFileUse::Files => Default::default(),
        };
        RuleTexts { redirects, headers }
    }

    /// Serves the files as all others, and takes no rules from them.
    pub(crate) fn serve_rule_files(&mut self) {
        self.rule_file_use = RuleFileUse::Files;
    }

    fn rule_text(&mut self, name: &[u8]) -> String {
        let read = self.read_rules(name);
        read.unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                log::warn!("{} is not read: {error}", name.escape_ascii());
            }
            String::new()
        })
    }

    fn read_rules(&mut self, name: &[u8]) -> io::Result<String> {
        let (file, metadata) = self.open_files.tree().open(name)?;
        if metadata.kind != FileKind::File {
            return Err(io::ErrorKind::NotFound.into());
        }
        if metadata.len > LONGEST {
            return Err(io::Error::other("it is longer than 256 KiB"));
        }
        let mut content = Vec::new();
        while content.len() < LONGEST as usize {
            let (at, most) = (content.len() as u64, LONGEST as usize - content.len());
            if self.reads.read_at(&file, at, &mut content, most)? == 0 {
                break;
            }
        }
        String::from_utf8(content).map_err(|_| io::Error::other("it is not UTF-8"))
    }

    /// True if the site has a file for the path of a request. A page that stands for all paths that do not
    /// exist is none.
    pub(crate) fn finds(&mut self, request: &Request<'_>, now: Instant) -> bool {
        let request = Request {
            method: Method::Head,
            ..*request
        };
        let spa = std::mem::replace(&mut self.spa, false);
        let found = self.respond(&request, now).status != 404;
        self.spa = spa;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sidecars_of_a_file_of_rules_are_hidden_with_it_and_other_names_are_not() {
        for (path, is_hidden) in [
            ("_redirects", true),
            ("_redirects.br", true),
            ("_redirects.gz", true),
            ("_redirects.zst", true),
            ("_redirects.html", false),
            ("_redirects2", false),
            ("a/_redirects", false),
        ] {
            assert_eq!(is_of(path.as_bytes(), NAMES[0]), is_hidden, "{path}");
        }
    }
}
