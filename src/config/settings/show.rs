//! The settings in effect, as a settings file with the origin of each.

use std::ffi::OsString;

use super::{Arity, GivenSettings, SETTINGS_FILE, Setting, SettingOrigin, ValueForm, all};

/// Column of the comments, which lines that are longer push to the right.
const COMMENT: usize = 36;

/// The settings in effect, a line each, in TOML: what was given, else the default.
pub fn show(given: &GivenSettings) -> String {
    let mut text = String::new();
    for setting in all().filter(|setting| setting.name != SETTINGS_FILE) {
        text.push_str(&line(setting, given));
        text.push('\n');
    }
    text
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

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => {
                quoted.push_str(&format!("\\u{:04X}", u32::from(letter)));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

fn origin(setting: &Setting, values: &[(SettingOrigin, OsString)]) -> String {
    match values.first() {
        Some((SettingOrigin::File(place), _)) => place.to_string(),
        Some((SettingOrigin::Environment, _)) => setting.variable(),
        Some((SettingOrigin::CommandLine, _)) => "command line".into(),
        None => "an empty list".into(),
    }
}
