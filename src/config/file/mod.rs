//! The settings file: TOML, or JSON where the name ends in `.json`.
//!
//! ```text
//! file ─▶ read_regular ─▶ syntax (TOML or JSON) ─▶ tree of nodes with positions ─▶ settings of the table
//! ```
//!
//! A key is the name of an option: `cache-memory = "8M"`. HTTP/2's own settings are taken by their RFC names as well:
//! `"SETTINGS_MAX_CONCURRENT_STREAMS": 100` (RFC 9113 §6.5.2). A list belongs to a setting that may be repeated. A
//! table `[[host]]` is a host with its own settings. Paths are relative to the directory of the file. [`FileMistake`]
//! names the file, the line, the column, the key and the mend.

mod host;
mod node;
mod rules;
mod syntax;
mod texts;

use std::ffi::OsString;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::settings::{
    self, Arity, FilePlace, GivenSettings, RuleText, Setting, SettingOrigin, nearest,
};
use crate::world::files::read_regular;
use host::FileHost;
use node::{Keys, NodeValue, SettingKey, SettingNode};
use rules::RuleKeys;

/// The longest settings file that is read, in bytes: a thousand hosts with twenty lines each are shorter.
const LONGEST: u64 = 1 << 20;

/// The beginning of the names that RFC 9113 §6.5.2 gives to settings of HTTP/2.
const RFC_PREFIX: &str = "SETTINGS_";

/// A setting of HTTP/2 that calmd has no option for, because it never pushes.
const ENABLE_PUSH: &str = "SETTINGS_ENABLE_PUSH";

/// Reason why a settings file was not taken. Displayed, it is one line that says how to mend it.
#[derive(Debug)]
pub enum FileMistake {
    /// The file cannot be read.
    Read {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// Its text is wrong.
    Text {
        /// The first wrong place.
        place: FilePlace,
        /// A sentence on what is wrong and what would be right.
        problem: String,
    },
}

impl fmt::Display for FileMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileMistake::Read { file, reason } => {
                let mend = match reason.kind() {
                    ErrorKind::IsADirectory => "name a file in it",
                    ErrorKind::InvalidInput => "name a regular file",
                    _ => "see that it exists and that this user may read it",
                };
                write!(
                    f,
                    "cannot read the settings file '{}': {reason}; {mend}",
                    file.display()
                )
            }
            FileMistake::Text { place, problem } => write!(f, "{place}: {problem}"),
        }
    }
}

/// Settings of a file, each at most once, with the place of each value.
#[derive(Debug)]
pub struct SettingsFile {
    entries: Vec<FileSetting>,
    rules: crate::rules::Config,
    rule_texts: Vec<RuleText>,
    hosts: Vec<FileHost>,
}

#[derive(Debug)]
struct FileSetting {
    setting: &'static Setting,
    values: Vec<(FilePlace, OsString)>,
}

impl FileSetting {
    fn give(&self, given: &mut GivenSettings) {
        let values = self.values.iter();
        let values = values
            .map(|(place, value)| (SettingOrigin::File(place.clone()), value.clone()))
            .collect();
        given.give(self.setting, values);
    }
}

impl SettingsFile {
    /// Reads the file of this path.
    pub fn read(path: &Path) -> Result<SettingsFile, FileMistake> {
        let unreadable = |reason| FileMistake::Read {
            file: path.into(),
            reason,
        };
        let content = read_regular(path, LONGEST).map_err(unreadable)?;
        Self::parse(path, &content)
    }

    /// The settings in the content of the file of this path.
    fn parse(path: &Path, content: &[u8]) -> Result<SettingsFile, FileMistake> {
        let source = SettingsText::new(path, content);
        let text = str::from_utf8(content)
            .map_err(|error| source.mistake(error.valid_up_to(), "the text is not UTF-8"))?;
        let parse = match path.extension() {
            Some(extension) if extension == "json" => syntax::json,
            _ => syntax::toml,
        };
        let parsed = parse(text);
        let mut keys = parsed.map_err(|fault| source.mistake(fault.at, fault.problem))?;
        // The first mistake of the file is the one that is told.
        keys.sort_by_key(|(key, _)| key.at);
        let mut file = SettingsFile {
            entries: Vec::new(),
            rules: crate::rules::Config::default(),
            rule_texts: Vec::new(),
            hosts: Vec::new(),
        };
        let mut rules = RuleKeys::default();
        for (key, value) in spread(&source, keys)? {
            if RuleKeys::takes(&key.name) {
                file.rule_texts.extend(texts::texts(&source, &key, &value));
                rules.add(&source, &key, value)?;
            } else {
                file.add(&source, &key.name, key.at, value)?;
            }
        }
        file.rules = rules.finish(&source)?;
        Ok(file)
    }

