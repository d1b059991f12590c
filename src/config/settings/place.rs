//! A place in a settings file, as mistakes and `calmd config --show` tell it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A place in a settings file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlace {
    /// The file, as the operator named it.
    pub file: Arc<Path>,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for FilePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FilePlace { file, line, column } = self;
        write!(f, "{}:{line}:{column}", file.display())
    }
}
