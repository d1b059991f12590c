//! The tables `[[host]]` of a settings file: the names of each host, and its settings.

use super::node::{Keys, NodeValue, SettingNode};
use super::rules::{self as rules_of_files, RuleKeys};
use super::{FileMistake, FileSetting, SettingsText, entry_of, plain, scalar, spread, texts};
use crate::config::settings::{
    self, FilePlace, GivenHost, HostRole, RuleText, Scope, Setting, nearest,
};
use crate::hosts::HostPattern;
use crate::rules;

/// The key of the tables.
pub(super) const KEY: &str = "host";

/// The key of a host's names.
const NAMES: &str = "names";
/// The key of the directory that a host serves. It is the setting of the operand DIR.
const ROOT: &str = "root";
/// The key that says which host has the requests for no other one.
const DEFAULT: &str = "default";

/// One table `[[host]]`.
#[derive(Debug)]
pub(super) struct FileHost {
    place: FilePlace,
    names: Vec<HostPattern>,
    role: HostRole,
    entries: Vec<FileSetting>,
    rules: HostRules,
    rule_texts: Vec<RuleText>,
}

impl FileHost {
    /// The host as it was given, beneath a top level of these rules.
    pub(super) fn given(&self, top: &rules::Config) -> GivenHost {
        let mut host = GivenHost::new(self.place.clone(), self.names.clone(), self.role);
        let rules = self.rules.beneath(top);
        host.settings.give_rules(rules, &self.rule_texts);
        for entry in &self.entries {
            entry.give(&mut host.settings);
        }
        host
    }
}

/// The hosts of the value of the key `host`, which all have other names.
pub(super) fn hosts(
    source: &SettingsText<'_>,
    value: SettingNode,
) -> Result<Vec<FileHost>, FileMistake> {
    let at = value.at;
    let shape = "hosts are a list of tables, write [[host]] (in JSON \"host\": [{ … }])";
    let NodeValue::List(tables) = value.value else {
        return Err(source.mistake(at, shape));
    };
    let mut hosts: Vec<FileHost> = Vec::with_capacity(tables.len());
    let mut known = std::collections::HashMap::new();
    for table in tables {
        let NodeValue::Table(keys) = table.value else {
            return Err(source.mistake(table.at, shape));
        };
        let mut reading = HostReading::new(source, table.at);
        reading.read(keys)?;
        let host = reading.finish(&mut known)?;
        if host.role == HostRole::Default
            && let Some(other) = hosts.iter().find(|other| other.role == HostRole::Default)
        {
            let problem = format!("the host of {} is the default one already", other.place);
            return Err(source.mistake(table.at, problem));
        }
        hosts.push(host);
    }
    Ok(hosts)
}

/// The rules of a host.
#[derive(Debug)]
struct HostRules {
    /// The keys that it has.
    said: Vec<String>,
    config: rules::Config,
}

impl HostRules {
    /// The rules together with those of the top level: changes of fields are made after those of the top
    /// level, all else is replaced.
    fn beneath(&self, top: &rules::Config) -> rules::Config {
        let (mut all, own) = (top.clone(), &self.config);
        for key in &self.said {
            match key.as_str() {
                "headers" => all.fields.extend(own.fields.iter().cloned()),
                "redirect" => all.redirects.clone_from(&own.redirects),
                "https-redirect" => all.origin.https = own.origin.https,
                "basic-auth" => all.logins.clone_from(&own.logins),
                "allow" => all.addresses.allow.clone_from(&own.addresses.allow),
                "deny" => all.addresses.deny.clone_from(&own.addresses.deny),
                "rate" => all.rates.clone_from(&own.rates),
                "bandwidth" => all.bandwidths.clone_from(&own.bandwidths),
                "netlify-files" => all.serves_rule_files = own.serves_rule_files,
                "cors" => all.cors.clone_from(&own.cors),
                _ => all.origin.canonical.clone_from(&own.origin.canonical),
            }
        }
        all
    }
}

/// A table that is being read.
struct HostReading<'s, 'c> {
    source: &'s SettingsText<'c>,
    at: usize,
    names: Vec<(usize, HostPattern)>,
    role: HostRole,
    entries: Vec<FileSetting>,
    said: Vec<String>,
    rules: RuleKeys,
    rule_texts: Vec<RuleText>,
}

