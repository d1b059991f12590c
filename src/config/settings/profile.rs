//! The profile `--small`: settings for hosts with little memory, in the place of those that are not given.

use super::{GivenSettings, SettingOrigin, named, value};

/// The setting that asks for the profile.
pub const SMALL: &str = "small";

/// Names and texts of the profile.
const TEXTS: [(&str, &str); 5] = [
    // A thousand idle ones take 4.6 MiB over TLS, and some more are served beside them.
    ("max-connections", "1200"),
    // Of 16 MiB the program, hot files and what is lent for a turn have the rest.
    ("memory-limit", "10M"),
    // A start page with its style and script.
    ("cache-memory", "256K"),
    // The least that HTTP/2 can begin with is 65,535 bytes.
    ("initial-window-size", "64K"),
    // Browsers ask for some 20 files of a page at once.
    ("max-concurrent-streams", "32"),
];

impl GivenSettings {
    /// Gives the settings of the profile, if it is wanted, except those that were given.
    pub fn add_profile(&mut self) {
        let word = self
            .values(SMALL)
            .and_then(|values| values.last()?.1.to_str());
        // A word that is neither is a mistake, which the resolving tells.
        if word.map(value::boolean) != Some(Ok(true)) {
            return;
        }
        for (name, text) in TEXTS {
            if self.values(name).is_none() {
                self.give(named(name), vec![(SettingOrigin::Profile, text.into())]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn resolved(given: &[(&str, &str)]) -> Config {
        let mut settings = GivenSettings::default();
        for (name, text) in given {
            settings.give(
                named(name),
                vec![(SettingOrigin::Environment, (*text).into())],
            );
        }
        settings.add_profile();
        settings.resolve(Config::default()).unwrap()
    }

    #[test]
    fn the_profile_sets_its_limits_and_those_that_are_given_go_before_it() {
        let config = resolved(&[("small", "true"), ("cache-memory", "1M")]);
        assert_eq!(config.server.limits.max_connections, 1_200);
        assert_eq!(config.server.limits.memory_bytes, 10 << 20);
        assert_eq!(config.host.site.cache_memory, 1 << 20);
        assert_eq!(config.server.http2.max_concurrent_streams, 32);
        for given in [&[][..], &[("small", "no")]] {
            let config = resolved(given);
            let usual = Config::default().server.limits.max_connections;
            assert_eq!(config.server.limits.max_connections, usual, "{given:?}");
        }
    }
}
