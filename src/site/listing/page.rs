//! The page that shows a directory: its beginning, a row for each entry, its end.

use std::fmt::Write;

use super::day::DayText;
use super::entries::ListedEntry;
use super::order::{Key, ListingQuery, Order, SortDirection};
use crate::site::html::escape;
use crate::site::path::encode;
use crate::world::FileKind;

/// The path of the style sheet. Its first name begins with a dot, so no served file can have the path.
pub(crate) const STYLE_PATH: &[u8] = b"/.calmd/listing.css";

const COLUMNS: [(Key, &str, &str); 3] = [
    (Key::Name, "name", "Name"),
    (Key::Size, "size", "Size"),
    (Key::Modified, "date", "Modified (UTC)"),
];

/// The place of a page in its listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PagePlace {
    pub(crate) wanted: ListingQuery,
    /// Number of pages.
    pub(crate) pages: usize,
    /// Number of entries on all pages.
    pub(crate) entries: usize,
    /// True if the directory holds more entries than were read.
    pub(crate) is_cut: bool,
}

/// Appends the beginning of the page of the directory at `path`, and the head of its table.
pub(crate) fn begin(page: &mut String, path: &[u8], order: Order) {
    let title = String::from_utf8_lossy(path);
    page.push_str(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n",
    );
    if order != Order::BY_NAME {
        // Every order is a page of its own with equal names. One of them is enough for a robot.
        page.push_str("<meta name=\"robots\" content=\"noindex,nofollow\">\n");
    }
    page.push_str("<title>/");
    escape(page, &title);
    page.push_str("</title>\n<link rel=\"stylesheet\" href=\"/.calmd/listing.css\">\n<main>\n<h1>");
    breadcrumbs(page, path);
    page.push_str("</h1>\n<table>\n<thead>\n<tr>");
    for (key, parameter, label) in COLUMNS {
        let current = key == order.key;
        let (state, arrow, next) = match order.direction {
            SortDirection::Ascending if current => (" aria-sort=\"ascending\"", " ↑", "desc"),
            SortDirection::Descending if current => (" aria-sort=\"descending\"", " ↓", "asc"),
            _ => ("", "", "asc"),
        };
        // A form instead of links, because a program that copies a site follows links, and would copy
        // the page once for each order.
        let _ = write!(
            page,
            "<th{state}><form><input type=\"hidden\" name=\"order\" value=\"{next}\">\
             <button name=\"sort\" value=\"{parameter}\">{label}{arrow}</button></form>"
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
        // The links are relative, so that the names of the directories above are not repeated in each.
        page.push_str("./");
        for _ in at + 1..segments.len() {
            page.push_str("../");
        }
        page.push_str("\">");
        escape(page, &String::from_utf8_lossy(segment));
        page.push_str("/</a>");
    }
}

/// Appends the row of an entry. `date` has the day of the row before.
pub(crate) fn row(page: &mut String, entry: ListedEntry<'_>, date: &mut DayText) {
    let (slash, begin) = match entry.kind {
        FileKind::Directory => ("/", "<tr><td><a class=\"d\" href=\""),
        FileKind::File => ("", "<tr><td><a href=\""),
    };
    page.push_str(begin);
    match plain(entry.name) {
        Some(name) => {
            for text in [name, slash, "\">", name] {
                page.push_str(text);
            }
        }
        None => {
            page.extend(encode(entry.name));
            page.push_str(slash);
            page.push_str("\">");
            escape(page, &String::from_utf8_lossy(entry.name));
        }
    }
    page.push_str(slash);
    page.push_str("</a><td>");
    if entry.kind == FileKind::File {
        size(page, entry.len);
    }
    page.push_str("<td>");
    date.push_minute(page, entry.modified);
    page.push('\n');
}

/// A name that stands as it is in text and in a link.
fn plain(name: &[u8]) -> Option<&str> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if name.iter().all(is_plain) {
        std::str::from_utf8(name).ok()
    } else {
        None
    }
}

/// Appends the end of the table and of the page, with links to the other pages.
pub(crate) fn end(page: &mut String, place: PagePlace) {
    let PagePlace {
        wanted,
        pages,
        entries,
        is_cut,
    } = place;
    let noun = if entries == 1 { "entry" } else { "entries" };
    let rest = if is_cut {
        "; the directory holds more than are listed"
    } else {
        ""
    };
    let _ = write!(page, "</table>\n<p>{entries} {noun}{rest}</p>\n");
    if pages > 1 {
        let _ = write!(page, "<nav>Page {} of {pages}", wanted.page);
        let others = [
            ("first", 1),
            ("previous", wanted.page.saturating_sub(1)),
            ("next", wanted.page.saturating_add(1)),
            ("last", pages),
        ];
        for (label, number) in others {
            if number != wanted.page && (1..=pages).contains(&number) {
                let _ = write!(page, " <a href=\"?");
                query(page, wanted.order);
                let _ = write!(page, "page={number}\">{label}</a>");
            }
        }
        page.push_str("</nav>\n");
    }
    page.push_str("</main>\n</html>\n");
}

