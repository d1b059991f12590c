//! `calmd get` as a process, against the server and against servers that follow a script.

mod connection;
mod fetch;
mod load;
mod options;
mod redirect;
mod scripted;
mod tls;
mod upload;
mod verbose;

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

/// The command `calmd get` with arguments, not started yet. It has no input, and both outputs are kept.
pub fn command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_calmd"));
    command
        .arg("get")
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Result of `calmd get`.
pub struct Got {
    pub code: i32,
    pub out: Vec<u8>,
    pub err: String,
}

impl Got {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// The one line that reports the failure, without the program's name.
    pub fn failure(&self) -> &str {
        assert_eq!(self.code, 1, "{}", self.err);
        let line = self.err.strip_prefix("calmd: ").expect("our name first");
        let line = line.strip_suffix('\n').expect("a whole line");
        assert!(!line.contains('\n'), "{line}");
        line
    }
}

impl From<Output> for Got {
    fn from(output: Output) -> Self {
        Got {
            code: output.status.code().expect("it ends by itself"),
            out: output.stdout,
            err: String::from_utf8(output.stderr).expect("readable text"),
        }
    }
}

/// Runs `calmd get` to its end.
pub fn get<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Got {
    command(args).output().expect("calmd starts").into()
}

/// Runs `calmd get` to its end, which has to be a success.
pub fn fetch<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Got {
    let got = get(args);
    assert_eq!(got.code, 0, "{}", got.err);
    got
}
