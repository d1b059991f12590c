//! Actions of the operator, as JSON.

use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;

/// The longest time that an address is blocked, in seconds: a day. What shall last longer belongs into a
/// firewall.
const LONGEST_BLOCK: u64 = 24 * 3600;

/// Something that the operator has the server do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Lets no more connections in; they wait in the kernel's queue.
    Pause,
    /// Lets connections in again.
    Resume,
    /// Reads again what the operator may have replaced, as SIGHUP does.
    Reload,
    /// Opens the access log again, as SIGUSR1 does.
    ReopenLogs,
    /// Ends the server after the open requests, as SIGTERM does.
    Drain,
    /// Closes a connection at once.
    CloseConnection {
        /// Its number in the list of connections.
        connection: u64,
    },
    /// Ends a connection after its open requests.
    DrainConnection {
        /// Its number in the list of connections.
        connection: u64,
    },
    /// Closes the connections of an address, and lets none in for a time.
    Block {
        /// The address; of IPv6 its /64 is blocked.
        address: IpAddr,
        /// The time in seconds.
        seconds: u64,
    },
    /// Lets an address in again.
    Unblock {
        /// The address.
        address: IpAddr,
    },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Pause => f.write_str("pause accepting"),
            Action::Resume => f.write_str("resume accepting"),
            Action::Reload => f.write_str("reload"),
            Action::ReopenLogs => f.write_str("open logs again"),
            Action::Drain => f.write_str("drain and exit"),
            Action::CloseConnection { connection } => write!(f, "close connection {connection}"),
            Action::DrainConnection { connection } => write!(f, "drain connection {connection}"),
            Action::Block { address, seconds } => write!(f, "block {address} for {seconds} s"),
            Action::Unblock { address } => write!(f, "unblock {address}"),
        }
    }
}

impl Action {
    /// The action of a JSON text; the error says what would be right.
    pub(super) fn parse(text: &[u8]) -> Result<Action, String> {
        let action = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        match action {
            Action::Block { seconds, .. } if !(1..=LONGEST_BLOCK).contains(&seconds) => {
                Err(format!("write seconds from 1 to {LONGEST_BLOCK}"))
            }
            action => Ok(action),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_read_from_json_and_told_in_words() {
        let told = |text: &str| Action::parse(text.as_bytes()).map(|action| action.to_string());
        for (text, said) in [
            (r#"{"action":"pause"}"#, "pause accepting"),
            (r#"{"action":"reopen-logs"}"#, "open logs again"),
            (
                r#"{"action":"close-connection","connection":7}"#,
                "close connection 7",
            ),
            (
                r#"{"action":"block","address":"2001:db8::1","seconds":60}"#,
                "block 2001:db8::1 for 60 s",
            ),
        ] {
            assert_eq!(told(text).as_deref(), Ok(said));
        }
        for wrong in [
            "",
            "{}",
            r#"{"action":"explode"}"#,
            r#"{"action":"unblock","address":"1.2.3.4","connection":1}"#,
            r#"{"action":"close-connection"}"#,
            r#"{"action":"block","address":"1.2.3.4","seconds":0}"#,
            r#"{"action":"block","address":"1.2.3.4","seconds":86401}"#,
            r#"{"action":"block","address":"a.example","seconds":60}"#,
        ] {
            assert!(told(wrong).is_err(), "{wrong}");
        }
    }
}
