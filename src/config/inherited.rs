//! Sockets that a service manager hands down to the process (sd_listen_fds(3)): their number and their names,
//! as the environment tells them.
//!
//! ```text
//! LISTEN_PID=4711  LISTEN_FDS=2  LISTEN_FDNAMES=listen:listen-tls     descriptors 3 and 4
//! ```

use std::ffi::OsString;

use crate::http::Scheme;

/// The most sockets that are taken: both ports on eight addresses. Each takes one of the 32 descriptors
/// that are kept back for the server's own use.
const MOST: usize = 16;

/// Name of a socket for TLS connections.
const TLS: &str = "listen-tls";

/// Name of a socket for the panel, in the clear: only this machine may reach it.
const ADMIN: &str = "admin";

/// A socket that is handed down, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InheritedSocket {
    /// The name that the service manager gives it, `FileDescriptorName=` with systemd; empty for none.
    pub name: String,
    /// The scheme of its connections.
    pub scheme: Scheme,
    /// The server that its connections are for.
    pub purpose: SocketPurpose,
}

/// The server behind a socket that is handed down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketPurpose {
    /// The sites.
    Site,
    /// The panel.
    Panel,
}

impl InheritedSocket {
    /// The sockets of this environment for the process `pid`, in the order of their descriptors. None where
    /// they are for another process. The error names the variable and the mend.
    pub fn announced(
        variable: &dyn Fn(&str) -> Option<OsString>,
        pid: u32,
    ) -> Result<Vec<InheritedSocket>, String> {
        let text = |name: &str| variable(name).map(|value| value.to_string_lossy().into_owned());
        let (Some(count), Some(owner)) = (text("LISTEN_FDS"), text("LISTEN_PID")) else {
            return Ok(Vec::new());
        };
        // A child of the process that they were for.
        if owner.parse() != Ok(pid) {
            return Ok(Vec::new());
        }
        let number = count.parse().ok().filter(|number| *number <= MOST);
        let number: usize = number.ok_or_else(|| {
            format!("LISTEN_FDS is '{count}'; it tells the number of sockets handed down, {MOST} at most")
        })?;
        let names = text("LISTEN_FDNAMES").unwrap_or_default();
        let names = names.split(':').chain(std::iter::repeat("")).take(number);
        names.map(InheritedSocket::named).collect()
    }

    fn named(name: &str) -> Result<InheritedSocket, String> {
        let (scheme, purpose) = match name {
            ADMIN if cfg!(not(feature = "panel")) => {
                return Err(
                    "LISTEN_FDNAMES has a socket 'admin', and this program is built without the panel; leave it out \
                     of the socket unit"
                        .into(),
                );
            }
            ADMIN => (Scheme::Http, SocketPurpose::Panel),
            TLS => (Scheme::Https, SocketPurpose::Site),
            _ => (Scheme::Http, SocketPurpose::Site),
        };
        Ok(InheritedSocket {
            name: name.to_owned(),
            scheme,
            purpose,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(variables: &[(&str, &str)]) -> Result<Vec<InheritedSocket>, String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        InheritedSocket::announced(&variable, 7)
    }

    fn socket(name: &str, scheme: Scheme) -> InheritedSocket {
        InheritedSocket {
            name: name.into(),
            scheme,
            purpose: SocketPurpose::Site,
        }
    }

    #[test]
    fn the_name_listen_tls_is_tls_and_any_other_or_none_is_cleartext() {
        let variables = [
            ("LISTEN_PID", "7"),
            ("LISTEN_FDS", "4"),
            ("LISTEN_FDNAMES", "listen:listen-tls:web.socket"),
        ];
        assert_eq!(
            announced(&variables),
            Ok(vec![
                socket("listen", Scheme::Http),
                socket("listen-tls", Scheme::Https),
                socket("web.socket", Scheme::Http),
                socket("", Scheme::Http),
            ])
        );
        assert_eq!(
            announced(&variables[..2]),
            Ok(vec![socket("", Scheme::Http); 4])
        );
    }

    #[test]
    fn sockets_of_another_process_are_not_taken() {
        for owner in [None, Some("8"), Some(""), Some("x")] {
            let mut variables = vec![("LISTEN_FDS", "1"), ("LISTEN_FDNAMES", "admin")];
            variables.extend(owner.map(|owner| ("LISTEN_PID", owner)));
            assert_eq!(announced(&variables), Ok(vec![]), "{owner:?}");
        }
    }

    #[test]
    fn a_wrong_number_is_refused() {
        for (count, names, part) in [
            ("x", "", "LISTEN_FDS is 'x'"),
            ("-1", "", "LISTEN_FDS is '-1'"),
            ("17", "", "16 at most"),
        ] {
            let error = announced(&[
                ("LISTEN_PID", "7"),
                ("LISTEN_FDS", count),
                ("LISTEN_FDNAMES", names),
            ])
            .expect_err(count);
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_name_admin_is_the_panel_where_there_is_one() {
        let found = announced(&[
            ("LISTEN_PID", "7"),
            ("LISTEN_FDS", "2"),
            ("LISTEN_FDNAMES", "listen:admin"),
        ]);
        if cfg!(feature = "panel") {
            let panel = InheritedSocket {
                purpose: SocketPurpose::Panel,
                ..socket("admin", Scheme::Http)
            };
            assert_eq!(found, Ok(vec![socket("listen", Scheme::Http), panel]));
        } else {
            let error = found.unwrap_err();
            assert!(error.contains("a socket 'admin'"), "{error}");
        }
    }
}
