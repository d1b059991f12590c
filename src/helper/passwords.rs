//! A process that verifies passwords, so that a hash of 100 ms stops nobody else.
//!
//! ```text
//!  │ length of the hash, 1 byte │ hash │ password │   a task
//!  │ 1 if the password is right, else 0           │   its answer
//! ```
//!
//! It is a process of its own, beside the one that helps with files: a flood of wrong passwords delays
//! nothing but other passwords. It has one task at a time.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvAncillaryBuffer, RecvFlags, SendFlags, recv, recvmsg, send};

use super::HelperError;
use super::client::start;
use super::duty::{HelperDuty, HelperSandbox, answer};
use super::message::HelperReply;
use super::password_hash::verify_password;
use crate::world::{PasswordHelper, PasswordOutcome, User};

/// The longest password that is verified. The longest that people type are phrases of 100 characters, and
/// bcrypt heeds 72 bytes.
pub const LONGEST_PASSWORD: usize = 1024;

/// The longest task.
const LONGEST_TASK: usize = 1 + 255 + LONGEST_PASSWORD;

/// The process that verifies passwords, as the server has it.
pub struct PasswordClient {
    /// The socket; `None` once the process has ended.
    socket: Option<OwnedFd>,
    process: u32,
}

impl fmt::Debug for PasswordClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PasswordClient")
            .field(&self.process)
            .finish()
    }
}

impl PasswordClient {
    /// Starts the process as this user, or as the user that this process is, and waits until it is ready.
    pub fn start(user: Option<&User>, sandbox: HelperSandbox) -> Result<Self, HelperError> {
        let (socket, process) = start(user, sandbox, HelperDuty::Passwords, &[])?;
        Ok(PasswordClient {
            socket: Some(socket),
            process,
        })
    }

    /// The process id.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// The socket, as long as there is a process.
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    fn give_up(&mut self) {
        self.socket = None;
        log::error!(
            "the process {} that verifies passwords has ended: until the server is started anew, only \
             passwords that it has verified are taken",
            self.process
        );
    }
}

impl PasswordHelper for PasswordClient {
    fn verify(&mut self, hash: &str, password: &[u8]) -> bool {
        let Some(socket) = &self.socket else {
            return false;
        };
        let Ok(len) = u8::try_from(hash.len()) else {
            return false;
        };
        let task = [&[len], hash.as_bytes(), password].concat();
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match retry_on_intr(|| send(socket, &task, flags)) {
            Ok(_) => true,
            Err(_) => {
                self.give_up();
                false
            }
        }
    }

    fn take_outcome(&mut self) -> Option<PasswordOutcome> {
        let socket = self.socket.as_ref()?;
        let mut answer = [0; 2];
        match retry_on_intr(|| recv(socket, &mut answer[..], RecvFlags::DONTWAIT)) {
            Err(Errno::AGAIN) => None,
            Ok((1, _)) if answer.first() == Some(&1) => Some(PasswordOutcome::Right),
            Ok((1, _)) => Some(PasswordOutcome::Wrong),
            Ok(_) | Err(_) => {
                self.give_up();
                Some(PasswordOutcome::Failed)
            }
        }
    }
}

/// Verifies passwords until the socket ends.
pub(super) fn run(socket: BorrowedFd<'_>) -> io::Result<()> {
    answer(socket, HelperReply::Ready)?;
    let mut task = vec![0; LONGEST_TASK];
    loop {
        let received = retry_on_intr(|| {
            recvmsg(
                socket,
                &mut [IoSliceMut::new(&mut task)],
                &mut RecvAncillaryBuffer::default(),
                RecvFlags::empty(),
            )
        });
        let len = match received {
            Err(Errno::CONNRESET) => 0,
            received => received?.bytes,
        };
        if len == 0 {
            return Ok(());
        }
        let is_right = parse(task.get(..len).unwrap_or_default())
            .is_some_and(|(hash, password)| verify_password(hash, password));
        // A password that was verified is not kept.
        task.fill(0);
        match retry_on_intr(|| send(socket, &[u8::from(is_right)], SendFlags::NOSIGNAL)) {
            Ok(_) | Err(Errno::PIPE | Errno::CONNRESET) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn parse(task: &[u8]) -> Option<(&str, &[u8])> {
    let (len, rest) = task.split_first()?;
    let (hash, password) = rest.split_at_checked(usize::from(*len))?;
    Some((std::str::from_utf8(hash).ok()?, password))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    #[test]
    fn passwords_are_verified_one_after_another_until_the_server_ends() {
        let pair = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        );
        let (ours, other) = pair.unwrap();
        let process = std::thread::spawn(move || run(other.as_fd()));
        let mut ready = [0; 64];
        recv(&ours, &mut ready[..], RecvFlags::empty()).unwrap();
        let mut client = PasswordClient {
            socket: Some(ours),
            process: 0,
        };
        let mut ask = |password: &[u8]| {
            assert!(client.verify("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", password));
            loop {
                match client.take_outcome() {
                    Some(outcome) => return outcome,
                    None => std::thread::yield_now(),
                }
            }
        };
        assert_eq!(ask(b"secret"), PasswordOutcome::Right);
        assert_eq!(ask(b"wrong"), PasswordOutcome::Wrong);
        assert_eq!(ask(&[b'x'; LONGEST_PASSWORD]), PasswordOutcome::Wrong);
        drop(client);
        process.join().unwrap().unwrap();
    }

    #[test]
    fn a_process_that_has_ended_fails_what_it_was_asked() {
        let pair = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        );
        let (ours, other) = pair.unwrap();
        let mut client = PasswordClient {
            socket: Some(ours),
            process: 0,
        };
        assert!(client.verify("x", b"y"));
        assert_eq!(client.take_outcome(), None);
        drop(other);
        assert_eq!(client.take_outcome(), Some(PasswordOutcome::Failed));
        assert!(!client.verify("x", b"y"));
        assert!(client.socket().is_none());
    }
}
