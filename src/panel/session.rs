//! Sessions of those who are logged in, and the secrets that they are known by.

use std::fmt::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::rand::{GetRandomFlags, getrandom};

use crate::http::{Fields, Scheme};

/// The most sessions. An operator has a few browsers; one more ends the session that was used longest ago.
const MOST_SESSIONS: usize = 32;

/// A session ends this long after its last request: a lunch break is longer. What is only shown, as an
/// open stream of events does, is no request.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// A session ends this long after its login, whatever it does: a working day.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// Random bytes that nobody guesses, as a text of 64 digits.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl Secret {
    /// A new secret; none if the system gives no random numbers.
    pub(super) fn new() -> Option<Secret> {
        let mut bytes = [0; 32];
        let filled = getrandom(&mut bytes[..], GetRandomFlags::empty()).ok()?;
        if filled < bytes.len() {
            return None;
        }
        let mut text = String::with_capacity(2 * bytes.len());
        for byte in bytes {
            // Writing to memory cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Some(Secret(text))
    }

    /// The text.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// True for the text of the secret. The time that it takes does not tell how much of it is right.
    pub(super) fn is(&self, text: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let differences = own.iter().zip(text).fold(0, |sum, (a, b)| sum | (a ^ b));
        own.len() == text.len() && differences == 0
    }
}

/// A session of a user who is logged in.
pub(super) struct PanelSession {
    key: Secret,
    /// The token that every POST of the session carries.
    pub(super) token: Secret,
    /// The user, or `token`.
    pub(super) user: Rc<str>,
    began: Instant,
    used: Instant,
}

impl PanelSession {
    fn is_over(&self, now: Instant) -> bool {
        let since = |then| now.saturating_duration_since(then);
        since(self.used) >= IDLE || since(self.began) >= LIFETIME
    }
}

/// All sessions.
pub(super) struct Sessions {
    list: Vec<PanelSession>,
    /// The end of the cookie's name. Browsers give the cookies of a host to all its ports, so that two
    /// servers on one machine would log each other out by one name.
    suffix: String,
}

impl Sessions {
    /// No session.
    pub(super) fn new(suffix: &Secret) -> Self {
        Sessions {
            list: Vec::new(),
            suffix: suffix.text().chars().take(8).collect(),
        }
    }

    /// The name of the cookie. The prefix has browsers take it over TLS only, and from this host alone.
    fn cookie(&self, scheme: Scheme) -> String {
        let prefix = match scheme {
            Scheme::Https => "__Host-",
            Scheme::Http => "",
        };
        format!("{prefix}calmd-{}", self.suffix)
    }

    /// Begins a session, and returns the value of `Set-Cookie` and the session's token; none if the system
    /// gives no random numbers.
    pub(super) fn begin(
        &mut self,
        user: Rc<str>,
        scheme: Scheme,
        now: Instant,
    ) -> Option<(String, String)> {
        self.list.retain(|session| !session.is_over(now));
        let (key, token) = (Secret::new()?, Secret::new()?);
        if self.list.len() >= MOST_SESSIONS {
            let oldest = self.list.iter().enumerate();
            let oldest = oldest.min_by_key(|(_, session)| session.used);
            if let Some((at, _)) = oldest {
                self.list.swap_remove(at);
            }
        }
        let cookie = self.set_cookie(key.text(), scheme);
        let text = token.text().to_owned();
        self.list.push(PanelSession {
            key,
            token,
            user,
            began: now,
            used: now,
        });
        Some((cookie, text))
    }

