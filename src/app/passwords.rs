//! The process that verifies passwords, where a host has basic authentication or the panel has users.

use std::error::Error;

use crate::config::Config;
use crate::helper::{HelperSandbox, PasswordClient};
use crate::rules::LoginQueue;
use crate::world::files::Root;
use crate::world::os::OsWorld;

/// Starts the process, if a host wants logins, and puts a queue in front of it.
pub(super) fn start(
    config: &Config,
    world: &mut OsWorld<Root>,
) -> Result<Option<LoginQueue>, Box<dyn Error>> {
    let mut hosts = config.host_configs();
    let wants_passwords = hosts.any(|host| !host.rules.logins.is_empty());
    #[cfg(feature = "panel")]
    let wants_passwords = wants_passwords || config.panel.users.is_some();
    if !wants_passwords {
        return Ok(None);
    }
    let sandbox = if config.sandbox {
        HelperSandbox::On
    } else {
        HelperSandbox::Off
    };
    let helper = PasswordClient::start(config.user.as_ref(), sandbox)?;
    if let Some(socket) = helper.socket() {
        world.watch_helper(socket)?;
    }
    log::info!("the process {} verifies passwords", helper.process());
    Ok(Some(LoginQueue::new(Box::new(helper))))
}
