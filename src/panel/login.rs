//! The request that logs in: a user and a password, or the token.

use std::rc::Rc;

use serde::Deserialize;

use super::answer::{PanelReply, Sending};
use super::content::Content;
use super::state::{Door, SharedState};
use crate::exchange::{Desk, Exchange, Failure, LoginOutcome, Part, Room, Step, Until};
use crate::http::Scheme;
use crate::rules::{Credentials, LoginAttempt, LoginTicket};
use crate::world::{Files, Peer};

/// The name of those who have come in by the token.
const TOKEN_USER: &str = "token";

/// The answer to a login that is wrong: it does not tell which part of it.
const WRONG: &str = "the login is wrong";

/// The content of the request.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Claim {
    Password { user: String, password: String },
    Token { token: String },
}

/// A request that logs in.
pub(super) struct LoginExchange {
    state: SharedState,
    peer: Peer,
    scheme: Scheme,
    stage: LoginStage,
}

enum LoginStage {
    Reading(Content),
    /// The password is being verified.
    Waiting(Rc<LoginTicket>, Rc<str>),
    Sending(Sending),
}

impl From<PanelReply> for LoginStage {
    fn from(reply: PanelReply) -> Self {
        LoginStage::Sending(Sending::Head(reply))
    }
}

impl LoginExchange {
    /// A login of `peer` whose content is still to come.
    pub(super) fn new(state: SharedState, peer: Peer, scheme: Scheme) -> Self {
        LoginExchange {
            state,
            peer,
            scheme,
            stage: LoginStage::Reading(Content::new()),
        }
    }

    /// The stage behind content that is there.
    fn begin(&self, content: &[u8], desk: &mut Desk<'_>) -> LoginStage {
        let Ok(claim) = serde_json::from_slice(content) else {
            let error = r#"write {"user": …, "password": …} or {"token": …}"#;
            return PanelReply::error(400, error).into();
        };
        let now = desk.now();
        if let Err(wait) = self.state.borrow_mut().attempt(self.peer, now) {
            return too_many(wait.as_secs() + 1).into();
        }
        let mut state = self.state.borrow_mut();
        match (&mut state.door, claim) {
            (Door::Token(own), Claim::Token { token }) => {
                let is_right = own.take(token.as_bytes());
                drop(state);
                if is_right {
                    self.admit(TOKEN_USER.into(), desk)
                } else {
                    self.refuse(TOKEN_USER)
                }
            }
            (Door::Users(users, logins), Claim::Password { user, password }) => {
                let credentials = Credentials {
                    name: user.as_bytes(),
                    password: password.as_bytes(),
                };
                let attempt = logins
                    .borrow_mut()
                    .verify(users, &credentials, self.peer, now);
                drop(state);
                match attempt {
                    LoginAttempt::Known => self.admit(user.into(), desk),
                    LoginAttempt::Refused => self.refuse(&user),
                    LoginAttempt::Waits(ticket) => {
                        ticket.wake_by(desk.waker());
                        LoginStage::Waiting(ticket, user.into())
                    }
                    LoginAttempt::Busy => busy().into(),
                    LoginAttempt::TooMany(wait) => too_many(wait.as_secs() + 1).into(),
                }
            }
            (Door::Token(_), Claim::Password { .. }) => {
                PanelReply::error(400, "there are no users; log in with the token").into()
            }
            (Door::Users(..), Claim::Token { .. }) => {
                PanelReply::error(400, "there is no token; log in as a user").into()
            }
        }
    }

    /// Begins a session.
    fn admit(&self, user: Rc<str>, desk: &Desk<'_>) -> LoginStage {
        let mut state = self.state.borrow_mut();
        state.forgive(self.peer, desk.now());
        let begun = state.sessions.begin(user.clone(), self.scheme, desk.now());
        let Some((cookie, token)) = begun else {
            return PanelReply::error(503, "the system gives no random numbers").into();
        };
        log::info!("panel: {user} at {}: logged in", self.peer);
        let text = state.session_text(&user, &token);
        PanelReply::json(200, &text)
            .with("set-cookie", &cookie)
            .into()
    }

    fn refuse(&self, user: &str) -> LoginStage {
        log::info!("panel: {:?} at {}: wrong login", shortened(user), self.peer);
        PanelReply::error(403, WRONG).into()
    }
}

/// A name that anybody may have sent, as far as a line of the log needs it.
fn shortened(user: &str) -> &str {
    let end = user.char_indices().nth(64).map_or(user.len(), |(at, _)| at);
    user.get(..end).unwrap_or_default()
}

fn busy() -> PanelReply {
    PanelReply::error(503, "too many passwords are being verified").with("retry-after", "5")
}

fn too_many(seconds: u64) -> PanelReply {
    PanelReply::error(429, "too many attempts; wait").with("retry-after", &seconds.to_string())
}

impl<F: Files> Exchange<F> for LoginExchange {
    fn receive(&mut self, part: Part<'_>, _: &mut Desk<'_>) {
        match &mut self.stage {
            LoginStage::Reading(content) => content.receive(&part),
            LoginStage::Waiting(ticket, _) if matches!(part, Part::Gone) => ticket.give_up(),
            LoginStage::Waiting(..) | LoginStage::Sending(_) => {}
        }
    }

    /// Its own bound is lower, and answers as the panel does.
    fn content_limit(&self) -> Option<u64> {
        Some(u64::MAX)
    }

    fn poll(&mut self, _: &mut Room<'_, F>, desk: &mut Desk<'_>) -> Result<Step<F>, Failure> {
        if let LoginStage::Reading(content) = &self.stage {
            self.stage = match content {
                Content::Open(_) => return Ok(Step::Wait(Until::Request)),
                Content::Complete(text) => self.begin(text, desk),
                Content::TooLarge => PanelReply::error(413, "too long").into(),
            };
        }
        if let LoginStage::Waiting(ticket, user) = &self.stage {
            self.stage = match ticket.outcome() {
                None => return Ok(Step::Wait(Until::Woken)),
                Some(LoginOutcome::Granted) => self.admit(user.clone(), desk),
                Some(LoginOutcome::Refused) => self.refuse(user),
                Some(LoginOutcome::Unknown) => busy().into(),
            };
        }
        let LoginStage::Sending(sending) = &mut self.stage else {
            return Ok(Step::Wait(Until::Woken));
        };
        Ok(sending.step())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_a_user_with_a_password_or_a_token() {
        let parse = |text: &str| serde_json::from_str::<Claim>(text);
        assert!(matches!(
            parse(r#"{"user":"a","password":"b"}"#),
            Ok(Claim::Password { user, password }) if user == "a" && password == "b"
        ));
        assert!(matches!(
            parse(r#"{"token":"t"}"#),
            Ok(Claim::Token { token }) if token == "t"
        ));
        for wrong in ["", "{}", r#"{"user":"a"}"#, r#"{"token":1}"#, "[]"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_long_name_is_shortened_between_characters() {
        assert_eq!(shortened("ann"), "ann");
        assert_eq!(shortened(&"ä".repeat(100)), "ä".repeat(64));
    }
}
