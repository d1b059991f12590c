//! The command line: the table of settings as clap's definitions, what was given by options and by the
//! environment, and for `calmd get` (in `get`) the client's options.
//!
//! Every setting of the server can be given by an environment variable as well, `--cache-memory` by
//! `CALMD_CACHE_MEMORY`, and by the settings file that `--config` names. An option precedes the variable,
//! the variable the file, the file the default. A mistake is told in one line that names the option, the
//! variable or the place in the file, the value and the mend.
//!
//! `calmd check` tests everything that the settings name, `calmd config --show` prints the settings in
//! effect with their origins. Both take the options of the server. `calmd print` prints a document. A
//! directory of such a name is served as `./check`.

use std::ffi::OsString;
use std::io;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, value_parser};

#[cfg(feature = "client")]
use crate::client;
use crate::config::file::FileMistake;
use crate::config::settings::{
    self, Arity, GivenSettings, Level, Mistake, Position, Setting, SettingOrigin, TABLE, ValueForm,
};
use crate::config::{Config, InheritedSocket};
use crate::telemetry::notify::ManagerConfig;
use crate::telemetry::standard_error;
use crate::tls::{Certificate, state_directory};
pub use reader::SettingsReader;

#[cfg(feature = "client")]
mod get;
mod mistake;
mod print;
mod reader;

/// A task of the program.
#[derive(Debug)]
pub enum Command {
    /// Serve. Where there is a settings file, its reader can read it again.
    Serve(Box<Config>, Option<Box<SettingsReader>>),
    /// Test everything that serving takes, and print what would be served, with the table of these rules.
    Check(Box<Config>, String),
    /// Print a text: the settings in effect, or a document.
    Show(String),
    /// Fetch.
    #[cfg(feature = "client")]
    Get(Box<client::GetOptions>),
}

/// A command line that names no task: help was asked for, or something is wrong.
#[derive(Debug)]
enum CommandError {
    /// clap's answer: help, the version, or arguments that it does not understand.
    Arguments(clap::Error),
    /// A wrong setting.
    Setting(Mistake),
    /// Sockets, or a service manager, that are told of in a wrong way: a sentence.
    Inherited(String),
    /// A settings file that cannot be read.
    File(FileMistake),
    /// A document that is not there: a sentence.
    Document(String),
}

impl From<clap::Error> for CommandError {
    fn from(error: clap::Error) -> Self {
        CommandError::Arguments(error)
    }
}

/// A variable of the environment.
type Variable<'e> = &'e dyn Fn(&str) -> Option<OsString>;

/// The task that the program was started for, or the exit code of a program that ends here: after
/// `--help` or `--version`, or because an option is wrong.
pub fn parse() -> Result<Command, u8> {
    let args: Vec<OsString> = std::env::args_os().collect();
    let refusal = match parse_from(&args, &|name| std::env::var_os(name)) {
        Ok(command) => return Ok(command),
        Err(refusal) => refusal,
    };
    if let CommandError::Arguments(error) = &refusal
        && matches!(
            error.kind(),
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
        )
    {
        // A closed pipe is no reason to fail, a full disk is.
        return Err(match error.print() {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let line = format!("calmd: cannot write to standard output: {error}\n");
                standard_error::write_last(&line);
                1
            }
            _ => 0,
        });
    }
    let line = format!("calmd: {}\n", mistake::explain(&refusal, &args));
    standard_error::write_last(&line);
    Err(2)
}

/// A use of the settings, by the first word of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Serve,
    Check,
    Show,
}

impl Purpose {
    /// The purpose of these arguments, the program's name first, and its own arguments, with a name first.
    fn of(args: &[OsString]) -> (Purpose, &[OsString]) {
        let rest = args.get(1..).unwrap_or_default();
        match rest.first().and_then(|first| first.to_str()) {
            Some("check") => (Purpose::Check, rest),
            Some("config") => (Purpose::Show, rest),
            _ => (Purpose::Serve, args),
        }
    }
}