impl<'s, 'c> HostReading<'s, 'c> {
    fn new(source: &'s SettingsText<'c>, at: usize) -> Self {
        HostReading {
            source,
            at,
            names: Vec::new(),
            role: HostRole::Other,
            entries: Vec::new(),
            said: Vec::new(),
            rules: RuleKeys::default(),
            rule_texts: Vec::new(),
        }
    }

    fn read(&mut self, mut keys: Keys) -> Result<(), FileMistake> {
        keys.sort_by_key(|(key, _)| key.at);
        for (key, value) in spread(self.source, keys)? {
            match key.name.as_str() {
                NAMES => self.read_names(value)?,
                DEFAULT => {
                    self.role = match value.value {
                        NodeValue::Boolean(true) => HostRole::Default,
                        NodeValue::Boolean(false) => HostRole::Other,
                        _ => {
                            let problem = "'default' takes true or false";
                            return Err(self.source.mistake(value.at, problem));
                        }
                    };
                }
                name if RuleKeys::takes(name) => {
                    let texts = texts::texts(self.source, &key, &value);
                    self.rule_texts.extend(texts);
                    self.rules.add(self.source, &key, value)?;
                    self.said.push(key.name);
                }
                name => {
                    let (name, value) = plain(name, value);
                    let setting =
                        setting_of(name).map_err(|problem| self.source.mistake(key.at, problem))?;
                    let entry = entry_of(self.source, setting, name, value)?;
                    self.entries.push(entry);
                }
            }
        }
        Ok(())
    }

    fn read_names(&mut self, value: SettingNode) -> Result<(), FileMistake> {
        let values = match value.value {
            NodeValue::List(values) => values,
            _ => vec![value],
        };
        for value in values {
            let at = value.at;
            let text = scalar(value.value);
            let text = text.map_err(|kind| {
                self.source
                    .mistake(at, format!("'{NAMES}' takes no {kind}"))
            })?;
            let pattern = HostPattern::parse(&text).map_err(|problem| {
                let problem = format!("'{}' is no name of a host: {problem}", text.escape_debug());
                self.source.mistake(at, problem)
            })?;
            self.names.push((at, pattern));
        }
        Ok(())
    }

    /// The host, whose names are entered among those of the hosts before it.
    fn finish(
        self,
        known: &mut std::collections::HashMap<HostPattern, FilePlace>,
    ) -> Result<FileHost, FileMistake> {
        let (source, place) = (self.source, self.source.place(self.at));
        let missing = |what| Err(source.mistake(self.at, format!("the host has no {what}")));
        if self.names.is_empty() {
            return missing("names; add names = [\"example.org\"]");
        }
        let is_root = |entry: &FileSetting| entry.setting.name == settings::ROOT;
        if !self.entries.iter().any(is_root) {
            return missing("root; add root = \"DIR\"");
        }
        let mut names = Vec::with_capacity(self.names.len());
        for (at, pattern) in self.names {
            if let Some(other) = known.get(&pattern) {
                let problem = format!("the name '{pattern}' stands at {other} already");
                return Err(source.mistake(at, problem));
            }
            known.insert(pattern.clone(), source.place(at));
            names.push(pattern);
        }
        Ok(FileHost {
            place,
            names,
            role: self.role,
            entries: self.entries,
            rule_texts: self.rule_texts,
            rules: HostRules {
                said: self.said,
                config: self.rules.finish(source)?,
            },
        })
    }
}

/// The setting of a key of a host. The error says what would be right.
fn setting_of(key: &str) -> Result<&'static Setting, String> {
    let of_hosts = || settings::all().filter(|setting| setting.scope == Scope::Host);
    let name = match key {
        ROOT => settings::ROOT,
        settings::ROOT => return Err(format!("a host has no '{key}'; did you mean '{ROOT}'?")),
        key => key,
    };
    if let Some(setting) = of_hosts().find(|setting| setting.name == name) {
        return Ok(setting);
    }
    if settings::all().any(|setting| setting.name == name) {
        return Err(format!(
            "'{key}' is for all hosts; write it above the first [[host]]"
        ));
    }
    let names = of_hosts().map(|setting| setting.name);
    let names = names.filter(|name| *name != settings::ROOT);
    let names = names.chain([NAMES, ROOT, DEFAULT]);
    let names: Vec<&str> = names.chain(rules_of_files::KEYS).collect();
    Err(match nearest(name, names.iter().copied()) {
        Some(meant) => format!("a host has no '{key}'; did you mean '{meant}'?"),
        None => format!("a host has no '{key}'; it has {}", names.join(", ")),
    })
}
