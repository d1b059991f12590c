//! The operator's wishes for the panel.

use std::path::PathBuf;

use crate::http::is_authority;
use crate::world::ListenAddress;

/// The configuration of the panel.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Cleartext listeners.
    pub listen: Vec<ListenAddress>,
    /// TLS listeners.
    pub listen_tls: Vec<ListenAddress>,
    /// Number of cleartext listeners that are handed down to the process.
    pub inherited: usize,
    /// The file of those who may log in; without one a token lets in.
    pub users: Option<PathBuf>,
    /// Names of the panel besides those of the loopback interface.
    pub names: Vec<String>,
    /// The rights of those who are logged in.
    pub rights: PanelRights,
}

/// The rights of those who are logged in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PanelRights {
    /// To look, and to act.
    #[default]
    Steer,
    /// To look.
    Look,
}

/// A setting that is not safe, or makes no sense: its name, and the rest of a sentence about it.
#[derive(Debug, PartialEq, Eq)]
pub struct PanelMistake {
    /// The name of the setting.
    pub names: &'static [&'static str],
    /// The rest of a sentence that begins with it.
    pub needs: &'static str,
}

impl Config {
    /// True if there is no panel.
    pub fn is_off(&self) -> bool {
        self.listen.is_empty() && self.listen_tls.is_empty() && self.inherited == 0
    }

    /// The addresses of all listeners.
    pub fn addresses(&self) -> impl Iterator<Item = &ListenAddress> {
        self.listen.iter().chain(&self.listen_tls)
    }

    /// Adds a name that browsers use for the panel. The error says what would be right.
    pub fn add_name(&mut self, text: &str) -> Result<(), String> {
        if text.contains(':') || !is_authority(text.as_bytes()) {
            return Err("write the name of a host, without a port, such as panel.example".into());
        }
        self.names.push(text.to_owned());
        Ok(())
    }

    /// The first mistake, if there is one.
    pub fn mistake(&self) -> Option<PanelMistake> {
        let mistake = |names, needs| Some(PanelMistake { names, needs });
        if self.listen.iter().any(is_public) {
            return mistake(
                &["admin"],
                "names an address that others can reach, and passwords would go there in the clear; write \
                 127.0.0.1:PORT or unix:PATH, or --admin-tls ADDR with --admin-users FILE",
            );
        }
        if self.listen_tls.iter().any(is_public) && self.users.is_none() {
            return mistake(
                &["admin-tls"],
                "names an address that others can reach, so it needs users; add --admin-users FILE, made by \
                 htpasswd -B -c FILE NAME, or write 127.0.0.1:PORT",
            );
        }
        if !self.is_off() {
            return None;
        }
        let needs = "needs a panel, add --admin 127.0.0.1:9000";
        if self.users.is_some() {
            return mistake(&["admin-users"], needs);
        }
        if !self.names.is_empty() {
            return mistake(&["admin-host"], needs);
        }
        match self.rights {
            PanelRights::Look => mistake(&["admin-read-only"], needs),
            PanelRights::Steer => None,
        }
    }
}

/// True if other machines can reach the address.
pub fn is_public(address: &ListenAddress) -> bool {
    match address {
        ListenAddress::Tcp(address) => !address.ip().to_canonical().is_loopback(),
        ListenAddress::Unix(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(text: &str) -> Vec<ListenAddress> {
        vec![ListenAddress::Tcp(text.parse().unwrap())]
    }

    fn named(config: &Config) -> Option<&'static str> {
        config.mistake().map(|mistake| mistake.names[0])
    }

    #[test]
    fn a_public_address_wants_tls_and_users() {
        let config = |listen: &str| Config {
            listen: tcp(listen),
            ..Config::default()
        };
        for safe in [
            "127.0.0.1:9000",
            "127.9.9.9:1",
            "[::1]:9000",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert_eq!(named(&config(safe)), None, "{safe}");
        }
        for public in ["0.0.0.0:9000", "[::]:9000", "192.0.2.1:9000"] {
            assert_eq!(named(&config(public)), Some("admin"), "{public}");
            let tls = |users: Option<&str>| Config {
                listen_tls: tcp(public),
                users: users.map(PathBuf::from),
                ..Config::default()
            };
            assert_eq!(named(&tls(None)), Some("admin-tls"), "{public}");
            assert_eq!(named(&tls(Some("users"))), None, "{public}");
        }
        let socket = Config {
            listen: vec![ListenAddress::Unix("/run/panel".into())],
            ..Config::default()
        };
        assert_eq!(named(&socket), None);
    }

    #[test]
    fn a_name_is_that_of_a_host() {
        let mut config = Config::default();
        assert_eq!(config.add_name("panel.example"), Ok(()));
        for wrong in ["", "a:9000", "http://a", "a b", "a/b"] {
            assert!(config.add_name(wrong).is_err(), "{wrong}");
        }
        assert_eq!(config.names, ["panel.example"]);
    }

    #[test]
    fn settings_of_a_panel_that_is_not_there_are_mistakes() {
        assert_eq!(named(&Config::default()), None);
        let users = Config {
            users: Some("users".into()),
            ..Config::default()
        };
        assert_eq!(named(&users), Some("admin-users"));
        let names = Config {
            names: vec!["a".into()],
            ..Config::default()
        };
        assert_eq!(named(&names), Some("admin-host"));
        let rights = Config {
            rights: PanelRights::Look,
            ..Config::default()
        };
        assert_eq!(named(&rights), Some("admin-read-only"));
    }
}
