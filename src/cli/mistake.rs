//! A wrong command line, told in one line: the option or the variable, its value, and the mend.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{CommandError, Purpose, definitions};
use crate::config::settings::{self, Level, Mistake, Position, Setting, SettingOrigin, nearest};

/// Options of other servers, and ours for them; `{}` stands for the value.
const ELSEWHERE: [(&[&str], &str, &str); 8] = [
    (
        &["--port", "--http-port", "--listen-port"],
        "PORT",
        "write --listen :{}, or -p {}",
    ),
    (
        &[
            "--host",
            "--hostname",
            "--bind",
            "--bind-address",
            "--address",
            "--addr",
            "--ip",
            "-b",
        ],
        "HOST",
        "write --listen {}:PORT",
    ),
    (
        &[
            "--root",
            "--dir",
            "--directory",
            "--docroot",
            "--document-root",
            "--path",
            "--webroot",
            "-d",
            "-r",
        ],
        "DIR",
        "the directory needs no option, write calmd {}",
    ),
    (
        &[
            "--tls",
            "--ssl",
            "--https",
            "--https-port",
            "--tls-port",
            "--ssl-port",
        ],
        "PORT",
        "write --listen-tls :{}",
    ),
    (
        &["--cors"],
        "*",
        "write --header 'Access-Control-Allow-Origin: {}'",
    ),
    (
        &["--log", "--log-file", "--logfile", "-l"],
        "FILE",
        "write --access-log {}",
    ),
    (
        &["--verbose", "--debug", "-v"],
        "",
        "write --log-level debug",
    ),
    (
        &["--quiet", "--silent", "-q"],
        "",
        "write --log-level error",
    ),
];

/// Words that other programs begin to serve by.
const VERBS: [&str; 4] = ["serve", "server", "start", "run"];

/// The sentence on a refusal of these arguments, the program's name first.
pub(super) fn explain(refusal: &CommandError, args: &[OsString]) -> String {
    let is_get = cfg!(feature = "client") && args.get(1).is_some_and(|first| first == "get");
    let (purpose, args) = Purpose::of(args);
    let help = match purpose {
        Purpose::Serve if is_get => "calmd get --help",
        Purpose::Serve => "calmd --help",
        Purpose::Check => "calmd check --help",
        Purpose::Show => "calmd config --help",
    };
    let what = match refusal {
        CommandError::Arguments(error) => arguments(error, args, is_get),
        CommandError::Setting(mistake) => setting(mistake),
        CommandError::Inherited(problem) => problem.clone(),
        CommandError::File(mistake) => mistake.to_string(),
        CommandError::Document(problem) => return problem.clone(),
    };
    format!("{what} ({help} lists all options)")
}

fn arguments(error: &clap::Error, args: &[OsString], is_get: bool) -> String {
    let what = match error.kind() {
        ErrorKind::ArgumentConflict | ErrorKind::InvalidSubcommand if !is_get => {
            second_directory(error, args)
        }
        ErrorKind::UnknownArgument => unknown_option(error, args, is_get),
        _ => None,
    };
    what.unwrap_or_else(|| one_line(error))
}

/// A wrong setting, spelt as the option or the variable that it came from.
pub(super) fn setting(mistake: &Mistake) -> String {
    match mistake {
        Mistake::Value {
            setting,
            origin,
            value,
            problem,
        } => {
            let place = match origin {
                SettingOrigin::CommandLine => format!("for '{}'", usage(setting)),
                SettingOrigin::Environment => {
                    format!("in the environment's {}", setting.variable())
                }
                SettingOrigin::File(_) | SettingOrigin::Profile => {
                    format!("for '{}'", setting.name)
                }
            };
            // One line, whatever was written.
            let value = value.to_string_lossy().replace(char::is_control, " ");
            let what = format!("invalid value '{value}' {place}: {problem}");
            match origin {
                SettingOrigin::File(place) => format!("{place}: {what}"),
                SettingOrigin::CommandLine
                | SettingOrigin::Environment
                | SettingOrigin::Profile => what,
            }
        }
        Mistake::Incomplete { settings, needs } => {
            let spelt: Vec<String> = settings
                .iter()
                .map(|(setting, origin)| match origin {
                    SettingOrigin::CommandLine | SettingOrigin::Profile => {
                        format!("'--{}'", setting.name)
                    }
                    SettingOrigin::Environment => {
                        format!("the environment's {}", setting.variable())
                    }
                    SettingOrigin::File(place) => format!("{place}: '{}'", setting.name),
                })
                .collect();
            format!("{} {needs}", spelt.join(" and "))
        }
    }
}

