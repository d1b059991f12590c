//! Mistakes in the options of a site, told in one line with the way to mend them.

use std::fmt;

/// An option of the site that has no valid value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteError {
    option: &'static str,
    value: String,
    problem: String,
}

impl SiteError {
    pub(crate) fn new(option: &'static str, value: &str, problem: impl Into<String>) -> Self {
        SiteError {
            option,
            value: value.to_owned(),
            problem: problem.into(),
        }
    }

    /// The mistake and the right form, for a caller that has named the option and its value already.
    pub(crate) fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for SiteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Control characters of a mistyped value must not reach the terminal.
        write!(
            f,
            "{} '{}': {}",
            self.option,
            self.value.escape_debug(),
            self.problem
        )
    }
}

impl std::error::Error for SiteError {}
