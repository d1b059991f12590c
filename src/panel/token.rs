//! The token that logs in where there is no file of users: each is good for one login.

use super::session::Secret;
use crate::telemetry::standard_error;

/// A token, and the address of the page that takes it.
pub struct OneTimeToken {
    token: Secret,
    /// The URL of the panel.
    url: String,
}

impl OneTimeToken {
    /// A new token for the panel of this URL; none if the system gives no random numbers.
    pub fn new(url: String) -> Option<Self> {
        let token = Secret::new()?;
        Some(OneTimeToken { token, url })
    }

    /// The address of the page that logs in with the token.
    pub fn link(&self) -> String {
        format!("{}/?token={}", self.url, self.token.text())
    }

    /// True if this is the token. Then another one takes its place, which is told on standard error: not
    /// in the log, which those who are logged in can read.
    pub(super) fn take(&mut self, token: &[u8]) -> bool {
        let is_right = self.token.is(token);
        if is_right && let Some(next) = Secret::new() {
            self.token = next;
            standard_error::write(&format!(
                "calmd: the panel's token was used; the next is {}\n",
                self.link()
            ));
        }
        is_right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_one_login() {
        let mut token = OneTimeToken::new("http://127.0.0.1:9000".into()).unwrap();
        let of = |link: String| link.split_once("/?token=").unwrap().1.to_owned();
        let first = of(token.link());
        assert!(!token.take(b"") && !token.take(&first.as_bytes()[1..]));
        assert!(token.take(first.as_bytes()));
        assert!(!token.take(first.as_bytes()));
        let second = of(token.link());
        assert!(second != first && token.take(second.as_bytes()));
    }
}
