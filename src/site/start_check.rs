//! Warnings at the start about mistakes that would otherwise show only as a 404.

use std::io;
use std::path::Path;

use super::Site;
use crate::world::{FileKind, Files};

impl<F: Files> Site<F> {
    /// Sentences about mistakes in the site's directory, with the way to mend each. `root` is the
    /// directory's name.
    pub fn complaints(&mut self, root: &Path) -> Vec<String> {
        let root = root.display();
        if let Err(error) = self.open_files.tree().open(b"") {
            return vec![format!(
                "the directory '{root}' cannot be read, so that nothing is served: {error}; let this \
                 user read it (chmod o+rx)"
            )];
        }
        let substitutes = std::rc::Rc::clone(&self.substitutes);
        let mut names = substitutes.index.iter().map(|name| &**name);
        let is_there = |name: &[u8]| self.open_files.tree().open(name).is_ok();
        let there = names.clone().find(|name| is_there(name));
        let name = there.or_else(|| names.next()).unwrap_or_default();
        let index = self.open_files.tree().open(name);
        let complaint = match index {
            Ok((_, metadata)) if metadata.kind == FileKind::File => None,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Some(format!(
                "'{root}/index.html' may not be read by this user, so that / answers 403: chmod o+r"
            )),
            _ if self.spa => Some(format!(
                "--spa answers with index.html, which '{root}' does not have: add it, or name the \
                 directory that has it"
            )),
            _ if self.listings.is_none() => Some(format!(
                "'{root}' has no index.html, so that / answers 404: add one, or --listing"
            )),
            _ => None,
        };
        complaint.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::testing::TestSite;

    fn complaints(site: &mut TestSite) -> String {
        site.site.complaints(Path::new("ROOT")).join("\n")
    }

    #[test]
    fn a_site_without_a_start_page_is_complained_of() {
        assert_eq!(complaints(&mut TestSite::new(&[("index.html", "")])), "");
        let mut bare = TestSite::new(&[("a", ""), ("index.html/x", "")]);
        assert_eq!(
            complaints(&mut bare),
            "'ROOT' has no index.html, so that / answers 404: add one, or --listing"
        );
        let mut listed = TestSite::with(&[], |config| config.listing = true);
        assert_eq!(complaints(&mut listed), "");
        for listing in [false, true] {
            let mut routed = TestSite::with(&[("a", "")], |config| {
                config.spa = true;
                config.listing = listing;
            });
            assert!(complaints(&mut routed).starts_with("--spa answers with index.html"));
        }
    }

    #[test]
    fn what_may_not_be_read_is_complained_of() {
        let denied = Some(rustix::io::Errno::ACCESS.raw_os_error());
        let mut site = TestSite::new(&[("index.html", "")]);
        site.files.fail_open("index.html", denied);
        assert!(complaints(&mut site).contains("/ answers 403"));
        site.files.fail_open("", denied);
        assert!(complaints(&mut site).contains("nothing is served"));
    }
}