/// A setting as the usage of the program shows it: `--listen <ADDR>`.
fn usage(setting: &Setting) -> String {
    match (setting.position, setting.value) {
        (Position::Operand, value) => format!("[{value}]"),
        (Position::Option, "") => format!("--{}", setting.name),
        (Position::Option, value) => format!("--{} <{value}>", setting.name),
    }
}

/// clap's paragraphs in one line.
fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let what: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .filter(|line| !line.is_empty() && !line.starts_with("tip:"))
        .collect();
    let what = what.join(" ");
    let what = what.strip_prefix("error: ").unwrap_or(&what);
    if let Some((what, range)) = what.rsplit_once(": ")
        && let Some((least, most)) = range
            .split_once(" is not in ")
            .and_then(|(_, range)| range.split_once("..="))
    {
        return format!("{what}: write a number from {least} to {most}");
    }
    what.replace("invalid digit found in string", "write a whole number")
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text),
        _ => None,
    }
}

/// clap takes a second directory for a subcommand that it does not know.
fn second_directory(error: &clap::Error, args: &[OsString]) -> Option<String> {
    let second = context(error, ContextKind::InvalidSubcommand)?;
    Some(only_one_directory(second, args))
}

fn only_one_directory(second: &str, args: &[OsString]) -> String {
    let verb = args.get(1).and_then(|first| first.to_str());
    match verb.filter(|first| VERBS.contains(first)) {
        _ if second == "get" && cfg!(feature = "client") => {
            "'get' comes first, write calmd get URL".into()
        }
        Some(verb) => format!("leave out '{verb}', write calmd {second}"),
        None => format!("only one directory is served, and '{second}' is a second; leave it out"),
    }
}

fn unknown_option(error: &clap::Error, args: &[OsString], is_get: bool) -> Option<String> {
    let option = context(error, ContextKind::InvalidArg)?;
    // Where clap knows no subcommand, it has no other name for a second directory.
    if !option.starts_with('-') && !is_get {
        return Some(only_one_directory(option, args));
    }
    let (name, _) = option.split_once('=').unwrap_or((option, ""));
    let known = ELSEWHERE.iter().find(|(names, ..)| names.contains(&name));
    if let Some((_, placeholder, mend)) = known.filter(|_| !is_get) {
        let value = value_of(name, args).unwrap_or_else(|| (*placeholder).to_owned());
        return Some(format!(
            "there is no option '{name}'; {}",
            mend.replace("{}", &value)
        ));
    }
    let command = definitions(Purpose::of(args).0, Level::Long);
    let command = if is_get {
        command.find_subcommand("get")?
    } else {
        &command
    };
    let long = name.strip_prefix("--")?;
    let names = command.get_arguments().filter_map(|arg| arg.get_long());
    let meant = nearest(long, names)?;
    Some(format!(
        "there is no option '{name}'; did you mean --{meant}?"
    ))
}

