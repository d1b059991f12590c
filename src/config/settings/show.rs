//! The settings in effect, as a settings file with the origin of each.

use std::ffi::OsString;

use super::hosts;
use super::rule_text::{self, RuleOwner};
use super::toml_text::quoted;
use super::{
    Arity, GivenHost, GivenSettings, HostRole, SETTINGS_FILE, Scope, Setting, SettingOrigin,
    ValueForm, all,
};
use crate::http::quantity;

/// The setting whose value at the top level is divided among the hosts.
const CACHE_MEMORY: &str = "cache-memory";

/// Column of the comments, which lines that are longer push to the right.
const COMMENT: usize = 36;

/// The settings in effect, a line each, in TOML: what was given, else the default.
pub fn show(given: &GivenSettings) -> String {
    let mut text = String::new();
    for setting in all().filter(|setting| setting.name != SETTINGS_FILE) {
        text.push_str(&line(setting, given));
        text.push('\n');
    }
    text.push_str(&rule_text::lines(given.rule_texts()));
    for host in &given.hosts {
        text.push_str(&of_host(host, given));
    }
    text
}

/// A host: its names, the settings of its own, and behind a `#` those that it has from the top level and the
/// defaults of the others.
fn of_host(host: &GivenHost, top: &GivenSettings) -> String {
    let names: Vec<_> = host.names.iter().map(ToString::to_string).collect();
    let names: Vec<_> = names.iter().map(|name| quoted(name)).collect();
    let mut text = format!("\n[[host]]\nnames = [{}]", names.join(", "));
    let end = text.rfind('\n').map_or(0, |at| text.len() - at - 1);
    let space = " ".repeat(COMMENT.saturating_sub(end));
    text.push_str(&format!("{space} # {}\n", host.place));
    if host.role == HostRole::Default {
        text.push_str("default = true\n");
    }
    let own = |setting: &&Setting| host.settings.values(setting.name).is_some();
    for setting in all().filter(own) {
        let line = line(setting, &host.settings);
        let line = match line.strip_prefix("dir = ") {
            Some(directory) => format!("root = {directory}"),
            None => line,
        };
        text.push_str(&line);
        text.push('\n');
    }
    let (mut inherited, mut own) = (Vec::new(), Vec::new());
    for (rule, owner) in rule_text::effective(host, top) {
        match owner {
            RuleOwner::TopLevel => inherited.push(rule),
            RuleOwner::Host => own.push(rule),
        }
    }
    text.push_str(&rule_text::lines(own.into_iter()));
    let unsaid = |setting: &&Setting| {
        let is_own = host.settings.values(setting.name).is_some();
        setting.scope == Scope::Host && !is_own
    };
    let settings = all().filter(unsaid).map(|setting| match setting.name {
        CACHE_MEMORY => cache_share(setting, top),
        _ if host.inherits(setting) => line(setting, top),
        _ => line(setting, &GivenSettings::default()),
    });
    let settings = settings.map(|line| line + "\n");
    let unsaid = settings.chain([rule_text::lines(inherited.into_iter())]);
    for line in unsaid.collect::<String>().lines() {
        let comment = if line.starts_with('#') { "" } else { "# " };
        text.push_str(&format!("{comment}{line}\n"));
    }
    text
}

/// The memory that a host has as its share, where it does not say how much it has.
fn cache_share(setting: &Setting, top: &GivenSettings) -> String {
    let given = top.values(setting.name).and_then(|values| values.last());
    let whole = given.map(|(_, text)| text.to_string_lossy().into_owned());
    let whole = whole.or(setting.default.map(str::to_owned));
    let whole = whole.unwrap_or_default();
    let bytes = quantity::bytes(&whole).and_then(|bytes| usize::try_from(bytes).ok());
    let share = hosts::cache_share(bytes.unwrap_or_default(), top.hosts.len().max(1));
    let line = format!("{} = {}", setting.name, quoted(&share.to_string()));
    format!("{line:COMMENT$} # its share of {whole}")
}

fn line(setting: &Setting, given: &GivenSettings) -> String {
    let name = setting.name;
    let (value, origin) = match (given.values(name), setting.default) {
        (Some(values), _) => {
            let texts = values.iter().flat_map(|(_, text)| setting.split(text));
            let texts: Vec<String> = texts.map(|text| text.to_string_lossy().into()).collect();
            (value(setting, &texts), origin(setting, values))
        }
        (None, Some(_)) if is_replaced(name, given) => return format!("# {name} is not set"),
        (None, Some(default)) => (value(setting, &[default.to_owned()]), "default".into()),
        (None, None) => match setting.form {
            ValueForm::Switch(_) => ("false".into(), "default".into()),
            ValueForm::Text(_) | ValueForm::Path(_) => return format!("# {name} is not set"),
        },
    };
    let line = format!("{name} = {value}");
    format!("{line:COMMENT$} # {origin}")
}

/// True for a default address where the other kind of address is named, which replaces both.
fn is_replaced(name: &str, given: &GivenSettings) -> bool {
    let other = match name {
        "listen" => "listen-tls",
        "listen-tls" => "listen",
        _ => return false,
    };
    given.values(other).is_some()
}

fn value(setting: &Setting, texts: &[String]) -> String {
    let one = |text: &String| match (setting.form, super::value::boolean(text)) {
        (ValueForm::Switch(_), Ok(value)) => value.to_string(),
        _ => quoted(text),
    };
    match (setting.arity, texts) {
        (Arity::One, [text]) => one(text),
        _ => format!("[{}]", texts.iter().map(one).collect::<Vec<_>>().join(", ")),
    }
}

fn origin(setting: &Setting, values: &[(SettingOrigin, OsString)]) -> String {
    match values.first() {
        Some((SettingOrigin::File(place), _)) => place.to_string(),
        Some((SettingOrigin::Environment, _)) => setting.variable(),
        Some((SettingOrigin::CommandLine, _)) => "command line".into(),
        Some((SettingOrigin::Profile, _)) => "--small".into(),
        None => "an empty list".into(),
    }
}
