//! Panics: noted by a hook, and reported in one line by the code that catches them.
//!
//! A panic is a bug of ours, and costs the connection whose turn it struck and no other: the event loop
//! catches it there. A panic in the loop itself, or in the client, ends the process. The hook writes
//! nothing, because only the code that catches knows whose turn it was.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, PanicHookInfo, catch_unwind};

/// The exit code of a process that a panic has ended: the one that Rust itself uses.
pub const EXIT_CODE: u8 = 101;

/// The most characters of a message that are kept. Messages about slices quote the text that could not
/// be sliced, which a peer may make as long as it likes.
const MOST_CHARACTERS: usize = 400;

thread_local! {
    /// The panic that is unwinding and has not been caught yet.
    static NOTED: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// A panic that was caught. Displayed, it is one line: its message, and its place in the source if the
/// hook noted one.
#[derive(Debug)]
pub struct Panic(String);

impl Panic {
    fn new(payload: &(dyn Any + Send), place: Option<&Location<'_>>) -> Panic {
        let message = match payload.downcast_ref::<String>() {
            Some(message) => message.as_str(),
            None => payload.downcast_ref::<&str>().unwrap_or(&"no message"),
        };
        let printable = |character: char| match character {
            _ if character.is_control() => ' ',
            _ => character,
        };
        let mut text: String = message
            .chars()
            .take(MOST_CHARACTERS)
            .map(printable)
            .collect();
        if let Some(place) = place {
            text.push_str(&format!(" (at {place})"));
        }
        Panic(text)
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Replaces the standard library's hook, which writes to standard error and may wait for it.
/// `last_words` reports a panic during the unwinding of another panic. It cannot be caught: the process
/// ends.
pub fn install_hook(last_words: fn(&Panic)) {
    std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        let panic = Panic::new(info.payload(), info.location());
        let unwinding = NOTED.with(|noted| match noted.try_borrow_mut() {
            Ok(mut noted) => noted.replace(panic),
            Err(_) => Some(panic),
        });
        if let Some(first) = unwinding {
            last_words(&first);
            std::process::exit(EXIT_CODE.into());
        }
    }));
}

/// Calls a function and catches its panic. The caller drops or repairs everything that the function
/// could change, because a panic may have left it half changed.
pub fn catch<T>(act: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|payload| {
        let noted = NOTED.with(RefCell::take);
        noted.unwrap_or_else(|| Panic::new(&*payload, None))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::resume_unwind;

    #[test]
    fn a_panic_is_told_in_one_line_of_bounded_length() {
        let quoted = format!("byte index 5 of `{}\r\n\x1b[2J", "x".repeat(1 << 20));
        let panic = catch(|| -> () { resume_unwind(Box::new(quoted)) }).unwrap_err();
        let text = panic.to_string();
        assert!(text.starts_with("byte index 5 of `xxx"));
        assert!(text.len() < 2 * MOST_CHARACTERS);
        let panic = catch(|| -> () { resume_unwind(Box::new("a\r\n\x1b[2Jb")) }).unwrap_err();
        assert_eq!(panic.to_string(), "a   [2Jb");
        let panic = catch(|| -> () { resume_unwind(Box::new(7)) }).unwrap_err();
        assert_eq!(panic.to_string(), "no message");
    }

    #[test]
    fn what_does_not_panic_is_returned() {
        assert_eq!(catch(|| 7).unwrap(), 7);
    }

    /// Environment variable of a test that runs in a process of its own, whose hook it may replace.
    const CHILD: &str = "CALMD_TEST_PANIC";

    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("second");
        }
    }

    #[test]
    fn the_hook_adds_the_place_and_a_panic_within_another_ends_the_process_with_its_exit_code() {
        if std::env::var_os(CHILD).is_some() {
            install_hook(|panic| {
                crate::telemetry::standard_error::try_write_last(&format!("{panic}\n"))
            });
            let panic = catch(|| -> () { panic!("caught\n") }).unwrap_err();
            crate::telemetry::standard_error::write(&format!("{panic}\n"));
            let _ = catch(|| -> () {
                let _bomb = PanicsWhenDropped;
                panic!("first");
            });
            return;
        }
        let name = "panics::tests::the_hook_adds_the_place_and_a_panic_within_another_ends_the_process_with_its_exit_code";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert_eq!(child.status.code(), Some(EXIT_CODE.into()));
        let told = String::from_utf8(child.stderr).unwrap();
        let lines: Vec<&str> = told.lines().collect();
        let [caught, last] = lines[..] else {
            panic!("{told}");
        };
        assert!(caught.starts_with("caught  (at src/panics.rs:"), "{told}");
        assert!(last.starts_with("first (at src/panics.rs:"), "{told}");
    }
}