/// The value that was written for an option: behind `=`, or as the next argument.
fn value_of(name: &str, args: &[OsString]) -> Option<String> {
    let mut args = args.iter().filter_map(|arg| arg.to_str());
    let found = args.find(|arg| *arg == name || arg.split('=').next() == Some(name))?;
    let value = match found.split_once('=') {
        Some((_, value)) => Some(value),
        None => args.next().filter(|next| !next.starts_with('-')),
    };
    let value = value.filter(|value| !value.is_empty())?;
    // `--port :80`; the mend has the colon already.
    let port = value
        .strip_prefix(':')
        .filter(|port| port.parse::<u16>().is_ok());
    Some(port.unwrap_or(value).to_owned())
}

/// Warnings of variables that look like ours and are none, each with the one that may be meant.
pub(super) fn misspelt_variables<'v>(variables: impl Iterator<Item = &'v OsStr>) -> Vec<String> {
    let known: Vec<String> = settings::all().map(Setting::variable).collect();
    variables
        .filter_map(|name| name.to_str())
        .filter(|name| name.starts_with("CALMD_") && !known.iter().any(|known| known == name))
        .map(
            |name| match nearest(name, known.iter().map(String::as_str)) {
                Some(meant) => {
                    format!("{name} in the environment means nothing; did you mean {meant}?")
                }
                None => {
                    format!(
                        "{name} in the environment means nothing; calmd --help lists all options"
                    )
                }
            },
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::error;

    #[test]
    fn options_of_other_servers_are_answered_with_ours() {
        for (args, said) in [
            (
                &["d", "extra"][..],
                "only one directory is served, and 'extra' is a second; leave it out",
            ),
            (&["serve", "d"], "leave out 'serve', write calmd d"),
            (
                &["d", "get", "http://h/"],
                "'get' comes first, write calmd get URL",
            ),
            (
                &["--port", "80"],
                "there is no option '--port'; write --listen :80, or -p 80",
            ),
            (
                &["--port=80"],
                "there is no option '--port'; write --listen :80, or -p 80",
            ),
            (
                &["--port"],
                "there is no option '--port'; write --listen :PORT, or -p PORT",
            ),
            (
                &["--host", "::1"],
                "there is no option '--host'; write --listen ::1:PORT",
            ),
            (
                &["--root", "site"],
                "there is no option '--root'; the directory needs no option, write calmd site",
            ),
            (
                &["--lisen", ":80"],
                "there is no option '--lisen'; did you mean --listen?",
            ),
            (
                &["--acces-log=-"],
                "there is no option '--acces-log'; did you mean --access-log?",
            ),
            (
                &["--cors"],
                "there is no option '--cors'; write --header 'Access-Control-Allow-Origin: *'",
            ),
            (
                &["--frobnicate"],
                "unexpected argument '--frobnicate' found",
            ),
            (
                &["get", "--maxtime", "3s", "http://h/"],
                "there is no option '--maxtime'; did you mean --max-time?",
            ),
            (
                &["--max-connections", "many"],
                "invalid value 'many' for '--max-connections <N>': write a whole number",
            ),
            (
                &["--max-connections", "0"],
                "invalid value '0' for '--max-connections <N>': write a number from 1 to 10000000",
            ),
            (
                &["--header", "ETag: x"],
                "invalid value 'ETag: x' for '--header <NAME: VALUE>': calmd sets this field itself; leave the option out",
            ),
        ] {
            let help = match args[0] {
                "get" => "calmd get --help",
                _ => "calmd --help",
            };
            assert_eq!(error(args), format!("{said} ({help} lists all options)"));
        }
    }

    #[test]
    fn variables_that_look_like_ours_and_are_none_are_told() {
        let names = [
            "CALMD_LISEN",
            "CALMD_LISTEN",
            "CALMD_COLOUR",
            "PATH",
            "CALMD_DIR",
        ];
        let names = names.map(OsStr::new);
        assert_eq!(
            misspelt_variables(names.into_iter()),
            [
                "CALMD_LISEN in the environment means nothing; did you mean CALMD_LISTEN?",
                "CALMD_COLOUR in the environment means nothing; calmd --help lists all options"
            ]
        );
    }
}