/// Appends the parameters of an order, unless it is the default.
fn query(page: &mut String, order: Order) {
    if order != Order::BY_NAME {
        let column = COLUMNS.iter().find(|(key, ..)| *key == order.key);
        let parameter = column.map_or("name", |(_, parameter, _)| parameter);
        let direction = match order.direction {
            SortDirection::Ascending => "asc",
            SortDirection::Descending => "desc",
        };
        let _ = write!(page, "sort={parameter}&amp;order={direction}&amp;");
    }
}

/// Appends a length for people: three digits and a unit.
fn size(page: &mut String, len: u64) {
    const UNITS: [&str; 6] = [" KiB", " MiB", " GiB", " TiB", " PiB", " EiB"];
    if len < 1024 {
        push_number(page, len);
        page.push_str(" B");
        return;
    }
    // The bound keeps rounding from showing "1024 KiB".
    let mut shift = 10;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while 2 * u128::from(len) >= 2047 << shift
        && let Some(next) = units.next()
    {
        shift += 10;
        unit = Some(next);
    }
    let half = 1 << (shift - 1);
    let tenths = (u128::from(len) * 10 + half) >> shift;
    if tenths < 100 {
        push_number(page, tenths as u64 / 10);
        page.push('.');
        push_number(page, tenths as u64 % 10);
    } else {
        push_number(page, ((u128::from(len) + half) >> shift) as u64);
    }
    page.push_str(unit.unwrap_or(&""));
}

/// Appends a number of up to four digits; of a longer one, too, but slower.
fn push_number(page: &mut String, number: u64) {
    if number >= 10 {
        push_number(page, number / 10);
    }
    page.push(char::from(b'0' + (number % 10) as u8));
}

/// The style sheet of all listings.
pub(crate) const STYLE: &str = "\
:root{--line:#8883;--accent:#2a7f62}
@media(prefers-color-scheme:dark){:root{--accent:#6fcfae}}
body{margin:0;font:1rem/1.5 system-ui,sans-serif;background:Canvas;color:CanvasText}
main{max-width:60rem;margin:0 auto;padding:2rem 1.25rem 3rem}
h1{margin:0 0 1.25rem;font-size:1.25rem;font-weight:600;overflow-wrap:anywhere}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.4rem .75rem;text-align:left;border-bottom:1px solid var(--line)}
th{position:sticky;top:0;background:Canvas;font-size:.875rem}
th+th,td+td{text-align:right;white-space:nowrap}
td+td{opacity:.7}
form{margin:0}
button{all:unset;font:inherit;font-weight:600;cursor:pointer}
button:focus-visible{outline:2px solid var(--accent)}
button:hover{text-decoration:underline}
td:first-child{overflow-wrap:anywhere}
a{color:inherit;text-decoration:none}
a:hover{text-decoration:underline}
td a,nav a,h1 a:hover{color:var(--accent)}
a.d{font-weight:600}
tbody tr:hover{background:#8881}
p,nav{opacity:.8;font-size:.875rem}
@media(max-width:36rem){th:last-child,td:last-child{display:none}}
";

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn entry(name: &[u8]) -> ListedEntry<'_> {
        ListedEntry {
            name,
            kind: FileKind::File,
            len: 1536,
            modified: UNIX_EPOCH + Duration::from_secs(784_111_777),
        }
    }

    fn page_for(query: &[u8], names: &[&[u8]], path: &[u8], pages: usize) -> String {
        let mut page = String::new();
        let wanted = ListingQuery::parse(query);
        begin(&mut page, path, wanted.order);
        let mut date = DayText::default();
        let rows = names.iter().map(|name| entry(name));
        rows.for_each(|entry| row(&mut page, entry, &mut date));
        let place = PagePlace {
            wanted,
            pages,
            entries: names.len(),
            is_cut: false,
        };
        end(&mut page, place);
        page
    }

    fn page(names: &[&[u8]], path: &[u8]) -> String {
        page_for(b"", names, path, 1)
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
    fn the_current_column_turns_round_and_no_link_leads_to_another_order() {
        let page = page(&[], b"");
        assert!(page.contains(
            "<th aria-sort=\"ascending\"><form><input type=\"hidden\" name=\"order\" value=\"desc\">\
             <button name=\"sort\" value=\"name\">Name ↑</button></form>"
        ));
        assert!(page.contains("<button name=\"sort\" value=\"size\">Size</button>"));
        assert!(!page.contains("href=\"?"));
        assert!(!page.contains("robots"));
        assert!(page_for(b"sort=size", &[], b"", 1).contains("content=\"noindex,nofollow\""));
    }

    #[test]
    fn pages_lead_to_one_another_in_the_same_order() {
        let links = |query: &[u8]| {
            let page = page_for(query, &[], b"", 4);
            let links = page
                .split("<a href=\"?")
                .skip(1)
                .map(|rest| rest.split("</a>").next().unwrap());
            links.map(str::to_owned).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(links(b""), "page=2\">next page=4\">last");
        assert_eq!(links(b"page=4"), "page=1\">first page=3\">previous");
        assert_eq!(
            links(b"page=1&sort=size&order=desc"),
            "sort=size&amp;order=desc&amp;page=2\">next sort=size&amp;order=desc&amp;page=4\">last"
        );
    }

    #[test]
    fn nothing_on_the_page_needs_an_inline_style_or_script() {
        let page = page(&[b"a"], b"b");
        assert!(!page.contains("<style") && !page.contains("style=") && !page.contains("<script"));
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
