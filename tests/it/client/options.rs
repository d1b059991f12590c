//! The command line of `calmd get`, and its exit code for a wrong one.

use super::{command, get};
use std::process::Command;

#[test]
fn a_wrong_option_is_one_line_and_exit_code_2() {
    for (args, part) in [
        (&[][..], "<URL>..."),
        (&["localhost:8080"], "http://localhost:8080"),
        (&["--no-such-option", "http://h/"], "--no-such-option"),
        (&["-m", "3", "http://h/"], "-n <COUNT>"),
        (&["-n", "0", "http://h/"], "-n <COUNT>"),
        (&["-I", "-d", "file", "http://h/"], "--data"),
        (
            &["-H", "connection: close", "http://h/"],
            "HTTP/2 has no 'connection'",
        ),
        (&["-H", "no colon", "http://h/"], "NAME:VALUE"),
        (&["-X", "CONNECT", "http://h/"], "no tunnels"),
        (&["--max-time", "5", "http://h/"], "write 5s"),
    ] {
        let got = get(args);
        assert_eq!(got.code, 2, "{args:?}: {}", got.err);
        assert!(got.err.contains(part), "{args:?}: {}", got.err);
        let help = "(calmd get --help lists all options)\n";
        assert!(got.err.ends_with(help), "{args:?}: {}", got.err);
        assert_eq!(got.err.lines().count(), 1, "{args:?}: {}", got.err);
    }
}

#[test]
fn help_goes_to_standard_output() {
    for flag in ["-h", "--help"] {
        let output = command([flag]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success());
        assert!(text.contains("Usage: calmd get [OPTIONS] URL..."), "{text}");
        assert!(text.lines().count() < 60, "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 100),
            "{text}"
        );
    }
}

#[test]
fn directories_are_served_whatever_they_are_called() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["./get", "gets", "help"] {
        let output = Command::new(env!("CARGO_BIN_EXE_calmd"))
            .args([name, "--listen", "127.0.0.1:0"])
            .current_dir(&directory)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        // The argument is taken for a directory, which does not exist.
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(name), "{text}");
    }
}
