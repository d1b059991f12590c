//! Lines of the fields that several heads of HTTP/1.1 share, made once: the fields of a file in memory are the same
//! for each of its responses, and a copy of their lines costs a fifth of what they do. So are those of forwarded requests
//! and responses that are equal to the last ones.
//! This is one of the [tricks that must not be undone](crate#performance-tricks-that-must-not-be-undone).

use crate::h1::FieldLines;
use crate::http::Fields;
use std::rc::Rc;

/// Number of heads whose lines are kept: those of a page and its assets.
const KEPT: usize = 16;

/// The longest fields in bytes whose lines are kept.
const LONGEST: usize = 1024;

/// The lines of fields that responses asked for again and again.
#[derive(Default)]
pub(super) struct HeadLines([KnownLines; KEPT]);

/// Fields whose addresses lead to one place, and their lines.
#[derive(Default)]
struct KnownLines {
    /// The address of the fields that came last. Those that come twice in a row are kept.
    last: usize,
    /// The fields, told from others by their address, and their lines. They are held, so that no others come to lie
    /// there.
    kept: Option<(Rc<Fields>, FieldLines)>,
}

impl HeadLines {
    /// Notes that these fields are sent. They are worth their lines if somebody else holds them too, and if they came
    /// before.
    pub(super) fn note(&mut self, fields: &Rc<Fields>) {
        let address = Rc::as_ptr(fields).addr();
        let Some(known) = self.0.get_mut(index(address)) else {
            return;
        };
        if known.last != address {
            known.last = address;
            return;
        }
        let is_kept = matches!(&known.kept, Some((kept, _)) if Rc::ptr_eq(kept, fields));
        if !is_kept && Rc::strong_count(fields) > 1 && fields.size() <= LONGEST {
            known.kept = Some((fields.clone(), FieldLines::new(fields.iter())));
        }
    }

    /// The lines of these fields, if they are kept.
    pub(super) fn get(&self, fields: &Rc<Fields>) -> Option<&FieldLines> {
        let known = self.0.get(index(Rc::as_ptr(fields).addr()))?;
        let (kept, lines) = known.kept.as_ref()?;
        Rc::ptr_eq(kept, fields).then_some(lines)
    }

    /// Number of fields whose lines are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        let kept = self.0.iter().filter(|known| known.kept.is_some());
        kept.count()
    }
}

/// Lines `L` of the fields that came last, made when the very same fields come again. A head that is made for one
/// message never does.
pub(super) struct LastLines<L> {
    /// Held, so that no others come to lie there.
    fields: Option<Rc<Fields>>,
    lines: Option<L>,
}

impl<L> Default for LastLines<L> {
    fn default() -> Self {
        LastLines {
            fields: None,
            lines: None,
        }
    }
}

impl<L> LastLines<L> {
    /// Notes that these fields are sent. Their lines are made if they are those that came last.
    pub(super) fn note(&mut self, fields: &Rc<Fields>, make: impl FnOnce(&Fields) -> Option<L>) {
        if !self.are_of(fields) {
            self.fields = (fields.size() <= LONGEST).then(|| fields.clone());
            self.lines = None;
        } else if self.lines.is_none() {
            self.lines = make(fields);
        }
    }

    /// The lines of these fields, if they were made.
    pub(super) fn get(&self, fields: &Rc<Fields>) -> Option<&L> {
        self.lines.as_ref().filter(|_| self.are_of(fields))
    }

    fn are_of(&self, fields: &Rc<Fields>) -> bool {
        let last = self.fields.as_ref();
        last.is_some_and(|last| Rc::ptr_eq(last, fields))
    }
}

/// The place of fields with this address. An allocation's address is a multiple of 16.
fn index(address: usize) -> usize {
    (address >> 4 ^ address >> 8) % KEPT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: &str) -> Rc<Fields> {
        Rc::new(Fields::from_iter([("a", value)]))
    }

    #[test]
    fn fields_that_are_shared_and_come_again_have_lines() {
        let mut lines = HeadLines::default();
        let shared = fields("b");
        let other_owner = shared.clone();
        lines.note(&shared);
        assert!(lines.get(&shared).is_none());
        lines.note(&shared);
        assert!(lines.get(&shared).is_some());
        drop(other_owner);
        assert!(lines.get(&fields("b")).is_none(), "others at another place");
    }

    #[test]
    fn the_last_fields_have_lines_as_long_as_they_come_again() {
        let mut lines = LastLines::default();
        let (a, b) = (fields("a"), fields("b"));
        let mut asked = |fields: &Rc<Fields>| {
            lines.note(fields, |fields| Some(fields.len()));
            lines.get(fields).copied()
        };
        let found = [&a, &a, &a, &b, &a, &b, &b].map(&mut asked);
        let expected = [None, Some(1), Some(1), None, None, None, Some(1)];
        assert_eq!(found, expected);
        let long = fields(&"c".repeat(LONGEST));
        assert_eq!([&long; 3].map(&mut asked), [None; 3]);
        assert_eq!(Rc::strong_count(&long), 1, "it is not held");
    }

    #[test]
    fn fields_of_one_response_and_long_ones_have_none() {
        let mut lines = HeadLines::default();
        let own = fields("b");
        let long = fields(&"c".repeat(LONGEST));
        let _other_owner = long.clone();
        for _ in 0..3 {
            lines.note(&own);
            lines.note(&long);
        }
        assert!(lines.get(&own).is_none());
        assert!(lines.get(&long).is_none());
    }
}
