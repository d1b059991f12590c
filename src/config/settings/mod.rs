//! Settings: everything that the operator can say, in one table.
//!
//! ```text
//! TABLE ─▶ the command line (clap), its help      --cache-memory 8M
//!       ─▶ the environment                        CALMD_CACHE_MEMORY=8M
//!       ─▶ the settings file                      cache-memory = "8M"
//!       ─▶ GivenSettings: texts with their origin ─▶ ConfigDraft ─▶ Config
//! ```
//!
//! A [`Setting`] is a name, the form of its value, a help text and a function that puts a text into a
//! [`ConfigDraft`]. All else follows from these: the option is `--name`, the variable `CALMD_NAME` with
//! underscores, the file's key the name. The readers of texts (`cli`, and [`super::file`]) give them to [`GivenSettings`]
//! with a [`SettingOrigin`], and [`GivenSettings::resolve`] makes a [`Config`] of them. A [`Mistake`]
//! carries the setting; the room that read the text spells it, as an option or as a variable.
//!
//! # To add a setting
//!
//! 1. Give the room that it is for a field in its own `Config`, with the default and its reason.
//! 2. Add one entry to [`TABLE`], in its group and at its place in the help:
//!    `Setting::text("handler-timeout", "TIME", "Help without a full stop", |draft, text| …).default("60s")`.
//!    `.essential()` brings it into `-h`, `.repeated()` makes a list of it.
//! 3. If the value has a form of its own, add its parser to `value.rs`, whose errors say what would be right.
//! 4. Tell of it in README.md, where the options of its group are.
//!
//! Two tests hold the rest: the default that the help shows is the room's, and the help has every name.

mod again;
mod draft;
mod hosts;
mod listen;
mod nearest;
mod place;
mod profile;
mod rule_text;
mod show;
mod table;
mod toml_text;
pub(crate) mod value;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::{Config, NamedHost};
use crate::rules;
pub use draft::ConfigDraft;
use draft::Incomplete;
pub use hosts::{GivenHost, HostRole};
pub(crate) use nearest::nearest;
pub use place::FilePlace;
pub use rule_text::{RuleText, rule_table};
pub use show::show;
pub use table::{ROOT, SETTINGS_FILE, TABLE};
pub(crate) use toml_text::{key_text, quoted};

/// Settings that stand together in the help.
#[derive(Debug)]
pub struct Group {
    /// The heading; `None` is clap's own, for values without a name.
    pub heading: Option<&'static str>,
    /// The settings in the order of the help.
    pub settings: &'static [Setting],
}

/// One thing that the operator can set.
#[derive(Debug)]
pub struct Setting {
    /// The name: `cache-memory` for `--cache-memory` and `CALMD_CACHE_MEMORY`.
    pub name: &'static str,
    /// The letter of the short form.
    pub short: Option<char>,
    /// The value as the help shows it, such as `SIZE`; empty for a switch.
    pub value: &'static str,
    /// The place on the command line.
    pub position: Position,
    /// The number of values.
    pub arity: Arity,
    /// The form of a value, and its way into a draft.
    pub form: ValueForm,
    /// The default as a person writes it, for the help.
    pub default: Option<&'static str>,
    /// The help, without a full stop.
    pub help: &'static str,
    /// The help that has it.
    pub level: Level,
    /// The extent to which it can differ between hosts.
    pub scope: Scope,
}

/// The extent of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One value for the whole program.
    Program,
    /// A value for each host that has one, and for the others that of the top level.
    Host,
}

/// The place of a setting on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Behind its name.
    Option,
    /// By itself, without a name.
    Operand,
}

/// The number of values that a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// One at most.
    One,
    /// Any number: from options in their order, each one of which may hold several in lines.
    Lines,
}

/// The form of a value, with the function that puts it into a draft.
#[derive(Clone, Copy, Debug)]
pub enum ValueForm {
    /// True where the option stands alone; everywhere else a word such as `true` or `no`.
    Switch(fn(&mut ConfigDraft, bool)),
    /// A text, of which the function's error says what would be right.
    Text(fn(&mut ConfigDraft, &str) -> Result<(), String>),
    /// A path, which need not be UTF-8.
    Path(fn(&mut ConfigDraft, PathBuf)),
}