    fn set_cookie(&self, value: &str, scheme: Scheme) -> String {
        let secure = match scheme {
            Scheme::Https => "; Secure",
            Scheme::Http => "",
        };
        let name = self.cookie(scheme);
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}")
    }

    /// The value of `Set-Cookie` that has a browser forget the session.
    pub(super) fn forget_cookie(&self, scheme: Scheme) -> String {
        format!("{}; Max-Age=0", self.set_cookie("", scheme))
    }

    /// The session of a request.
    pub(super) fn find(
        &mut self,
        fields: &Fields,
        scheme: Scheme,
        now: Instant,
    ) -> Option<&PanelSession> {
        let at = self.place(fields, scheme, now)?;
        let session = self.list.get_mut(at)?;
        session.used = now;
        Some(session)
    }

    /// True while the session of this token goes on.
    pub(super) fn goes_on(&self, token: &str, now: Instant) -> bool {
        let mut sessions = self.list.iter();
        sessions.any(|session| session.token.is(token.as_bytes()) && !session.is_over(now))
    }

    /// Ends the sessions of all users that do not stay.
    pub(super) fn keep(&mut self, mut stays: impl FnMut(&str) -> bool) {
        self.list.retain(|session| stays(&session.user));
    }

    /// Ends the session of a request.
    pub(super) fn end(&mut self, fields: &Fields, scheme: Scheme, now: Instant) {
        if let Some(at) = self.place(fields, scheme, now) {
            self.list.swap_remove(at);
        }
    }

    fn place(&self, fields: &Fields, scheme: Scheme, now: Instant) -> Option<usize> {
        let name = self.cookie(scheme);
        let mut cookies = fields
            .values("cookie")
            .flat_map(|value| value.split(|byte| *byte == b';'));
        cookies.find_map(|cookie| {
            let value = cookie.trim_ascii().strip_prefix(name.as_bytes())?;
            let value = value.strip_prefix(b"=")?;
            let mut sessions = self.list.iter();
            sessions.position(|session| session.key.is(value) && !session.is_over(now))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> Sessions {
        Sessions::new(&Secret::new().unwrap())
    }

    /// A request with the cookie that `Set-Cookie` sets.
    fn request(set_cookie: &str) -> Fields {
        let mut fields = Fields::new();
        let cookie = set_cookie.split(';').next().unwrap();
        fields.push(b"cookie", format!("a=b; {cookie}; c=d").as_bytes());
        fields
    }

    fn begin(sessions: &mut Sessions, scheme: Scheme, now: Instant) -> (Fields, String) {
        let (cookie, token) = sessions.begin("ann".into(), scheme, now).unwrap();
        (request(&cookie), token)
    }

    #[test]
    fn a_session_is_found_by_its_cookie_until_it_is_idle_or_old() {
        let (mut sessions, start) = (sessions(), Instant::now());
        let (http, https) = (Scheme::Http, Scheme::Https);
        let (fields, token) = begin(&mut sessions, http, start);
        let session = sessions.find(&fields, http, start).unwrap();
        assert_eq!(&*session.user, "ann");
        assert!(session.token.is(token.as_bytes()));
        assert!(sessions.find(&fields, https, start).is_none());
        assert!(sessions.find(&Fields::new(), http, start).is_none());
        let mut now = start;
        while now < start + LIFETIME - IDLE {
            now += IDLE - Duration::from_secs(1);
            assert!(sessions.find(&fields, http, now).is_some());
            assert!(sessions.goes_on(&token, now));
        }
        let idle = now + IDLE;
        assert!(sessions.find(&fields, http, idle).is_none());
        assert!(!sessions.goes_on(&token, idle));
        assert!(sessions.find(&fields, http, start + LIFETIME).is_none());
    }

    #[test]
    fn a_session_that_was_ended_is_not_found_and_others_are() {
        let (mut sessions, now) = (sessions(), Instant::now());
        let (first, _) = begin(&mut sessions, Scheme::Http, now);
        let (second, _) = begin(&mut sessions, Scheme::Http, now);
        sessions.end(&first, Scheme::Http, now);
        assert!(sessions.find(&first, Scheme::Http, now).is_none());
        assert!(sessions.find(&second, Scheme::Http, now).is_some());
    }

    #[test]
    fn one_session_too_many_ends_the_one_that_was_used_longest_ago() {
        let (mut sessions, start) = (sessions(), Instant::now());
        let at = |n: usize| start + Duration::from_secs(n as u64);
        let all: Vec<_> = (0..MOST_SESSIONS)
            .map(|n| begin(&mut sessions, Scheme::Http, at(n)).0)
            .collect();
        let now = at(MOST_SESSIONS);
        assert!(sessions.find(&all[0], Scheme::Http, now).is_some());
        begin(&mut sessions, Scheme::Http, now);
        assert_eq!(sessions.list.len(), MOST_SESSIONS);
        assert!(sessions.find(&all[1], Scheme::Http, now).is_none());
        assert!(sessions.find(&all[0], Scheme::Http, now).is_some());
    }

    #[test]
    fn cookies_are_for_the_panels_pages_alone() {
        let (mut sessions, now) = (sessions(), Instant::now());
        let (cookie, _) = sessions.begin("a".into(), Scheme::Https, now).unwrap();
        assert!(cookie.starts_with("__Host-calmd-"), "{cookie}");
        for word in ["; Path=/", "; HttpOnly", "; SameSite=Strict", "; Secure"] {
            assert!(cookie.contains(word), "{cookie}");
        }
        let (cookie, _) = sessions.begin("a".into(), Scheme::Http, now).unwrap();
        assert!(!cookie.contains("Secure"), "{cookie}");
        let forgotten = sessions.forget_cookie(Scheme::Http);
        assert!(forgotten.contains("=; ") && forgotten.ends_with("; Max-Age=0"));
    }

    #[test]
    fn a_secret_is_its_whole_text() {
        let secret = Secret::new().unwrap();
        assert_eq!(secret.text().len(), 64);
        assert!(secret.is(secret.text().as_bytes()));
        assert!(!secret.is(b"") && !secret.is(&secret.text().as_bytes()[..63]));
        assert!(!secret.is(format!("{}0", secret.text()).as_bytes()));
        assert!(secret != Secret::new().unwrap());
    }
}
