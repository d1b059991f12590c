//! Uploads: requests that become files of one directory.
//!
//! ```text
//! PUT, POST ──▶ Receiving ──▶ a hidden temporary, locked ──rename──▶ a file under its name
//!                  └─ Form: multipart/form-data, cut as it comes
//! GET, HEAD ──▶ a site of that directory, as attachments        GET of the directory ──▶ a page with a form
//! ```
//!
//! A file is written under a hidden name and gets its own when it is whole, so a reader sees all of it or
//! nothing. What a killed server leaves is hidden, and without a lock: the next start removes it. Names are
//! never trusted: only the last segment of a name is used, without characters that mislead. No part is
//! collected in memory.
//!
//! A write goes to the kernel's page cache, in the pieces that a turn receives. Syncing is left to the kernel.

mod form;
mod name;
mod page;
mod receiving;
mod rule;
mod store;
mod uploads;

pub use rule::{ExistingName, UploadRule};
pub use uploads::Uploads;
