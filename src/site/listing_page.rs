//! The page that shows a directory.

use std::fmt::Write;
use std::time::SystemTime;

use super::html::escape;
use super::listing::{Direction, Key, Order};
use super::path::encode;
use crate::http::date;
use crate::world::{Extent, FileKind, Listing, ListingEntry};

/// The longest page in bytes: a thousand names of common length. What does not fit is left out, and the
/// page says so.
pub(crate) const MAX_LEN: usize = 160 << 10;

/// What may follow the last row.
const TAIL_LEN: usize = 256;

/// The longest row: a name of 255 bytes, each percent-encoded in the link and escaped in the text,
/// and what is around it.
const MAX_ROW: usize = 255 * (3 + 6) + 256;

const COLUMNS: [(Key, &str, &str); 3] = [
    (Key::Name, "name", "Name"),
    (Key::Size, "size", "Size"),
    (Key::Modified, "date", "Modified (UTC)"),
];

/// The page of the directory at `path` with its entries, which are sorted already.
pub(crate) fn html(path: &[u8], listing: &Listing, order: Order) -> String {
    let mut page = String::with_capacity(4096 + 128 * listing.entries.len());
    head(&mut page, path, order);
    let mut shown = 0;
    for entry in &listing.entries {
        if page.len() + MAX_ROW + TAIL_LEN > MAX_LEN {
            break;
        }
        row(&mut page, entry);
        shown += 1;
    }
    let noun = if shown == 1 { "entry" } else { "entries" };
    let rest = match listing.extent {
        Extent::Whole if shown == listing.entries.len() => "",
        _ => "; there are more than fit on a page",
    };
    let _ = write!(
        page,
        "</table>\n<p>{shown} {noun}{rest}</p>\n</main>\n</html>\n"
    );
    page
}

fn head(page: &mut String, path: &[u8], order: Order) {
    let title = String::from_utf8_lossy(path);
    page.push_str(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>/",
    );
    escape(page, &title);
    let _ = write!(page, "</title>\n<style>{STYLE}</style>\n<main>\n<h1>");
    breadcrumbs(page, path);
    page.push_str("</h1>\n<table>\n<thead>\n<tr>");
    for (key, parameter, label) in COLUMNS {
        let current = key == order.key;
        let (state, arrow, next) = match order.direction {
            Direction::Ascending if current => (" aria-sort=\"ascending\"", " ↑", "desc"),
            Direction::Descending if current => (" aria-sort=\"descending\"", " ↓", "asc"),
            _ => ("", "", "asc"),
        };
        let _ = write!(
            page,
            "<th{state}><a href=\"?sort={parameter}&amp;order={next}\">{label}{arrow}</a>"
        );
    }
    page.push_str("\n<tbody>\n");
    if !path.is_empty() {
        page.push_str("<tr><td><a href=\"../\">../</a><td><td>\n");
    }
}

/// The directories above, each a link.
fn breadcrumbs(page: &mut String, path: &[u8]) {
    let segments: Vec<&[u8]> = path
        .split(|byte| *byte == b'/')
        .filter(|segment| !segment.is_empty())
        .collect();
    page.push_str("<a href=\"/\">/</a>");
    for (at, segment) in segments.iter().enumerate() {
        page.push_str("<a href=\"");
        // Relative to this directory, so that the names above are not repeated in each link.
        page.push_str("./");
        for _ in at + 1..segments.len() {
            page.push_str("../");
        }
        page.push_str("\">");
        escape(page, &String::from_utf8_lossy(segment));
        page.push_str("/</a>");
    }
}

fn row(page: &mut String, entry: &ListingEntry) {
    let (slash, class) = match entry.metadata.kind {
        FileKind::Directory => ("/", " class=\"d\""),
        FileKind::File => ("", ""),
    };
    let _ = write!(page, "<tr><td><a{class} href=\"");
    page.extend(encode(&entry.name));
    let _ = write!(page, "{slash}\">");
    escape(page, &String::from_utf8_lossy(&entry.name));
    let _ = write!(page, "{slash}</a><td>");
    if entry.metadata.kind == FileKind::File {
        size(page, entry.metadata.len);
    }
    let _ = writeln!(page, "<td>{}", day_and_minute(entry.metadata.modified));
}

/// `01 Jan 2026 00:00`, the middle of an HTTP date.
fn day_and_minute(time: SystemTime) -> String {
    let date = date::format(time);
    date.get(5..22).unwrap_or_default().to_owned()
}