    fn add(
        &mut self,
        source: &SettingsText<'_>,
        key: &str,
        at: usize,
        value: SettingNode,
    ) -> Result<(), FileMistake> {
        if key == ENABLE_PUSH {
            return match value.value {
                NodeValue::Number(text) if text == "0" => Ok(()),
                NodeValue::Boolean(false) => Ok(()),
                _ => Err(source.mistake(at, format!("'{key}' is 0, because calmd never pushes"))),
            };
        }
        if key == host::KEY {
            self.hosts = host::hosts(source, value)?;
            return Ok(());
        }
        let (key, value) = plain(key, value);
        let setting = setting_of(key).map_err(|problem| source.mistake(at, problem))?;
        if self.entry(setting).is_some() {
            let problem = format!("'{key}' is '{}', which stands above", setting.name);
            return Err(source.mistake(at, problem));
        }
        self.entries.push(entry_of(source, setting, key, value)?);
        Ok(())
    }

    fn entry(&self, setting: &Setting) -> Option<&FileSetting> {
        let mut entries = self.entries.iter();
        entries.find(|entry| std::ptr::eq(entry.setting, setting))
    }

    /// These settings, and of the others those that the file has.
    pub fn beneath(&self, said: &GivenSettings) -> GivenSettings {
        let mut given = GivenSettings::default();
        given.give_rules(self.rules.clone(), &self.rule_texts);
        for setting in settings::all() {
            match (said.values(setting.name), self.entry(setting)) {
                (Some(values), _) => given.give(setting, values.to_vec()),
                (None, Some(entry)) => entry.give(&mut given),
                (None, None) => {}
            }
        }
        given
            .hosts
            .extend(self.hosts.iter().map(|host| host.given(&self.rules)));
        given
    }
}

/// The setting of this key with its value.
fn entry_of(
    source: &SettingsText<'_>,
    setting: &'static Setting,
    key: &str,
    value: SettingNode,
) -> Result<FileSetting, FileMistake> {
    let given = match value.value {
        NodeValue::List(values) if setting.arity == Arity::Lines => values,
        NodeValue::List(_) => {
            return Err(source.mistake(value.at, format!("'{key}' takes one value, not a list")));
        }
        _ => vec![value],
    };
    let mut values = Vec::with_capacity(given.len());
    for value in given {
        let text = scalar(value.value)
            .map_err(|kind| source.mistake(value.at, format!("'{key}' takes no {kind}")))?;
        values.push((source.place(value.at), text.into()));
    }
    Ok(FileSetting { setting, values })
}

/// A key whose table has values of several settings: `client-auth = { mode = "required", ca = "ca.pem" }`.
const CLIENT_AUTH: &str = "client-auth";

/// The settings of its keys.
const CLIENT_AUTH_KEYS: [(&str, &str); 2] = [("mode", CLIENT_AUTH), ("ca", "client-ca")];

/// The keys, with each of a table of several settings as a key by itself.
fn spread(source: &SettingsText<'_>, keys: Keys) -> Result<Keys, FileMistake> {
    let mut spread = Keys::with_capacity(keys.len());
    for (key, node) in keys {
        let pairs = match node.value {
            NodeValue::Table(pairs) if key.name == CLIENT_AUTH => pairs,
            value => {
                spread.push((key, SettingNode { value, ..node }));
                continue;
            }
        };
        for (part, value) in pairs {
            let known = CLIENT_AUTH_KEYS.iter().find(|(name, _)| *name == part.name);
            let Some((_, name)) = known else {
                let problem = format!("'{CLIENT_AUTH}' has no '{}'; it has mode and ca", part.name);
                return Err(source.mistake(part.at, problem));
            };
            let name = (*name).to_owned();
            spread.push((SettingKey { name, ..part }, value));
        }
    }
    Ok(spread)
}

