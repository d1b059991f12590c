//! Identifiers of requests, by which lines of several servers' logs are put together.

use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use crate::exchange::FieldChange;
use crate::http::{Fields, is_token};

/// The field of requests and responses that has the identifier.
const FIELD: &str = "x-request-id";

/// The longest identifier that is taken from a proxy. Identifiers of 128 bits in any notation, with a prefix, are
/// shorter, and one is kept for each open request.
const MOST_BYTES: usize = 128;

/// The use that is made of identifiers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestIdUse {
    /// Requests have none.
    #[default]
    Off,
    /// The access log has them, and upstreams are told.
    Log,
    /// Responses have them as well.
    Response,
}

/// The maker of identifiers: random bits of the process, and a number.
pub(super) struct RequestIds {
    used: RequestIdUse,
    process: u64,
    made: u64,
}

impl RequestIds {
    /// Identifiers for this use, if there is one.
    pub(super) fn new(used: RequestIdUse) -> Option<Self> {
        (used != RequestIdUse::Off).then(|| RequestIds {
            used,
            process: RandomState::new().hash_one(0),
            made: 0,
        })
    }

    /// The identifier of a request: that of a trusted proxy, if it is one, else a new one.
    pub(super) fn identify(&mut self, fields: &Fields, is_trusted: bool) -> Rc<str> {
        let told = fields.value(FIELD).filter(|_| is_trusted);
        let told = told.filter(|told| told.len() <= MOST_BYTES && is_token(told));
        if let Some(told) = told.and_then(|told| std::str::from_utf8(told).ok()) {
            return told.into();
        }
        self.made += 1;
        format!("{:016x}{:016x}", self.process, self.made).into()
    }

    /// The change of a response that tells the identifier of its request, if responses do.
    pub(super) fn change(&self, id: &str) -> Option<FieldChange> {
        (self.used == RequestIdUse::Response)
            .then(|| FieldChange::Set(FIELD.as_bytes().into(), id.as_bytes().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(id: &str) -> Fields {
        [(FIELD, id)].into_iter().collect()
    }

    #[test]
    fn identifiers_of_trusted_proxies_are_kept_if_they_are_short_tokens() {
        let mut ids = RequestIds::new(RequestIdUse::Log).unwrap();
        let longest = "a".repeat(MOST_BYTES);
        for told in ["1", "7f0c-b1.x_y~z", &longest] {
            assert_eq!(&*ids.identify(&fields(told), true), told);
            assert_ne!(&*ids.identify(&fields(told), false), told);
        }
        for told in ["", "a b", "a\"b", "a,b", "\u{e9}", &format!("{longest}a")] {
            assert_ne!(&*ids.identify(&fields(told), true), told);
        }
    }

    #[test]
    fn identifiers_that_are_made_differ() {
        let mut ids = RequestIds::new(RequestIdUse::Response).unwrap();
        let (one, other) = (
            ids.identify(&Fields::new(), true),
            ids.identify(&Fields::new(), true),
        );
        assert_ne!(one, other);
        assert!(is_token(one.as_bytes()) && one.len() == 32, "{one}");
        assert!(ids.change(&one).is_some());
        assert!(RequestIds::new(RequestIdUse::Off).is_none());
    }
}