/// The shortest help that has a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `-h`, the essentials, and `--help`.
    Short,
    /// `--help` alone: the default is right for nearly everybody.
    Long,
}

impl Setting {
    const fn new(
        name: &'static str,
        value: &'static str,
        help: &'static str,
        form: ValueForm,
    ) -> Self {
        Setting {
            name,
            short: None,
            value,
            position: Position::Option,
            arity: Arity::One,
            form,
            default: None,
            help,
            level: Level::Long,
            scope: Scope::Program,
        }
    }

    const fn switch(
        name: &'static str,
        help: &'static str,
        set: fn(&mut ConfigDraft, bool),
    ) -> Self {
        Setting::new(name, "", help, ValueForm::Switch(set))
    }

    const fn text(
        name: &'static str,
        value: &'static str,
        help: &'static str,
        set: fn(&mut ConfigDraft, &str) -> Result<(), String>,
    ) -> Self {
        Setting::new(name, value, help, ValueForm::Text(set))
    }

    const fn path(
        name: &'static str,
        value: &'static str,
        help: &'static str,
        set: fn(&mut ConfigDraft, PathBuf),
    ) -> Self {
        Setting::new(name, value, help, ValueForm::Path(set))
    }

    const fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }

    const fn operand(mut self) -> Self {
        self.position = Position::Operand;
        self
    }

    const fn repeated(mut self) -> Self {
        self.arity = Arity::Lines;
        self
    }

    const fn default(mut self, shown: &'static str) -> Self {
        self.default = Some(shown);
        self
    }

    const fn per_host(mut self) -> Self {
        self.scope = Scope::Host;
        self
    }

    const fn essential(mut self) -> Self {
        self.level = Level::Short;
        self
    }

    /// The environment variable: `CALMD_CACHE_MEMORY` for `cache-memory`.
    pub fn variable(&self) -> String {
        format!("CALMD_{}", self.name.to_uppercase().replace('-', "_"))
    }

    /// Puts one value into a draft. The error says what would be right.
    fn set(&self, draft: &mut ConfigDraft, value: &OsStr) -> Result<(), String> {
        let text = || value.to_str().ok_or("it is not valid UTF-8");
        match self.form {
            ValueForm::Switch(set) => set(draft, value::boolean(text()?)?),
            ValueForm::Text(set) => set(draft, text()?)?,
            ValueForm::Path(_) if value.is_empty() => {
                return Err("it is empty; write a path".into());
            }
            ValueForm::Path(set) => {
                let path = draft.path(value.as_ref());
                set(draft, path);
            }
        }
        Ok(())
    }
}

/// All settings, in the order of the help.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    TABLE.iter().flat_map(|group| group.settings)
}

/// The setting of a name that the table has.
fn named(name: &str) -> &'static Setting {
    let found = all().find(|setting| setting.name == name);
    found.expect("only names of the table are asked for, which a test goes through")
}

/// The place that a text was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingOrigin {
    /// An option, or the operand, of the command line.
    CommandLine,
    /// A variable of the environment.
    Environment,
    /// The settings file.
    File(FilePlace),
    /// The profile `--small`.
    Profile,
}

