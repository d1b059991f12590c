//! A wrong command line, told in one line: the option or the variable, its value, and the mend.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory};

use super::Cli;

/// Options of other servers, and what is to be written here; `{}` stands for the value.
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

/// What is wrong with these arguments, the program's name first.
pub fn explain(error: &clap::Error, args: &[OsString]) -> String {
    let is_get = args.get(1).is_some_and(|first| first == "get");
    let what = match error.kind() {
        ErrorKind::ArgumentConflict | ErrorKind::InvalidSubcommand if !is_get => {
            second_directory(error, args)
        }
        ErrorKind::UnknownArgument => unknown_option(error, args, is_get),
        ErrorKind::ValueValidation | ErrorKind::InvalidValue if !is_get => variable(error, args),
        _ => None,
    };
    let help = match is_get {
        true => "calmd get --help",
        false => "calmd --help",
    };
    let what = what.unwrap_or_else(|| one_line(error));
    format!("{what} ({help} lists all options)")
}

/// What clap says in paragraphs, in one line.
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
    what.replace("value was not a boolean", "write true or false")
        .replace("invalid digit found in string", "write a whole number")
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
    let verb = args.get(1).and_then(|first| first.to_str());
    Some(match verb.filter(|first| VERBS.contains(first)) {
        _ if second == "get" => "'get' comes first, write calmd get URL".into(),
        Some(verb) => format!("leave out '{verb}', write calmd {second}"),
        None => format!("only one directory is served, and '{second}' is a second; leave it out"),
    })
}

fn unknown_option(error: &clap::Error, args: &[OsString], is_get: bool) -> Option<String> {
    let option = context(error, ContextKind::InvalidArg)?;
    let (name, _) = option.split_once('=').unwrap_or((option, ""));
    let known = ELSEWHERE.iter().find(|(names, ..)| names.contains(&name));
    if let Some((_, placeholder, mend)) = known.filter(|_| !is_get) {
        let value = value_of(name, args).unwrap_or_else(|| (*placeholder).to_owned());
        return Some(format!(
            "there is no option '{name}'; {}",
            mend.replace("{}", &value)
        ));
    }
    let command = Cli::command();
    let command = match is_get {
        true => command.find_subcommand("get")?,
        false => &command,
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

/// A value that is wrong and came from the environment is told by the variable's name.
fn variable(error: &clap::Error, args: &[OsString]) -> Option<String> {
    let option = context(error, ContextKind::InvalidArg)?;
    let long = option.split(' ').next()?;
    let on_command_line = |arg: &OsString| {
        let arg = arg.to_string_lossy();
        arg == long || arg.split('=').next() == Some(long)
            // The one option with a short form that takes a value.
            || long == "--listen" && arg.starts_with("-p")
    };
    let command = Cli::command();
    let arg = command
        .get_arguments()
        .find(|arg| arg.get_long().is_some() && arg.get_long() == long.strip_prefix("--"))?;
    let variable = arg.get_env()?;
    std::env::var_os(variable)?;
    if args.iter().any(on_command_line) {
        return None;
    }
    let variable = variable.to_string_lossy();
    Some(one_line(error).replace(
        &format!("for '{option}'"),
        &format!("in the environment's {variable}"),
    ))
}

/// Variables of the environment that look like ours and are none, each with the one that may be
/// meant.
pub fn misspelt_variables<'v>(
    variables: impl Iterator<Item = &'v OsStr>,
    command: &Command,
) -> Vec<String> {
    let known: Vec<&str> = command
        .get_arguments()
        .filter_map(|arg| arg.get_env()?.to_str())
        .collect();
    variables
        .filter_map(|name| name.to_str())
        .filter(|name| name.starts_with("CALMD_") && !known.contains(name))
        .map(|name| match nearest(name, known.iter().copied()) {
            Some(meant) => {
                format!("{name} in the environment means nothing; did you mean {meant}?")
            }
            None => {
                format!("{name} in the environment means nothing; calmd --help lists all options")
            }
        })
        .collect()
}

/// The name that differs in the fewest letters, if they are few enough for a slip.
fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let most = 1 + name.len() / 5;
    names
        .map(|known| (distance(name, known), known))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, known)| known)
}

/// Letters to insert, take away or replace between two words (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let changed = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = changed.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}
