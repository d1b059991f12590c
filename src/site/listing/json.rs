//! A listing for programs: an array of objects, in the shape of nginx's autoindex.

use crate::http::date;
use crate::world::{FileKind, ListingEntry};
use serde::Serialize;

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    mtime: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

/// Appends an entry. Bytes of the name that are not UTF-8 are replaced.
pub(crate) fn row(out: &mut String, entry: &ListingEntry) {
    let is_file = entry.metadata.kind == FileKind::File;
    let row = Row {
        name: &String::from_utf8_lossy(&entry.name),
        kind: if is_file { "file" } else { "directory" },
        mtime: date::format(entry.metadata.modified),
        size: is_file.then_some(entry.metadata.len),
    };
    // Serializing strings and numbers cannot fail.
    out.push_str(&serde_json::to_string(&row).unwrap_or_default());
}
