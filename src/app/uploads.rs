//! Directories for uploads, mounted on the hosts: those of the configuration, and that of the demo.

use std::error::Error;
use std::rc::Rc;

use super::own_files;
use crate::config::Config;
use crate::routes::Routes;
use crate::upload::{ScratchDirectory, UploadRule, Uploads};
use crate::world::files::Root;

/// Mounts the directories for uploads, once the files of the server's own are there. The directories of
/// demos, which it returns, are removed when they are dropped.
pub(super) fn mount(
    routes: &mut Routes<Root>,
    config: &Config,
) -> Result<Vec<ScratchDirectory>, Box<dyn Error>> {
    let mut scratch = Vec::new();
    if config.uploads.is_empty() && config.sites().all(|site| !site.demo) {
        return Ok(scratch);
    }
    let own: Rc<[_]> = own_files::own_files(config).into();
    for (number, site) in config.sites().enumerate() {
        let rules = if number == 0 {
            &config.uploads[..]
        } else {
            &[]
        };
        let demo = site
            .demo
            .then(|| ScratchDirectory::make(config.user.as_ref()));
        let demo = demo.and_then(|made| {
            // The rest of the demo works without.
            made.inspect_err(|error| log::warn!("there is no /upload: {error}; set TMPDIR"))
                .ok()
        });
        let demo_rule = demo
            .as_ref()
            .map(|demo| UploadRule::demo(demo.path().into()));
        for rule in rules.iter().chain(&demo_rule) {
            let uploads = Uploads::open(rule, config.upload_limits, &site.headers)?;
            uploads.keep_private(own.clone());
            if let Some(host) = routes.host(number) {
                host.mount(&rule.path, Box::new(uploads));
            }
        }
        scratch.extend(demo);
    }
    Ok(scratch)
}

/// Opens the directories for uploads to read: opening them to write would remove leftovers.
pub(super) fn check(config: &Config) -> Result<(), Box<dyn Error>> {
    for rule in &config.uploads {
        Root::open(&rule.directory).map_err(|error| format!("--upload: {error}"))?;
    }
    Ok(())
}
