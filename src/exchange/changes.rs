//! Changes that a host's rules make to the fields of a response's head.

use std::rc::Rc;

use crate::http::{Fields, Scheme};

/// A change of the fields. Names are in lowercase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldChange {
    /// One field in the place of all fields of its name.
    Set(Box<[u8]>, Box<[u8]>),
    /// As [`FieldChange::Set`] over TLS, and nothing in the clear (RFC 6797 §7.2).
    SetSecure(Box<[u8]>, Box<[u8]>),
    /// One more field.
    Add(Box<[u8]>, Box<[u8]>),
    /// No field of the name.
    Remove(Box<[u8]>),
}

/// The changes of one response, in their order.
#[derive(Clone, Debug)]
pub struct FieldChanges {
    scheme: Scheme,
    rules: Vec<Rc<[FieldChange]>>,
}

impl FieldChanges {
    /// No changes, for a response to a request of this scheme.
    pub fn new(scheme: Scheme) -> Self {
        FieldChanges {
            scheme,
            rules: Vec::new(),
        }
    }

    /// Adds the changes of a rule.
    pub fn push(&mut self, rule: Rc<[FieldChange]>) {
        self.rules.push(rule);
    }

    /// True if there is no change.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Makes the changes. The fields may be shared with other responses, which keep theirs.
    pub fn apply(&self, fields: &mut Rc<Fields>) {
        let mut changed = Fields::clone(fields);
        for change in self.rules.iter().flat_map(|rule| rule.iter()) {
            match change {
                FieldChange::Set(name, value) => {
                    changed = without(&changed, name);
                    changed.push(name, value);
                }
                FieldChange::SetSecure(name, value) if self.scheme == Scheme::Https => {
                    changed = without(&changed, name);
                    changed.push(name, value);
                }
                FieldChange::SetSecure(..) => {}
                FieldChange::Add(name, value) => changed.push(name, value),
                FieldChange::Remove(name) => changed = without(&changed, name),
            }
        }
        *fields = Rc::new(changed);
    }
}

/// The fields of other names, in their order.
fn without(fields: &Fields, name: &[u8]) -> Fields {
    let mut rest = Fields::new();
    for field in fields.iter().filter(|field| field.name != name) {
        rest.push_field(field);
    }
    rest
}
