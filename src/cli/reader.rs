//! The reader of the settings file, at the start and whenever the operator asks for it.

use std::path::PathBuf;

use super::mistake;
use crate::config::Config;
use crate::config::file::{FileMistake, SettingsFile};
use crate::config::settings::{GivenSettings, SETTINGS_FILE};

/// The settings of a start, and the way to read those of its file again.
#[derive(Debug)]
pub struct SettingsReader {
    /// The settings file, if there is one.
    file: Option<PathBuf>,
    /// The settings of the command line and of the environment, which stay.
    said: GivenSettings,
    /// The settings of the start, later those of the whole program alone.
    start: GivenSettings,
    /// The configuration without any setting.
    base: Config,
}

impl SettingsReader {
    /// The settings that were said, and of the others those of the file that they name.
    pub(super) fn of(said: GivenSettings, base: &Config) -> Result<SettingsReader, FileMistake> {
        let file = said.values(SETTINGS_FILE);
        let file = file.and_then(|values| values.last());
        let file = file.map(|(_, path)| PathBuf::from(path));
        let start = given(&file, &said)?;
        Ok(SettingsReader {
            file,
            said,
            start,
            base: base.clone(),
        })
    }

    /// All settings of the start.
    pub(super) fn given(&self) -> &GivenSettings {
        &self.start
    }

    /// The reader, where there is a file to read again. It keeps no hosts.
    pub(super) fn again(self) -> Option<Box<SettingsReader>> {
        self.file.as_ref()?;
        Some(Box::new(SettingsReader {
            start: self.start.of_program(),
            ..self
        }))
    }

    /// The configuration of the running program with what the file says now. The error is one line with the
    /// place and the mend.
    pub fn read(&self, running: &Config) -> Result<Config, String> {
        let given = given(&self.file, &self.said).map_err(|mistake| match &mistake {
            FileMistake::Read { reason, .. }
                if reason.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                format!("{mistake}; let this user read it, or, where the sandbox shuts it, restart needed")
            }
            _ => mistake.to_string(),
        })?;
        if let Some(problem) = given.needs_restart(&self.start) {
            return Err(problem);
        }
        let config = given.resolve_hosts(&self.base, running);
        config.map_err(|mistake| mistake::setting(&mistake))
    }
}

fn given(file: &Option<PathBuf>, said: &GivenSettings) -> Result<GivenSettings, FileMistake> {
    let mut given = match file {
        Some(file) => SettingsFile::read(file)?.beneath(said),
        None => said.clone(),
    };
    given.add_profile();
    Ok(given)
}
