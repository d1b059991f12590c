//! The head that was made last of another one, on its way through the proxy. For an equal one it is given again, and who
//! gets it can tell by its place that it is the same: it need not be checked and written anew.
//!
//! A head with a credential is made each time: the time that another one takes could tell somebody else of it.
//!
//! This is one of the [tricks that must not be undone](crate#performance-tricks-that-must-not-be-undone).

use std::rc::Rc;

use crate::http::{Fields, is_credential};

/// The largest fields of which a head is kept, as [`Fields::size`] counts: most have less than 1 KiB.
const LARGEST: usize = 2 << 10;

/// A handler that makes heads by rules of its own. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct HeadMaker(Rc<()>);

impl PartialEq for HeadMaker {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

/// A head `T`, made of fields in circumstances `C`.
pub(super) struct MadeHead<C, T> {
    from: Fields,
    /// A place where the same fields came from, which were compared once.
    place: Option<Rc<Fields>>,
    circumstances: Option<C>,
    made: Option<T>,
}

/// The frequency of a head.
pub(super) enum Repetition<T> {
    /// It differs from the last one.
    First,
    /// It is equal to the last one, which was not kept.
    Second,
    /// It is equal to the last ones, of which this was made.
    Further(T),
}

impl<C, T> Default for MadeHead<C, T> {
    fn default() -> Self {
        MadeHead {
            from: Fields::new(),
            place: None,
            circumstances: None,
            made: None,
        }
    }
}

impl<C: Clone + PartialEq, T: Clone> MadeHead<C, T> {
    /// Compares fields, which a head is made of, with the last ones, whose place they take.
    pub(super) fn compare(&mut self, circumstances: &C, from: &Fields) -> Repetition<T> {
        let is_last =
            self.circumstances.as_ref() == Some(circumstances) && self.from.is_copy_of(from);
        match &self.made {
            Some(made) if is_last => Repetition::Further(made.clone()),
            None if is_last => Repetition::Second,
            _ => {
                self.made = None;
                self.place = None;
                self.circumstances = None;
                if is_fit(from) {
                    self.from.copy_from(from);
                    self.circumstances = Some(circumstances.clone());
                }
                Repetition::First
            }
        }
    }

    /// The head that was made of the last fields, if these lie where they lay and are for an equal one.
    pub(super) fn of_place(&self, circumstances: &C, from: &Rc<Fields>) -> Option<T> {
        let is_known = |place| Rc::ptr_eq(place, from);
        let is_last = self.place.as_ref().is_some_and(is_known)
            && self.circumstances.as_ref() == Some(circumstances);
        self.made.as_ref().filter(|_| is_last).cloned()
    }

    /// Notes the place of fields that were equal to the last ones, and that no one changes.
    pub(super) fn note_place(&mut self, from: Rc<Fields>) {
        self.place = Some(from);
    }

    /// Keeps what was made of the fields that were compared last.
    pub(super) fn keep(&mut self, made: T) {
        self.made = Some(made);
    }

    /// The head that is kept.
    pub(super) fn kept(&self) -> Option<&T> {
        self.made.as_ref()
    }
}

/// True if fields are few, and none of them is a credential, or was told to be one, or announces trailers, which not
/// every client is told of.
fn is_fit(from: &Fields) -> bool {
    let differs = |name| is_credential(name) || name == b"trailer";
    from.size() <= LARGEST
        && !from
            .iter()
            .any(|field| field.sensitive || differs(field.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(name: &str, len: usize) -> Fields {
        [(name, "b".repeat(len).as_str())].into_iter().collect()
    }

    /// The heads that are made of these, one after another, each of which has a number.
    fn heads(made: &mut MadeHead<u8, usize>, of: &[(u8, &Fields)]) -> Vec<usize> {
        let heads = of.iter().enumerate();
        let heads =
            heads.map(
                |(number, (circumstances, from))| match made.compare(circumstances, from) {
                    Repetition::First => number,
                    Repetition::Second => {
                        made.keep(number);
                        number
                    }
                    Repetition::Further(number) => number,
                },
            );
        heads.collect()
    }

    #[test]
    fn a_head_that_comes_three_times_is_made_twice() {
        let (a, b) = (fields("a", 1), fields("b", 1));
        let made = &mut MadeHead::default();
        let of = [
            (0, &a),
            (0, &a),
            (0, &a),
            (0, &a),
            (0, &b),
            (0, &a),
            (1, &a),
        ];
        assert_eq!(heads(made, &of), [0, 1, 1, 1, 4, 5, 6]);
    }

    #[test]
    fn fields_at_a_place_that_was_noted_are_known_until_others_come() {
        let made = &mut MadeHead::default();
        let (a, b) = (Rc::new(fields("a", 1)), fields("b", 1));
        assert_eq!(heads(made, &[(0, &a), (0, &a), (0, &a)]), [0, 1, 1]);
        assert_eq!(made.of_place(&0, &a), None);
        made.note_place(a.clone());
        assert_eq!(made.of_place(&0, &a), Some(1));
        assert_eq!(made.of_place(&1, &a), None, "of another maker");
        assert_eq!(made.of_place(&0, &Rc::new(fields("a", 1))), None);
        assert_eq!(heads(made, &[(0, &b), (0, &b)]), [0, 1]);
        assert_eq!(made.of_place(&0, &a), None);
    }

    #[test]
    fn long_heads_and_credentials_are_made_each_time() {
        for (name, len, expected) in [
            ("a", 1, [0, 1, 1]),
            ("a", LARGEST, [0, 1, 2]),
            ("cookie", 1, [0, 1, 2]),
            ("set-cookie", 1, [0, 1, 2]),
            ("authorization", 1, [0, 1, 2]),
            ("trailer", 1, [0, 1, 2]),
        ] {
            let from = fields(name, len);
            let of = [(0, &from); 3];
            assert_eq!(heads(&mut MadeHead::default(), &of), expected, "{name}");
        }
    }
}