/// A length as people read it: three digits and a unit.
fn size(page: &mut String, len: u64) {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if len < 1024 {
        let _ = write!(page, "{len} B");
        return;
    }
    let mut value = len as f64 / 1024.0;
    let mut unit = 0;
    // Rounding must not show "1024 KiB".
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = usize::from(value < 9.95);
    let _ = write!(page, "{value:.decimals$} {}", UNITS[unit]);
}

const STYLE: &str = "\
:root{--line:#8883;--accent:#2a7f62}\
@media(prefers-color-scheme:dark){:root{--accent:#6fcfae}}\
body{margin:0;font:1rem/1.5 system-ui,sans-serif;background:Canvas;color:CanvasText}\
main{max-width:60rem;margin:0 auto;padding:2rem 1.25rem 3rem}\
h1{margin:0 0 1.25rem;font-size:1.25rem;font-weight:600;overflow-wrap:anywhere}\
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}\
th,td{padding:.4rem .75rem;text-align:left;border-bottom:1px solid var(--line)}\
th{position:sticky;top:0;background:Canvas;font-size:.875rem}\
th+th,td+td{text-align:right;white-space:nowrap}td+td,th:not([aria-sort]) a{opacity:.7}\
td:first-child{overflow-wrap:anywhere}\
a{color:inherit;text-decoration:none}a:hover{text-decoration:underline}\
td a,h1 a:hover{color:var(--accent)}a.d{font-weight:600}\
tbody tr:hover{background:#8881}\
p{opacity:.7;font-size:.875rem}\
@media(max-width:36rem){th:last-child,td:last-child{display:none}}";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Metadata;
    use std::time::{Duration, UNIX_EPOCH};

    fn page(names: &[&[u8]], path: &[u8]) -> String {
        let entry = |name: &&[u8]| ListingEntry {
            name: name.to_vec(),
            metadata: Metadata {
                kind: FileKind::File,
                len: 1536,
                modified: UNIX_EPOCH + Duration::from_secs(784_111_777),
                identity: (0, 0, 0),
            },
        };
        let listing = Listing {
            entries: names.iter().map(entry).collect(),
            extent: Extent::Whole,
        };
        html(path, &listing, Order::parse(b""))
    }

    #[test]
    fn a_row_says_name_size_and_time() {
        let page = page(&[b"a.txt"], b"");
        assert!(page.contains("<a href=\"a.txt\">a.txt</a><td>1.5 KiB<td>06 Nov 1994 08:49\n"));
        assert!(page.contains("<p>1 entry</p>"));
        assert!(!page.contains("../"));
    }

    #[test]
    fn names_are_escaped_in_text_and_encoded_in_links() {
        let name = b"\"><script>alert('&')</script>";
        let page = page(&[name, b"\xff javascript:x"], name);
        assert!(!page.contains("<script") && !page.contains("alert('"));
        assert!(page.contains("&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)"));
        assert!(page.contains("href=\"%FF%20javascript%3Ax\">\u{fffd} javascript:x<"));
    }

    #[test]
    fn the_directories_above_are_links() {
        let page = page(&[], b"a/<b>/c");
        assert!(page.contains(
            "<h1><a href=\"/\">/</a><a href=\"./../../\">a/</a>\
             <a href=\"./../\">&lt;b&gt;/</a><a href=\"./\">c/</a></h1>"
        ));
        assert!(page.contains("<title>/a/&lt;b&gt;/c</title>"));
        assert!(page.contains("<p>0 entries</p>"));
    }

    #[test]
    fn the_current_column_turns_round() {
        let page = page(&[], b"");
        assert!(page.contains(
            "<th aria-sort=\"ascending\"><a href=\"?sort=name&amp;order=desc\">Name ↑</a>"
        ));
        assert!(page.contains("<th><a href=\"?sort=size&amp;order=asc\">Size</a>"));
    }

    #[test]
    fn a_page_never_grows_past_its_bound() {
        let name = vec![b'<'; 255];
        let page = page(&vec![name.as_slice(); 2000], b"a");
        assert!(page.len() <= MAX_LEN);
        assert!(page.contains("there are more"));
    }

    #[test]
    fn sizes_are_short() {
        let size = |len| {
            let mut text = String::new();
            size(&mut text, len);
            text
        };
        for (len, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (10 << 10, "10 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(size(len), expected);
        }
    }
}
