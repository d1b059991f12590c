//! Settings that are read again while the program runs: each host follows them, and settings of the whole program
//! must be those of the start.

use std::ffi::OsStr;

use super::{ConfigDraft, Given, GivenSettings, Mistake, Scope, SettingOrigin};
use crate::config::{Config, HostConfig};

impl GivenSettings {
    /// The settings of the whole program alone.
    pub fn of_program(&self) -> GivenSettings {
        let given = self.given.iter();
        let of_program = given.filter(|given| given.setting.scope == Scope::Program);
        GivenSettings {
            given: of_program.cloned().collect(),
            ..GivenSettings::default()
        }
    }

    /// A sentence on the first settings of the whole program that differ from those of the start, if there are
    /// any.
    pub fn needs_restart(&self, start: &GivenSettings) -> Option<String> {
        let of_program = super::all().filter(|setting| setting.scope == Scope::Program);
        let mut changed = of_program.filter(|setting| {
            let (now, then) = (self.entry(setting.name), start.entry(setting.name));
            !now.map(Given::texts)
                .into_iter()
                .flatten()
                .eq(then.map(Given::texts).into_iter().flatten())
        });
        let first = changed.next()?;
        let mut problem = format!("'{}' is not what it was at the start", first.name);
        if let Some([(SettingOrigin::File(place), _), ..]) = self.values(first.name) {
            problem = format!("{place}: {problem}");
        }
        let others: Vec<&str> = changed.map(|setting| setting.name).collect();
        if !others.is_empty() {
            problem.push_str(&format!(", nor is {}", others.join(", ")));
        }
        Some(problem + "; restart needed")
    }

    /// The configuration of a running program with the hosts of these settings. What neither the file nor the
    /// command line has is that of `base`.
    pub fn resolve_hosts(&self, base: &Config, running: &Config) -> Result<Config, Mistake> {
        let mut draft = ConfigDraft::new(base.clone());
        draft.config.host.rules = self.rules.clone();
        let of_hosts = |given: &&Given| given.setting.scope == Scope::Host;
        for given in self.given.iter().filter(of_hosts) {
            given.put_into(&mut draft)?;
        }
        let finished = draft.finish_host(running);
        let host = finished.map_err(|incomplete| self.incomplete(incomplete))?;
        let mut config = running.clone();
        config.host = HostConfig {
            ticket_key: running.host.ticket_key.clone(),
            watch_certificates: running.host.watch_certificates,
            ..host
        };
        config.hosts = self.named_hosts(base, running)?;
        Ok(config)
    }
}

impl Given {
    /// The texts, wherever they stand.
    fn texts(&self) -> impl Iterator<Item = &OsStr> {
        self.values.iter().map(|(_, text)| text.as_os_str())
    }
}

#[cfg(test)]
mod tests {
    use super::super::named;
    use super::*;

    fn given(texts: &[(&str, &str)]) -> GivenSettings {
        let mut given = GivenSettings::default();
        for (name, text) in texts {
            let values = vec![(SettingOrigin::CommandLine, text.into())];
            given.give(named(name), values);
        }
        given
    }

    #[test]
    fn settings_of_hosts_may_change_and_those_of_the_program_take_a_restart() {
        let start = given(&[("listen", ":80"), ("listing", "true"), ("dir", "a")]);
        for same in [
            &[("listen", ":80")][..],
            &[("dir", "b"), ("spa", "true"), ("listen", ":80")],
        ] {
            assert_eq!(given(same).needs_restart(&start), None, "{same:?}");
        }
        for (other, said) in [
            (
                &[("listen", ":81")][..],
                "'listen' is not what it was at the start; restart needed",
            ),
            (
                &[("access-log", "a.log")],
                "'listen' is not what it was at the start, nor is access-log; restart needed",
            ),
        ] {
            assert_eq!(given(other).needs_restart(&start).as_deref(), Some(said));
        }
    }

    #[test]
    fn a_running_program_takes_hosts_and_keeps_everything_else() {
        let mut running = Config::default();
        running.server.limits.max_connections = 7;
        running.host.watch_certificates = true;
        running.host.site.listing = true;
        let base = Config::default();
        let config = given(&[("dir", "b"), ("spa", "true")]);
        let config = config.resolve_hosts(&base, &running).unwrap();
        assert_eq!(config.server.limits.max_connections, 7);
        assert!(config.host.watch_certificates && config.host.site.spa);
        assert!(!config.host.site.listing, "it is not given any more");
        assert_eq!(config.host.site.root, std::path::Path::new("b"));
        let wrong = given(&[("cert", "a.pem")]).resolve_hosts(&base, &running);
        assert!(matches!(wrong, Err(Mistake::Incomplete { .. })));
    }
}
