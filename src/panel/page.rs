//! The files of the page, which are part of the program.

use std::cell::RefCell;
use std::rc::Rc;

/// A file of the page.
struct PanelFile {
    path: &'static str,
    media_type: &'static str,
    content: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file of this path.
const fn file(path: &'static str, media_type: &'static str, content: &'static str) -> PanelFile {
    PanelFile {
        path,
        media_type,
        content,
    }
}

/// All files of the page.
const FILES: [PanelFile; 13] = [
    file("/", HTML, include_str!("page/index.html")),
    file("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    file("/panel.css", CSS, include_str!("page/panel.css")),
    file("/panel.js", SCRIPT, include_str!("page/panel.js")),
    file("/api.js", SCRIPT, include_str!("page/api.js")),
    file("/format.js", SCRIPT, include_str!("page/format.js")),
    file("/canvas.js", SCRIPT, include_str!("page/canvas.js")),
    file("/chart.js", SCRIPT, include_str!("page/chart.js")),
    file("/axis.js", SCRIPT, include_str!("page/axis.js")),
    file(
        "/connections.js",
        SCRIPT,
        include_str!("page/connections.js"),
    ),
    file("/connection.js", SCRIPT, include_str!("page/connection.js")),
    file("/overview.js", SCRIPT, include_str!("page/overview.js")),
    file("/logs.js", SCRIPT, include_str!("page/logs.js")),
];

/// A path and the content there.
type KnownFile = (&'static str, Rc<[u8]>);

/// The files that were asked for, in memory once for all who read them.
#[derive(Default)]
pub(super) struct PanelPage {
    files: RefCell<Vec<KnownFile>>,
}

impl PanelPage {
    /// The type and the content of the file at a path.
    pub(super) fn file(&self, path: &[u8]) -> Option<(&'static str, Rc<[u8]>)> {
        let file = FILES.iter().find(|file| file.path.as_bytes() == path)?;
        let mut files = self.files.borrow_mut();
        let known = files.iter().find(|(path, _)| *path == file.path);
        let content = match known {
            Some((_, content)) => content.clone(),
            None => {
                let content: Rc<[u8]> = file.content.as_bytes().into();
                files.push((file.path, content.clone()));
                content
            }
        };
        Some((file.media_type, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_nothing_but_files_of_its_own_and_has_no_code_inside() {
        let page = PanelPage::default();
        let (_, html) = page.file(b"/").unwrap();
        let html = std::str::from_utf8(&html).unwrap();
        for attribute in ["src=\"", "href=\""] {
            for part in html.split(attribute).skip(1) {
                let target = part.split('"').next().unwrap();
                let is_anchor = target.starts_with('#');
                assert!(
                    is_anchor || page.file(target.as_bytes()).is_some(),
                    "{target}"
                );
            }
        }
        for inline in ["<script>", "<style", " style=", " onclick=", " onload="] {
            assert!(!html.contains(inline), "{inline}");
        }
        for file in &FILES {
            let elsewhere = file.content.split("://").skip(1);
            for part in elsewhere {
                // The namespace of SVG is a name, and nothing is loaded from there.
                assert!(part.starts_with("www.w3.org/"), "{}: {part}", file.path);
            }
        }
        assert!(page.file(b"/panel.txt").is_none());
    }
}
