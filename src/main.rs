//! The command line → the configuration → the server → its sandbox; for `calmd check` a test of it, for
//! `calmd get` the client; exit codes.
//!
//! Exit code 0: stopped by the operator, or fetched. 1: could not start, or could not fetch. 2: a wrong
//! option or settings file. 101: ended by a bug of ours.

#![warn(clippy::print_stdout, clippy::print_stderr)]

use calmd::allocator;
use calmd::app::{self, App};
use calmd::cli::{self, Command, SettingsReader};
#[cfg(feature = "client")]
use calmd::client;
use calmd::config::Config;
use calmd::helper::{HelperProcess, HelperSandbox};
use calmd::panics::{self, Panic};
use calmd::sandbox::{self, HelperRights};
use calmd::telemetry::lines::Lines;
use calmd::telemetry::sink::{self, Sink};
use calmd::telemetry::standard_error;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    panics::install_hook(|panic| standard_error::try_write_last(&last_words(panic)));
    panics::catch(run).unwrap_or_else(|panic| {
        standard_error::write_last(&last_words(&panic));
        ExitCode::from(panics::EXIT_CODE)
    })
}

fn last_words(panic: &Panic) -> String {
    format!("calmd: ended by an internal error, please report it: {panic}\n")
}

fn run() -> ExitCode {
    match HelperProcess::begin(std::env::args_os()) {
        Ok(None) => {}
        Ok(Some(helper)) => return end(help(helper)),
        Err(error) => return end(Err(error.into())),
    }
    if let Err(error) = sink::survive_file_size_limit() {
        standard_error::write(&format!(
            "calmd: a file size limit (ulimit -f) may end the server: {error}\n"
        ));
    }
    let done = match cli::parse() {
        Ok(Command::Serve(config, reader)) => serve(config, reader),
        Ok(Command::Check(config, rules)) => check(&config, &rules),
        Ok(Command::Show(settings)) => print(&settings),
        #[cfg(feature = "client")]
        Ok(Command::Get(options)) => match client::run(&options) {
            Err(error) if error.is_unread() => return ExitCode::FAILURE,
            done => done.map_err(Into::into),
        },
        Err(code) => return ExitCode::from(code),
    };
    end(done)
}

/// The exit code, and the last line for the operator.
fn end(done: Result<(), Box<dyn Error>>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            standard_error::write_last(&format!("calmd: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Warnings go to standard error, the result to standard output.
fn check(config: &Config, rules: &str) -> Result<(), Box<dyn Error>> {
    standard_error::install_log(config.log_level);
    let told = app::check(config, rules)?;
    print(&told)
}

fn print(text: &str) -> Result<(), Box<dyn Error>> {
    let mut output = io::stdout().lock();
    let written = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
    match written {
        // The reader has enough, as `head` has.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(format!("cannot write to standard output: {error}").into()),
        Ok(()) => Ok(()),
    }
}

/// Is the helper of a server.
fn help(helper: HelperProcess) -> Result<(), Box<dyn Error>> {
    if helper.sandbox() == HelperSandbox::On {
        let readable = helper.readable();
        let rights = readable.map_or(HelperRights::Descriptors, HelperRights::Files);
        // The server tells of the parts that are missing here.
        sandbox::enter_helper(rights)?;
    }
    Ok(helper.run()?)
}

fn serve(
    mut config: Box<Config>,
    reader: Option<Box<SettingsReader>>,
) -> Result<(), Box<dyn Error>> {
    allocator::adopt();
    // Both are opened before the sandbox closes.
    standard_error::install_log(config.log_level);
    let output = Sink::standard_output().map(Lines::new);
    for mistake in cli::misspelt_variables() {
        log::warn!("{mistake}");
    }
    let mut app = App::open(&mut config)?;
    if let Some(reader) = reader {
        app.read_again(&config, move |running| reader.read(running));
    }
    sandbox::enter(&app.rights(&config))?.log();
    app.warn(&config);
    let told = app.announcement(&config);
    let logs_to_output = matches!(&config.access_log, Some(log) if log.file.is_none());
    if !config.hosts.is_empty() {
        // A thousand hosts leave a thousand configurations behind.
        drop(config);
        allocator::tidy();
    }
    match output {
        _ if logs_to_output => standard_error::write(&told),
        Ok(mut output) => output.write(told.as_bytes()),
        // The standard stream is closed: nothing is lost that the operator wanted to keep.
        Err(_) => {}
    }
    app.run()
}
