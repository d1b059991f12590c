//! The `expect` field (RFC 9110 §10.1.1), judged by one rule for both versions.

/// A request's expectation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// The request has no expectation.
    #[default]
    Nothing,
    /// `100-continue`: the client waits for 100 or a final status before it sends its content.
    Continue,
    /// An expectation that no server can meet: the answer is 417.
    Unknown,
}

impl Expected {
    /// The expectation after one more line of the field. The line's value is compared without regard to
    /// case: Java says `100-Continue`.
    pub fn with(self, value: &[u8]) -> Expected {
        match self {
            Expected::Unknown => self,
            _ if value.eq_ignore_ascii_case(b"100-continue") => Expected::Continue,
            _ => Expected::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Expected;

    #[test]
    fn one_expectation_is_known() {
        let of = |values: &[&str]| {
            let values = values.iter().map(|value| value.as_bytes());
            values.fold(Expected::Nothing, Expected::with)
        };
        assert_eq!(of(&[]), Expected::Nothing);
        assert_eq!(of(&["100-continue"]), Expected::Continue);
        assert_eq!(of(&["100-Continue", "100-continue"]), Expected::Continue);
        for values in [
            &["x"][..],
            &[""],
            &["100-continue, x"],
            &["x", "100-continue"],
            &["100-continue", "x"],
        ] {
            assert_eq!(of(values), Expected::Unknown, "{values:?}");
        }
    }
}
