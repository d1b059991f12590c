//! Rules as the settings file has them, for a person who asks what is in effect.

use super::FilePlace;
use super::{GivenHost, GivenSettings};

/// The key whose rules of a host are added to those of the top level; all others take their place.
const ADDED: &str = "headers";

/// Width of the columns of a table: longer ones push the rest to the right.
const KEY: usize = 14;
const PATH: usize = 20;

/// A rule of the settings file, or the words that there is none.
#[derive(Clone, Debug)]
pub struct RuleText {
    /// The key, such as `redirect`.
    pub key: String,
    /// The place.
    pub place: FilePlace,
    /// The path that the rule is for; empty for a rule of the whole host.
    pub path: String,
    /// The rest, for a person.
    pub says: String,
    /// The form that the rule has in a list of the file; `None` for a value by itself.
    pub item: Option<String>,
}

/// The rules of the top level, and of each host, as a table for a person.
pub fn rule_table(given: &GivenSettings) -> String {
    let mut text = String::new();
    if given.hosts.is_empty() {
        table(&mut text, "rules", &given.rule_texts().collect::<Vec<_>>());
    }
    for host in &given.hosts {
        let names: Vec<_> = host.names.iter().map(ToString::to_string).collect();
        let title = format!("rules of {}", names.join(" "));
        let rules: Vec<_> = effective(host, given).map(|(rule, _)| rule).collect();
        table(&mut text, &title, &rules);
    }
    text
}

fn table(text: &mut String, title: &str, rules: &[&RuleText]) {
    if rules.is_empty() {
        return;
    }
    text.push_str(&format!("  {title}\n"));
    for rule in rules {
        let RuleText {
            key,
            place,
            path,
            says,
            ..
        } = rule;
        let line = format!("    {key:KEY$} {path:PATH$} {says}");
        text.push_str(&format!("{}  # {place}\n", line.trim_end()));
    }
}

/// The owner of a rule that a host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RuleOwner {
    TopLevel,
    Host,
}

/// The rules that are in force for a host: those of the top level first, where it has them.
pub(super) fn effective<'g>(
    host: &'g GivenHost,
    top: &'g GivenSettings,
) -> impl Iterator<Item = (&'g RuleText, RuleOwner)> {
    let is_kept = move |rule: &&RuleText| {
        let mut own = host.settings.rule_texts();
        rule.key == ADDED || own.all(|own| own.key != rule.key)
    };
    let inherited = top.rule_texts().filter(is_kept);
    let inherited = inherited.map(|rule| (rule, RuleOwner::TopLevel));
    let own = host.settings.rule_texts();
    inherited.chain(own.map(|rule| (rule, RuleOwner::Host)))
}

/// The lines of a settings file that has these rules, each with its place.
pub(super) fn lines<'g>(rules: impl Iterator<Item = &'g RuleText>) -> String {
    let rules: Vec<&RuleText> = rules.collect();
    let mut text = String::new();
    let mut begun: Vec<&str> = Vec::new();
    for first in &rules {
        if begun.contains(&first.key.as_str()) {
            continue;
        }
        begun.push(&first.key);
        if first.item.is_none() {
            let RuleText {
                key, says, place, ..
            } = first;
            text.push_str(&format!("{key} = {says} # {place}\n"));
            continue;
        }
        text.push_str(&format!("{} = [\n", first.key));
        for rule in rules.iter().filter(|rule| rule.key == first.key) {
            if let Some(item) = &rule.item {
                text.push_str(&format!("    {item}, # {}\n", rule.place));
            }
        }
        text.push_str("]\n");
    }
    text
}