/// The task of these arguments, the program's name first, in this environment.
fn parse_from(args: &[OsString], variable: Variable<'_>) -> Result<Command, CommandError> {
    if let [_, verb, rest @ ..] = args
        && verb == "print"
    {
        return print::text(rest)
            .map(Command::Show)
            .map_err(CommandError::Document);
    }
    let level = if args.iter().any(|arg| arg == "-h") {
        Level::Short
    } else {
        Level::Long
    };
    let (purpose, args) = Purpose::of(args);
    let matches = definitions(purpose, level).try_get_matches_from(args)?;
    #[cfg(feature = "client")]
    if purpose == Purpose::Serve
        && let Some(matches) = matches.subcommand_matches("get")
    {
        return Ok(Command::Get(Box::new(get::options(matches)?)));
    }
    let mut base = Config::default();
    base.host.certificates = vec![Certificate::SelfSigned {
        directory: state_directory(variable),
    }];
    let inherited = InheritedSocket::announced(variable, std::process::id());
    base.inherit(inherited.map_err(CommandError::Inherited)?);
    let manager = ManagerConfig::announced(variable, std::process::id());
    base.manager = manager.map_err(CommandError::Inherited)?;
    let said = said(&matches, variable);
    let reader = SettingsReader::of(said, &base).map_err(CommandError::File)?;
    let given = reader.given();
    let config = Box::new(given.resolve(base).map_err(CommandError::Setting)?);
    Ok(match purpose {
        Purpose::Serve => Command::Serve(config, reader.again()),
        Purpose::Check => Command::Check(config, settings::rule_table(given)),
        Purpose::Show => Command::Show(settings::show(given)),
    })
}

/// The settings that the command line gives, and of the others those that the environment gives.
fn said(matches: &ArgMatches, variable: Variable<'_>) -> GivenSettings {
    let mut said = GivenSettings::default();
    for setting in settings::all() {
        if let Some(values) = values(setting, matches, variable) {
            said.give(setting, values);
        }
    }
    said
}

/// The values of a setting by the command line, else by the environment.
fn values(
    setting: &Setting,
    matches: &ArgMatches,
    variable: Variable<'_>,
) -> Option<Vec<(SettingOrigin, OsString)>> {
    if matches.value_source(setting.name) == Some(ValueSource::CommandLine) {
        let values = match setting.form {
            ValueForm::Switch(_) => vec!["true".into()],
            ValueForm::Text(_) | ValueForm::Path(_) => matches
                .get_many::<OsString>(setting.name)
                .map(|values| values.cloned().collect())
                .unwrap_or_default(),
        };
        let by_option = |value| (SettingOrigin::CommandLine, value);
        return Some(values.into_iter().map(by_option).collect());
    }
    // A variable that is empty is one that is not set, as files of settings for services have it.
    let value = variable(&setting.variable()).filter(|value| !value.is_empty())?;
    Some(vec![(SettingOrigin::Environment, value)])
}

/// Warnings of variables of the environment that look like ours and are none, one line each.
pub fn misspelt_variables() -> Vec<String> {
    let variables: Vec<OsString> = std::env::vars_os().map(|(name, _)| name).collect();
    mistake::misspelt_variables(variables.iter().map(OsString::as_os_str))
}

/// The usage of the program.
const USAGE: &str = if cfg!(feature = "client") {
    "calmd [OPTIONS] [DIR]\n       calmd check [OPTIONS] [DIR]\n       calmd config --show [OPTIONS] [DIR]\n       \
     calmd print DOCUMENT\n       calmd get [OPTIONS] URL..."
} else {
    "calmd [OPTIONS] [DIR]\n       calmd check [OPTIONS] [DIR]\n       calmd config --show [OPTIONS] [DIR]\n       \
     calmd print DOCUMENT"
};

