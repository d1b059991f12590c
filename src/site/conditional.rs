//! Conditional requests (RFC 9110 §13).

use super::validators::StateKey;
use crate::http::{Fields, date};

/// The values that preconditions compare.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validators<'a> {
    /// The strong entity tag, with its quotes, once the content is hashed.
    pub(crate) strong_tag: Option<&'a [u8]>,
    /// The state that the weak entity tag is made of. The weak tag is sent until the content is hashed.
    pub(crate) state: StateKey,
    /// `Last-Modified`, in seconds since 1970, if that date tells this version from others.
    pub(crate) last_modified: Option<u64>,
}

/// Result of the preconditions of a GET or HEAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PreconditionOutcome {
    /// The preconditions hold, or there are none.
    Proceed,
    /// 304
    NotModified,
    /// 412
    Failed,
}

/// The fields of a request that its preconditions are in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PreconditionFields {
    /// `if-match` or `if-unmodified-since`.
    pub(crate) wants_match: bool,
    /// `if-none-match` or `if-modified-since`.
    pub(crate) wants_change: bool,
}

/// Evaluates the preconditions in the order of RFC 9110 §13.2.2.
pub(crate) fn evaluate(
    request: &Fields,
    asked: PreconditionFields,
    validators: &Validators<'_>,
) -> PreconditionOutcome {
    if asked.wants_match && !matches_now(request, validators) {
        return PreconditionOutcome::Failed;
    }
    if asked.wants_change && !has_changed(request, validators) {
        return PreconditionOutcome::NotModified;
    }
    PreconditionOutcome::Proceed
}

/// True if `if-match` holds, or `if-unmodified-since` where there is no such field.
fn matches_now(request: &Fields, validators: &Validators<'_>) -> bool {
    if request.value("if-match").is_some() {
        // RFC 9110 §13.1.1: strong comparison.
        return any_tag(request, "if-match", |tag| tag.is_strong(validators));
    }
    match (
        seconds(request, "if-unmodified-since"),
        validators.last_modified,
    ) {
        (Some(since), Some(modified)) => modified <= since,
        _ => true,
    }
}

/// True if `if-none-match` holds, or `if-modified-since` where there is no such field.
fn has_changed(request: &Fields, validators: &Validators<'_>) -> bool {
    if request.value("if-none-match").is_some() {
        // RFC 9110 §13.1.2: weak comparison.
        return !any_tag(request, "if-none-match", |tag| tag.is_weak(validators));
    }
    match (
        seconds(request, "if-modified-since"),
        validators.last_modified,
    ) {
        (Some(since), Some(modified)) => modified > since,
        _ => true,
    }
}

/// Evaluates the preconditions on a resource without validators. Only `*` matches it, and dates are
/// ignored (RFC 9110 §13.1).
pub(crate) fn evaluate_without_validators(request: &Fields) -> PreconditionOutcome {
    let is_any = |tag: EntityTag<'_>| matches!(tag, EntityTag::Any);
    if request.value("if-match").is_some() && !any_tag(request, "if-match", is_any) {
        return PreconditionOutcome::Failed;
    }
    if any_tag(request, "if-none-match", is_any) {
        PreconditionOutcome::NotModified
    } else {
        PreconditionOutcome::Proceed
    }
}

/// True if the `Range` of a request is to be honoured (RFC 9110 §13.1.5).
pub(crate) fn range_applies(request: &Fields, validators: &Validators<'_>) -> bool {
    let Some(value) = request.value("if-range") else {
        return true;
    };
    match parse_tag(value) {
        Some((tag, _)) => tag.is_strong(validators),
        // The date must be equal to the one that was sent. A later date is not enough.
        None => match (
            date::parse(value).map(date::seconds),
            validators.last_modified,
        ) {
            (Some(date), Some(modified)) => date == modified,
            _ => false,
        },
    }
}

