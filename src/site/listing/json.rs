//! A listing for programs: an array of objects, in the shape of nginx's autoindex.

use super::entries::ListedEntry;
use crate::http::date;
use crate::world::FileKind;
use serde::Serialize;

#[derive(Serialize)]
struct JsonRow<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    mtime: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

/// Appends an entry. Bytes of the name that are not UTF-8 are replaced.
pub(crate) fn row(out: &mut String, entry: ListedEntry<'_>) {
    let is_file = entry.kind == FileKind::File;
    let row = JsonRow {
        name: &String::from_utf8_lossy(entry.name),
        kind: if is_file { "file" } else { "directory" },
        mtime: date::format(entry.modified),
        size: is_file.then_some(entry.len),
    };
    // Serializing strings and numbers cannot fail.
    out.push_str(&serde_json::to_string(&row).unwrap_or_default());
}
