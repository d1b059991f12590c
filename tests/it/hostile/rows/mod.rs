//! The rows of the catalogue.

mod files;
mod floods;
mod h1;
mod headers;
mod tls;
mod windows;
mod work;

use crate::attack::Attack;
use crate::raw_h2::{END_HEADERS, END_STREAM};

const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const FRAME_SIZE_ERROR: u32 = 6;
const COMPRESSION_ERROR: u32 = 9;
const ENHANCE_YOUR_CALM: u32 = 11;

/// Flags of a whole request in one frame.
const END: u8 = END_HEADERS | END_STREAM;

/// All rows.
pub fn all() -> impl Iterator<Item = &'static Attack> {
    [
        floods::ALL,
        headers::ALL,
        windows::ALL,
        tls::ALL,
        h1::ALL,
        files::ALL,
        work::ALL,
    ]
    .into_iter()
    .flatten()
}