/// clap's definitions for this purpose, with the help of this level.
fn definitions(purpose: Purpose, level: Level) -> clap::Command {
    let mut command = match purpose {
        Purpose::Serve => serving(),
        Purpose::Check => clap::Command::new("calmd check")
            .about(
                "Test the settings and everything that they name, and print what would be served",
            )
            .override_usage("calmd check [OPTIONS] [DIR]"),
        Purpose::Show => clap::Command::new("calmd config")
            .about("Print the settings in effect, each with the place that it came from")
            .override_usage("calmd config --show [OPTIONS] [DIR]")
            .arg(
                Arg::new("show")
                    .long("show")
                    .action(ArgAction::SetTrue)
                    .required(true)
                    .help("Print them as a settings file"),
            ),
    };
    command = command
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_flag(true)
        .disable_version_flag(true)
        .max_term_width(100)
        .after_help(after_help(level));
    for group in TABLE {
        for setting in group.settings {
            command = command.arg(definition(setting, group.heading, level));
        }
    }
    let help = Arg::new("help")
        .short('h')
        .long("help")
        .action(ArgAction::Help)
        .help("Print help: -h the essentials, --help everything")
        .help_heading("Help");
    let version = Arg::new("version")
        .short('V')
        .long("version")
        .action(ArgAction::Version)
        .help("Print version")
        .help_heading("Help");
    command.arg(help).arg(version)
}

/// The end of the help of this level.
fn after_help(level: Level) -> String {
    let forms = "SIZE is 64K, 1M, 2G; TIME 500ms, 30s, 2m, 1h; ADDR also \
                 unix:PATH,mode=0660,owner=USER:GROUP.";
    let variables = "Every option has an environment variable: CALMD_CACHE_MEMORY for --cache-memory, \
                     and so on";
    match level {
        Level::Short => format!("{forms}\n{variables}."),
        Level::Long => format!(
            "{forms}\n{variables};\nlists stand in lines ({}), ADDR with commas too.",
            lists().join(", ")
        ),
    }
}

/// Names of the settings that take several values.
fn lists() -> Vec<&'static str> {
    let lists = settings::all().filter(|setting| setting.arity == Arity::Lines);
    lists.map(|setting| setting.name).collect()
}

/// clap's definition of the program that serves, or fetches.
fn serving() -> clap::Command {
    let command = clap::Command::new("calmd")
        .about("Serve a directory over HTTP/2 and HTTP/1.1")
        .disable_help_subcommand(true)
        .args_conflicts_with_subcommands(true)
        .override_usage(USAGE);
    #[cfg(feature = "client")]
    // The usage tells of it, beside its two siblings.
    let command = command.subcommand(get::definitions().hide(true));
    command
}

/// clap's definition of a setting.
fn definition(setting: &'static Setting, heading: Option<&'static str>, level: Level) -> Arg {
    let action = match (setting.form, setting.arity) {
        (ValueForm::Switch(_), _) => ArgAction::SetTrue,
        (_, Arity::One) => ArgAction::Set,
        (_, Arity::Lines) => ArgAction::Append,
    };
    let help = match setting.arity {
        Arity::One => setting.help.to_owned(),
        Arity::Lines => format!("{}; repeatable", setting.help),
    };
    let mut arg = Arg::new(setting.name)
        .help(help)
        .help_heading(heading)
        .hide(level == Level::Short && setting.level == Level::Long)
        .action(action);
    if setting.position == Position::Option {
        arg = arg.long(setting.name);
    }
    if let Some(letter) = setting.short {
        arg = arg.short(letter);
    }
    if matches!(setting.form, ValueForm::Switch(_)) {
        return arg;
    }
    if let Some(default) = setting.default {
        arg = arg.default_value(default);
    }
    arg.value_name(setting.value)
        .value_parser(value_parser!(OsString))
}

#[cfg(test)]
mod tests;
