//! Fields that are set, added or removed by path.

use std::rc::Rc;

use super::path_glob::PathGlob;
use crate::exchange::{FieldChange, FieldChanges};
use crate::http::check_field;

/// Fields that frame a message, concern the connection alone, or that calmd has to compute. No rule may
/// touch them, because a wrong one would end in responses that are cut off or taken for others.
const FORBIDDEN: [&str; 14] = [
    "accept-ranges",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "date",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
];

/// Fields that a response needs as it has them, which may be added to or removed and not replaced.
const COMPUTED: [&str; 3] = ["etag", "last-modified", "location"];

/// A rule for the fields of all responses to the paths of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRule {
    path: PathGlob,
    changes: Vec<FieldChange>,
}

/// A change as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenChange<'t> {
    /// Name and value that take the place of all fields of the name.
    Set(&'t str, &'t str),
    /// Name and value of one more field.
    Add(&'t str, &'t str),
    /// Name of the fields that are left out.
    Remove(&'t str),
}

impl FieldRule {
    /// A rule for these paths, without changes.
    pub fn new(path: PathGlob) -> FieldRule {
        FieldRule {
            path,
            changes: Vec::new(),
        }
    }

    /// Adds a change. The error says what would be right.
    pub fn change(&mut self, written: WrittenChange<'_>) -> Result<(), String> {
        self.changes.push(Self::change_of(written)?);
        Ok(())
    }

    /// A change as it is made.
    pub(super) fn change_of(written: WrittenChange<'_>) -> Result<FieldChange, String> {
        let (name, value) = match written {
            WrittenChange::Set(name, value) | WrittenChange::Add(name, value) => (name, value),
            WrittenChange::Remove(name) => (name, ""),
        };
        let name = check_field(name, value)?;
        if FORBIDDEN.contains(&name.as_str()) {
            return Err(format!("calmd sets '{name}' itself; leave it out"));
        }
        let name: Box<[u8]> = name.into_bytes().into();
        let value: Box<[u8]> = value.trim().as_bytes().into();
        Ok(match (written, &*name) {
            (WrittenChange::Set(..), name) if COMPUTED.iter().any(|it| it.as_bytes() == name) => {
                return Err("calmd computes this field; leave it out, or remove it".into());
            }
            // Caches tell the variants of a file apart by it.
            (WrittenChange::Remove(_), b"vary") => {
                return Err("caches need 'vary' to tell responses apart; leave it out".into());
            }
            (WrittenChange::Set(..) | WrittenChange::Add(..), b"vary") => {
                FieldChange::Add(name, value)
            }
            (WrittenChange::Set(..), b"strict-transport-security")
            | (WrittenChange::Add(..), b"strict-transport-security") => {
                FieldChange::SetSecure(name, value)
            }
            (WrittenChange::Set(..), _) => FieldChange::Set(name, value),
            (WrittenChange::Add(..), _) => FieldChange::Add(name, value),
            (WrittenChange::Remove(_), _) => FieldChange::Remove(name),
        })
    }
}

/// The rules of a host, in their order.
#[derive(Debug, Default)]
pub(super) struct FieldRules(Vec<(PathGlob, Rc<[FieldChange]>)>);

impl FieldRules {
    pub fn new(rules: &[FieldRule]) -> Self {
        let shared = rules
            .iter()
            .map(|rule| (rule.path.clone(), rule.changes.as_slice().into()));
        FieldRules(shared.collect())
    }

    /// The paths whose fields are changed.
    pub fn paths(&self) -> impl Iterator<Item = &PathGlob> {
        self.0.iter().map(|(path, _)| path)
    }

    /// Notes the changes of all rules that a path matches.
    pub fn collect(&self, path: &[u8], changes: &mut FieldChanges) {
        for (glob, rule) in &self.0 {
            if glob.matches(path) {
                changes.push(rule.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Fields, Scheme};

    fn rule(path: &str, written: &[WrittenChange<'_>]) -> FieldRule {
        let mut rule = FieldRule::new(PathGlob::parse(path).unwrap());
        for change in written {
            rule.change(*change).unwrap();
        }
        rule
    }

    fn changed(rules: &[FieldRule], path: &str, scheme: Scheme) -> String {
        let fields = [("server", "x"), ("vary", "accept-encoding"), ("etag", "e")];
        let mut fields: Rc<Fields> = Rc::new(fields.into_iter().collect());
        let mut changes = FieldChanges::new(scheme);
        FieldRules::new(rules).collect(path.as_bytes(), &mut changes);
        changes.apply(&mut fields);
        let told = fields.iter().map(|field| format!("{field:?}"));
        told.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn all_rules_that_match_are_followed_in_their_order() {
        use WrittenChange::{Add, Remove, Set};
        let rules = [
            rule(
                "/**",
                &[Remove("Server"), Set("X-A", "1"), Set("Vary", "cookie")],
            ),
            rule("/b/**", &[Set("x-a", "2"), Add("X-A", "3"), Remove("etag")]),
            rule("/**", &[Set("Strict-Transport-Security", "max-age=5")]),
        ];
        assert_eq!(
            changed(&rules, "/a", Scheme::Http),
            "vary: accept-encoding; etag: e; x-a: 1; vary: cookie"
        );
        assert_eq!(
            changed(&rules, "/b/c", Scheme::Http),
            "vary: accept-encoding; vary: cookie; x-a: 2; x-a: 3"
        );
        assert_eq!(
            changed(&rules, "/a", Scheme::Https),
            "vary: accept-encoding; etag: e; x-a: 1; vary: cookie; \
             strict-transport-security: max-age=5"
        );
        assert_eq!(
            changed(&[], "/a", Scheme::Http),
            "server: x; vary: accept-encoding; etag: e"
        );
    }

    #[test]
    fn fields_that_frame_a_message_are_refused() {
        let mut rule = rule("/", &[]);
        for name in [
            "Content-Length",
            "Transfer-Encoding",
            "connection",
            "Date",
            "Upgrade",
        ] {
            for change in [
                WrittenChange::Set(name, "1"),
                WrittenChange::Add(name, "1"),
                WrittenChange::Remove(name),
            ] {
                let said = rule.change(change).unwrap_err();
                assert!(said.ends_with("itself; leave it out"), "{said}");
            }
        }
        for change in [
            WrittenChange::Set("ETag", "x"),
            WrittenChange::Remove("vary"),
            WrittenChange::Set("a b", "x"),
            WrittenChange::Set("a", "x\r\ny: z"),
            WrittenChange::Remove(":status"),
        ] {
            assert!(rule.change(change).is_err(), "{change:?}");
        }
        assert_eq!(rule.changes, []);
    }
}
