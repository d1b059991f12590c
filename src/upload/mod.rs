//! Uploads: requests that become files of one directory.
//!
//! ```text
//! PUT, POST ──▶ Receiving ──▶ a temporary without a name ──link──▶ a file under its name
//!                  └─ Form: multipart/form-data, cut as it comes
//! GET, HEAD ──▶ a site of that directory, as attachments        GET of the directory ──▶ a page with a form
//! ```
//!
//! A file is written without a name and gets its own when it is whole, so a reader sees all of it or nothing.
//! It has a hidden name meanwhile if the file system demands one (`store`). A killed server leaves hidden files
//! at most, without a lock: the next start removes them. Names are never trusted: only the last segment of a name
//! is used, without characters that mislead. No part is collected in memory.
//!
//! A digest is computed where a request sends one or asks for one, while the content passes.
//!
//! A process of its own writes (`writing`), so that a slow disk slows the senders of files down, and nobody else.
//! If it cannot be started, or has ended, the server writes into the kernel's page cache, in the pieces that a turn
//! receives, and the turn is charged for it.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod answer;
mod counts;
mod digest;
mod form;
mod known;
mod limits;
mod name;
mod page;
mod receiving;
mod refusal;
mod rule;
mod scratch;
mod store;
mod uploads;
mod writer;
mod writing;

pub use counts::UploadCounts;
pub use limits::UploadLimits;
pub use rule::{ExistingName, UploadPurpose, UploadRule};
pub use scratch::ScratchDirectory;
pub use store::UploadMeans;
pub use uploads::Uploads;
pub use writer::UploadWriter;
