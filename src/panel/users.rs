//! The file of the panel's users.

use std::path::Path;

use crate::rules::Users;
use crate::world::files::read_regular;

/// The longest file of users: 10,000 of them with 100 bytes each.
const LONGEST: u64 = 1 << 20;

/// Reads the users of the panel. The error is one line, with the way to mend it.
pub fn read_users(file: &Path) -> Result<Users, String> {
    let content = read_regular(file, LONGEST).map_err(|reason| {
        format!(
            "cannot read the users of the panel '{}' (--admin-users): {reason}",
            file.display()
        )
    })?;
    Users::parse(file, &content)
}
