//! The bytes of a response, and the open files that they come from.
//!
//! ```text
//! Body ─▶ Sequence ─▶ Slice ─▶ FileSlice ─▶ OpenFile ─▶ table of open files
//!   └───▶ Stream        └────▶ memory, lent bytes
//! ```
//!
//! A body holds no buffer: it is a sequence of slices of memory and of open files, and reads what it
//! is asked for straight into the caller's buffer. A reader that stalls therefore costs a descriptor
//! and a few words, and nothing is read from a file before there is room for it.
//!
//! Statuses, fields and the choice of a file are left to the callers.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod body;
mod cold_names;
mod digest;
mod error;
mod file_part;
mod file_slice;
mod lent_bytes;
mod open_file;
mod open_files;
mod progress;
mod sequence;
mod slice;
mod stream;
mod supply;
#[cfg(test)]
mod tests;

pub use body::{Body, Least};
pub(crate) use cold_names::ColdNames;
pub(crate) use digest::Digest;
pub use error::BodyError;
pub use file_part::FilePart;
pub(crate) use file_part::LONGEST_PART;
pub use file_slice::FileSlice;
pub use lent_bytes::LentBytes;
pub use open_file::OpenFile;
pub(crate) use open_file::{FileSlot, FileState, FileTable, Growth};
pub(crate) use open_files::is_descriptor_limit;
pub use progress::Progress;
pub use sequence::Sequence;
pub(crate) use slice::ResidentContent;
pub use slice::Slice;
pub use stream::ContentStream;
#[cfg(any(feature = "proxy", feature = "upload"))]
pub(crate) use supply::DescriptorSupply;
pub(crate) use supply::Supply;