/// A wrong setting. The room that read it spells it.
#[derive(Debug)]
pub enum Mistake {
    /// A value that the setting does not take.
    Value {
        /// The setting.
        setting: &'static Setting,
        /// The place that the value was read from.
        origin: SettingOrigin,
        /// The value, of a list the one that is wrong.
        value: OsString,
        /// A sentence on what is wrong and what would be right.
        problem: String,
    },
    /// Settings that make no sense without another one.
    Incomplete {
        /// The settings, each with the place that it was read from.
        settings: Vec<(&'static Setting, SettingOrigin)>,
        /// The rest of a sentence that begins with their spelling.
        needs: &'static str,
    },
}

/// Texts for settings, each with the place that it was read from.
#[derive(Clone, Debug, Default)]
pub struct GivenSettings {
    given: Vec<Given>,
    /// The rules of the settings file, which no option can set.
    rules: rules::Config,
    /// These rules as they are written.
    rule_texts: Vec<RuleText>,
    /// The hosts with settings of their own.
    pub hosts: Vec<GivenHost>,
}

#[derive(Clone, Debug)]
struct Given {
    setting: &'static Setting,
    values: Vec<(SettingOrigin, OsString)>,
}

impl GivenSettings {
    /// Adds the values of a setting that was not given before, each with its origin.
    pub fn give(&mut self, setting: &'static Setting, values: Vec<(SettingOrigin, OsString)>) {
        debug_assert!(self.values(setting.name).is_none(), "{}", setting.name);
        self.given.push(Given { setting, values });
    }

    /// Sets the rules, and adds those that are written here.
    pub fn give_rules(&mut self, rules: rules::Config, texts: &[RuleText]) {
        self.rules = rules;
        self.rule_texts.extend_from_slice(texts);
    }

    /// The rules as they are written, without those of hosts.
    pub fn rule_texts(&self) -> impl Iterator<Item = &RuleText> {
        self.rule_texts.iter()
    }

    /// The values of a setting with their origins, if it was given.
    pub fn values(&self, name: &str) -> Option<&[(SettingOrigin, OsString)]> {
        self.entry(name).map(|given| given.values.as_slice())
    }

    fn entry(&self, name: &str) -> Option<&Given> {
        self.given.iter().find(|given| given.setting.name == name)
    }

    /// The configuration that begins as `base` and has all that was given.
    pub fn resolve(&self, base: Config) -> Result<Config, Mistake> {
        let mut draft = ConfigDraft::new(base.clone());
        draft.config.host.rules = self.rules.clone();
        for given in &self.given {
            given.put_into(&mut draft)?;
        }
        let incomplete = |incomplete| self.incomplete(incomplete);
        let mut config = draft.finish().map_err(incomplete)?;
        config.hosts = self.named_hosts(&base, &config)?;
        Ok(config)
    }

    /// The hosts in a program with these listeners.
    fn named_hosts(&self, base: &Config, program: &Config) -> Result<Vec<NamedHost>, Mistake> {
        if !self.hosts.is_empty() && self.values(ROOT).is_some() {
            return Err(self.incomplete(Incomplete {
                names: &[ROOT],
                needs: "cannot stand beside [[host]], because each host has a root of its own; leave it out",
            }));
        }
        hosts::resolve(self, base, program)
    }

    /// The mistake of settings that need another one, with the place of each.
    fn incomplete(&self, incomplete: Incomplete) -> Mistake {
        let origin = |name: &&str| {
            let (origin, _) = self.values(name)?.first()?;
            Some((named(name), origin.clone()))
        };
        Mistake::Incomplete {
            settings: incomplete.names.iter().filter_map(origin).collect(),
            needs: incomplete.needs,
        }
    }
}

impl Given {
    /// Puts the values into a draft.
    fn put_into(&self, draft: &mut ConfigDraft) -> Result<(), Mistake> {
        for (origin, values) in &self.values {
            draft.set_directory(origin);
            for value in self.setting.split(values) {
                let set = self.setting.set(draft, value);
                set.map_err(|problem| Mistake::Value {
                    setting: self.setting,
                    origin: origin.clone(),
                    value: value.to_owned(),
                    problem,
                })?;
            }
        }
        Ok(())
    }
}

impl Setting {
    /// The values of a text: the lines of a list, else the text itself. A list may end with a line end,
    /// because blocks of YAML and files do.
    fn split<'v>(&self, text: &'v OsStr) -> Vec<&'v OsStr> {
        match self.arity {
            Arity::One => vec![text],
            Arity::Lines => {
                let text = text.as_bytes();
                let text = text.strip_suffix(b"\n").unwrap_or(text);
                let lines = text.split(|&byte| byte == b'\n');
                lines.map(OsStr::from_bytes).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests;