/// An element of a list of entity tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EntityTag<'a> {
    /// `*`
    Any,
    /// `W/"…"`
    Weak(&'a [u8]),
    /// `"…"`
    Strong(&'a [u8]),
}

impl EntityTag<'_> {
    /// Strong comparison (RFC 9110 §8.8.3.2): true if the tags are equal and neither is weak. `*`
    /// matches every representation.
    fn is_strong(self, validators: &Validators<'_>) -> bool {
        match self {
            EntityTag::Any => true,
            EntityTag::Weak(_) => false,
            EntityTag::Strong(tag) => Some(tag) == validators.strong_tag,
        }
    }

    /// Weak comparison (RFC 9110 §8.8.3.2): true if the tags are equal, weak or not. The weak tag
    /// matches even if the file has a strong one by now, because the file is still in the state that
    /// the weak tag was made of.
    fn is_weak(self, validators: &Validators<'_>) -> bool {
        match self {
            EntityTag::Any => true,
            EntityTag::Weak(tag) | EntityTag::Strong(tag) => {
                Some(tag) == validators.strong_tag || tag == validators.state.opaque()
            }
        }
    }
}

/// True if any tag in the fields called `name` matches. A malformed tag ends its field.
fn any_tag(request: &Fields, name: &str, matches: impl Fn(EntityTag<'_>) -> bool) -> bool {
    request.values(name).any(|value| {
        if value == b"*" {
            return matches(EntityTag::Any);
        }
        let mut rest = value;
        loop {
            rest = rest.trim_ascii_start();
            rest = match rest.strip_prefix(b",") {
                Some(behind) => behind,
                None => match parse_tag(rest) {
                    Some((tag, _)) if matches(tag) => return true,
                    Some((_, behind)) => behind,
                    None => return false,
                },
            };
        }
    })
}

/// The entity tag at the beginning, and the bytes behind it (RFC 9110 §8.8.3).
fn parse_tag(value: &[u8]) -> Option<(EntityTag<'_>, &[u8])> {
    let (quoted, is_weak) = match value.strip_prefix(b"W/") {
        Some(quoted) => (quoted, true),
        None => (value, false),
    };
    let inner = quoted.strip_prefix(b"\"")?;
    let len = inner.iter().position(|byte| *byte == b'"')?;
    let (tag, rest) = quoted.split_at(len + 2);
    let tag = if is_weak {
        EntityTag::Weak(tag)
    } else {
        EntityTag::Strong(tag)
    };
    Some((tag, rest))
}

/// A date field in seconds. A value that is no date is ignored (RFC 9110 §13.1.3).
fn seconds(request: &Fields, name: &str) -> Option<u64> {
    date::parse(request.value(name)?).map(date::seconds)
}

#[cfg(test)]
mod tests {
    use super::PreconditionOutcome::*;
    use super::*;

    /// The outcome for a request that may have any of the fields.
    fn evaluate(request: &Fields, validators: &Validators<'_>) -> PreconditionOutcome {
        let asked = PreconditionFields {
            wants_match: true,
            wants_change: true,
        };
        super::evaluate(request, asked, validators)
    }
    use crate::site::validators::{Settling, weak_tag};
    use crate::world::{FileKind, Metadata};
    use std::time::UNIX_EPOCH;

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const EXACTLY: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn state() -> StateKey {
        let metadata = Metadata {
            kind: FileKind::File,
            len: 0,
            modified: UNIX_EPOCH,
            identity: (0, 0, 0),
            links: 1,
        };
        StateKey::new(&metadata, Settling::Settled, UNIX_EPOCH)
    }

    fn validators() -> Validators<'static> {
        Validators {
            strong_tag: Some(b"\"a,b\""),
            state: state(),
            last_modified: Some(784_111_777),
        }
    }

    fn outcome(fields: &[(&str, &str)]) -> PreconditionOutcome {
        evaluate(&fields.iter().copied().collect(), &validators())
    }

    #[test]
    fn a_weak_tag_is_good_for_what_compares_weakly_and_no_more() {
        let weak = weak_tag(state());
        let opaque = weak.strip_prefix("W/").unwrap();
        assert_eq!(outcome(&[("if-none-match", &weak)]), NotModified);
        let unhashed = Validators {
            strong_tag: None,
            ..validators()
        };
        for validators in [validators(), unhashed] {
            for tag in [weak.as_str(), opaque] {
                let fields = |name| -> Fields { [(name, tag)].into_iter().collect() };
                assert_eq!(evaluate(&fields("if-none-match"), &validators), NotModified);
                assert_eq!(evaluate(&fields("if-match"), &validators), Failed);
                assert!(!range_applies(&fields("if-range"), &validators));
            }
        }
    }

    #[test]
    fn without_a_date_of_the_last_change_dates_decide_nothing() {
        let undated = Validators {
            last_modified: None,
            ..validators()
        };
        for date in [BEFORE, EXACTLY, AFTER, "Thu, 01 Jan 1970 00:00:00 GMT"] {
            let fields = |name| -> Fields { [(name, date)].into_iter().collect() };
            assert_eq!(evaluate(&fields("if-modified-since"), &undated), Proceed);
            assert_eq!(evaluate(&fields("if-unmodified-since"), &undated), Proceed);
            assert!(!range_applies(&fields("if-range"), &undated));
        }
    }

    #[test]
    fn s13_1_1_if_match_compares_strongly() {
        assert_eq!(outcome(&[("if-match", "\"a,b\"")]), Proceed);
        assert_eq!(outcome(&[("if-match", "*")]), Proceed);
        assert_eq!(outcome(&[("if-match", "\"x\", \"a,b\"")]), Proceed);
        assert_eq!(
            outcome(&[("if-match", "\"x\""), ("if-match", "\"a,b\"")]),
            Proceed
        );
        assert_eq!(outcome(&[("if-match", "W/\"a,b\"")]), Failed);
        assert_eq!(outcome(&[("if-match", "\"x\"")]), Failed);
        assert_eq!(outcome(&[("if-match", "a,b")]), Failed);
        assert_eq!(outcome(&[("if-match", "")]), Failed);
    }

    #[test]
    fn s13_1_2_if_none_match_compares_weakly() {
        assert_eq!(outcome(&[("if-none-match", "\"a,b\"")]), NotModified);
        assert_eq!(outcome(&[("if-none-match", "W/\"a,b\"")]), NotModified);
        assert_eq!(outcome(&[("if-none-match", "*")]), NotModified);
        assert_eq!(
            outcome(&[("if-none-match", ", \"x\" ,\"y\",, W/\"a,b\"")]),
            NotModified
        );
        assert_eq!(outcome(&[("if-none-match", "\"x\"")]), Proceed);
        assert_eq!(outcome(&[("if-none-match", "\"a")]), Proceed);
        assert_eq!(outcome(&[("if-none-match", "\"a\",\"b\"")]), Proceed);
    }

    #[test]
    fn s13_1_3_and_4_dates_compare_in_seconds() {
        assert_eq!(outcome(&[("if-modified-since", BEFORE)]), Proceed);
        assert_eq!(outcome(&[("if-modified-since", EXACTLY)]), NotModified);
        assert_eq!(outcome(&[("if-modified-since", AFTER)]), NotModified);
        assert_eq!(outcome(&[("if-modified-since", "yesterday")]), Proceed);
        assert_eq!(outcome(&[("if-unmodified-since", BEFORE)]), Failed);
        assert_eq!(outcome(&[("if-unmodified-since", EXACTLY)]), Proceed);
        assert_eq!(outcome(&[("if-unmodified-since", "yesterday")]), Proceed);
    }

    #[test]
    fn s13_2_2_the_order_of_preconditions() {
        let tag_of_another = ("if-none-match", "\"x\"");
        // Entity tags take precedence over dates.
        assert_eq!(
            outcome(&[("if-match", "\"a,b\""), ("if-unmodified-since", BEFORE)]),
            Proceed
        );
        assert_eq!(
            outcome(&[tag_of_another, ("if-modified-since", AFTER)]),
            Proceed
        );
        // A failed precondition takes precedence over "not modified".
        assert_eq!(
            outcome(&[("if-none-match", "\"a,b\""), ("if-match", "\"x\"")]),
            Failed
        );
        assert_eq!(
            outcome(&[("if-match", "*"), ("if-none-match", "\"a,b\"")]),
            NotModified
        );
    }

    #[test]
    fn s13_1_5_if_range_compares_strongly_and_dates_exactly() {
        let applies = |value| {
            let request: Fields = [("if-range", value)].into_iter().collect();
            range_applies(&request, &validators())
        };
        assert!(range_applies(&Fields::new(), &validators()));
        assert!(applies("\"a,b\""));
        assert!(applies(EXACTLY));
        for value in ["W/\"a,b\"", "\"x\"", BEFORE, AFTER, "*", "a,b", ""] {
            assert!(!applies(value), "{value}");
        }
    }
}