/// Settings whose values are pairs, by the key of a table of these: `error-pages = { 404 = "404.html" }`.
const TABLES: [(&str, &str); 2] = [("error-pages", "error-page"), ("types", "type")];

/// A key and its value, with a table of pairs as the list of texts that its setting takes.
fn plain(key: &str, value: SettingNode) -> (&str, SettingNode) {
    let Some((_, name)) = TABLES.iter().find(|(table, _)| *table == key) else {
        return (key, value);
    };
    let at = value.at;
    let pairs = match value.value {
        NodeValue::Table(pairs) => pairs,
        other => return (name, SettingNode { at, value: other }),
    };
    let pairs = pairs.into_iter().map(|(key, value)| SettingNode {
        at: value.at,
        value: match scalar(value.value) {
            Ok(text) => NodeValue::Text(format!("{}={text}", key.name)),
            Err(kind) => NodeValue::Other(kind),
        },
    });
    let value = NodeValue::List(pairs.collect());
    (name, SettingNode { at, value })
}

/// The setting of a key. The error says what would be right.
fn setting_of(key: &str) -> Result<&'static Setting, String> {
    if key == settings::SETTINGS_FILE {
        return Err("a settings file names no other one; leave 'config' out".into());
    }
    let name = match key.strip_prefix(RFC_PREFIX) {
        Some(name) => &name.to_ascii_lowercase().replace('_', "-"),
        None => key,
    };
    if let Some(setting) = settings::all().find(|setting| setting.name == name) {
        return Ok(setting);
    }
    let names = settings::all().map(|setting| setting.name);
    let names = names.chain(rules::KEYS);
    Err(match nearest(name, names) {
        Some(meant) => format!("there is no setting '{key}'; did you mean '{meant}'?"),
        None if ["root", "directory"].contains(&key) => {
            format!("there is no setting '{key}'; did you mean 'dir'?")
        }
        None => format!("there is no setting '{key}'; calmd --help lists all"),
    })
}

/// The text of a single value, or the name of what it is instead.
fn scalar(value: NodeValue) -> Result<String, &'static str> {
    match value {
        NodeValue::Text(text) | NodeValue::Number(text) => Ok(text),
        NodeValue::Boolean(value) => Ok(value.to_string()),
        NodeValue::List(_) => Err("list within a list"),
        NodeValue::Table(_) => Err("table"),
        NodeValue::Other(kind) => Err(kind),
    }
}

/// A file's content, to tell places in.
struct SettingsText<'c> {
    file: Arc<Path>,
    content: &'c [u8],
    /// The beginnings of the lines behind the first one.
    lines: Vec<usize>,
}

impl<'c> SettingsText<'c> {
    fn new(file: &Path, content: &'c [u8]) -> Self {
        let ends = content.iter().enumerate();
        let ends = ends.filter(|(_, byte)| **byte == b'\n');
        SettingsText {
            file: file.into(),
            content,
            lines: ends.map(|(end, _)| end + 1).collect(),
        }
    }

    /// The place of a byte.
    fn place(&self, at: usize) -> FilePlace {
        let before = self.content.get(..at).unwrap_or(self.content);
        let earlier = self.lines.partition_point(|begin| *begin <= before.len());
        let line = earlier + 1;
        let begin = earlier.checked_sub(1).and_then(|at| self.lines.get(at));
        let begin = begin.copied().unwrap_or_default();
        let in_line = String::from_utf8_lossy(before.get(begin..).unwrap_or_default());
        FilePlace {
            file: self.file.clone(),
            line,
            column: in_line.chars().count() + 1,
        }
    }

    fn mistake(&self, at: usize, problem: impl Into<String>) -> FileMistake {
        FileMistake::Text {
            place: self.place(at),
            problem: problem.into(),
        }
    }
}

#[cfg(test)]
mod tests;
