//! The keys of a settings file that are rules of a host. They have no option, because a rule is a table.

mod access;

use super::node::{Keys, NodeValue, SettingKey, SettingNode};
use super::{FileMistake, SettingsText, nearest};
use crate::rules::{
    Config, FieldRule, OriginRules, PathGlob, RedirectMistake, RedirectRule, WrittenChange,
    find_loop,
};

/// The keys.
pub(super) const KEYS: [&str; 11] = [
    "redirect",
    "https-redirect",
    "canonical",
    "headers",
    "basic-auth",
    "allow",
    "deny",
    "rate",
    "bandwidth",
    "cors",
    "netlify-files",
];

/// The rules of a host that were read so far.
#[derive(Debug, Default)]
pub(super) struct RuleKeys {
    config: Config,
    /// The place of each redirect.
    redirects: Vec<usize>,
}

impl RuleKeys {
    /// True for a key that is a rule.
    pub fn takes(key: &str) -> bool {
        KEYS.contains(&key)
    }

    /// Takes a key that [`RuleKeys::takes`].
    pub fn add(
        &mut self,
        source: &SettingsText<'_>,
        key: &SettingKey,
        value: SettingNode,
    ) -> Result<(), FileMistake> {
        match key.name.as_str() {
            "redirect" => {
                for table in tables(source, key, value, &["from", "to", "status"])? {
                    self.redirects.push(table.at);
                    self.config.redirects.push(redirect(source, table)?);
                }
            }
            "headers" => {
                for table in tables(source, key, value, &["path", "set", "add", "remove"])? {
                    self.config.fields.push(fields(source, table)?);
                }
            }
            "basic-auth" => {
                for table in tables(source, key, value, &["path", "users", "realm"])? {
                    self.config.logins.push(access::login(source, table)?);
                }
            }
            "allow" | "deny" => {
                let rules = match key.name.as_str() {
                    "allow" => &mut self.config.addresses.allow,
                    _ => &mut self.config.addresses.deny,
                };
                for table in tables(source, key, value, &["path", "from"])? {
                    rules.push(access::addresses(source, table)?);
                }
            }
            "rate" => {
                for table in tables(source, key, value, &["path", "per-address", "burst"])? {
                    self.config.rates.push(access::rate(source, table)?);
                }
            }
            "bandwidth" => {
                for table in tables(source, key, value, &["path", "per-address"])? {
                    self.config
                        .bandwidths
                        .push(access::bandwidth(source, table)?);
                }
            }
            "cors" => {
                let known = [
                    "path",
                    "origins",
                    "methods",
                    "headers",
                    "max-age",
                    "credentials",
                    "timing",
                ];
                for table in tables(source, key, value, &known)? {
                    self.config.cors.push(access::cors(source, table)?);
                }
            }
            "netlify-files" => match value.value {
                NodeValue::Boolean(on) => self.config.serves_rule_files = !on,
                _ => return Err(source.mistake(value.at, "write true or false")),
            },
            "https-redirect" => match value.value {
                NodeValue::Boolean(on) => self.config.origin.https = on,
                _ => return Err(source.mistake(value.at, "write true or false")),
            },
            _ => {
                let name = text(source, &key.name, &value)?;
                OriginRules::check_name(name)
                    .map_err(|problem| source.mistake(value.at, problem))?;
                self.config.origin.canonical = Some(name.into());
            }
        }
        Ok(())
    }

    /// The rules, after a look at all of them together.
    pub fn finish(self, source: &SettingsText<'_>) -> Result<Config, FileMistake> {
        if let Some((rule, path)) = find_loop(&self.config.redirects) {
            let at = self.redirects.get(rule).copied().unwrap_or_default();
            let problem = format!(
                "the redirects of '{path}' lead round in a circle; let 'to' lead to a path that none of \
                 them matches"
            );
            return Err(source.mistake(at, problem));
        }
        Ok(self.config)
    }
}

/// A table of a list, whose keys are known.
struct RuleTable {
    at: usize,
    keys: Keys,
}

impl RuleTable {
    /// Takes the value of a key.
    fn take(&mut self, name: &str) -> Option<SettingNode> {
        let at = self.keys.iter().position(|(key, _)| key.name == name)?;
        Some(self.keys.swap_remove(at).1)
    }

    /// Takes the value of a key that each table has.
    fn need(&mut self, source: &SettingsText<'_>, name: &str) -> Result<SettingNode, FileMistake> {
        let problem = || format!("'{name}' is missing; write {name} = …");
        self.take(name)
            .ok_or_else(|| source.mistake(self.at, problem()))
    }
}

/// The tables of a list. A table alone is a list of one.
fn tables(
    source: &SettingsText<'_>,
    key: &SettingKey,
    value: SettingNode,
    known: &[&'static str],
) -> Result<Vec<RuleTable>, FileMistake> {
    let list = match value.value {
        NodeValue::List(list) => list,
        _ => vec![value],
    };
    let tables = list.into_iter().map(|node| {
        let NodeValue::Table(keys) = node.value else {
            let first = known.first().copied().unwrap_or_default();
            let problem = format!(
                "'{}' is a list of tables, write [{{ {first} = … }}]",
                key.name
            );
            return Err(source.mistake(node.at, problem));
        };
        for (found, _) in &keys {
            if !known.contains(&found.name.as_str()) {
                let mend = match nearest(&found.name, known.iter().copied()) {
                    Some(meant) => format!("did you mean '{meant}'?"),
                    None => format!("there are {}", known.join(", ")),
                };
                let problem = format!("'{}' has no '{}'; {mend}", key.name, found.name);
                return Err(source.mistake(found.at, problem));
            }
        }
        Ok(RuleTable { at: node.at, keys })
    });
    tables.collect()
}

/// The text of a value.
fn text<'n>(
    source: &SettingsText<'_>,
    name: &str,
    node: &'n SettingNode,
) -> Result<&'n str, FileMistake> {
    match &node.value {
        NodeValue::Text(text) => Ok(text),
        _ => Err(source.mistake(node.at, format!("'{name}' is a text, write {name} = \"…\""))),
    }
}

/// The texts of a list. A text alone is a list of one.
fn texts<'n>(
    source: &SettingsText<'_>,
    name: &str,
    node: &'n SettingNode,
) -> Result<Vec<(usize, &'n str)>, FileMistake> {
    let list = match &node.value {
        NodeValue::List(list) => list.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let texts = list
        .iter()
        .map(|node| Ok((node.at, text(source, name, node)?)));
    texts.collect()
}

fn path(source: &SettingsText<'_>, table: &mut RuleTable) -> Result<PathGlob, FileMistake> {
    let node = table.need(source, "path")?;
    let glob = PathGlob::parse(text(source, "path", &node)?);
    glob.map_err(|problem| source.mistake(node.at, problem))
}

/// `{ from, to, status }`; without a status 301, or 410 where there is no `to` either.
fn redirect(source: &SettingsText<'_>, mut table: RuleTable) -> Result<RedirectRule, FileMistake> {
    let from = table.need(source, "from")?;
    let to = table.take("to");
    let status = table.take("status");
    let number = match status.as_ref().map(|node| &node.value) {
        Some(NodeValue::Number(number) | NodeValue::Text(number)) => number.parse().unwrap_or(0),
        Some(_) => 0,
        None => 301,
    };
    let target = to.as_ref().map(|to| text(source, "to", to)).transpose()?;
    let rule = RedirectRule::parse(text(source, "from", &from)?, target, number);
    let at = |node: &Option<SettingNode>| node.as_ref().map_or(table.at, |node| node.at);
    rule.map_err(|mistake| match mistake {
        RedirectMistake::From(problem) => source.mistake(from.at, problem),
        RedirectMistake::To(problem) => source.mistake(at(&to), problem),
        RedirectMistake::Status(problem) => source.mistake(at(&status), problem),
    })
}

/// `{ path, remove, set, add }`, in this order.
fn fields(source: &SettingsText<'_>, mut table: RuleTable) -> Result<FieldRule, FileMistake> {
    let mut rule = FieldRule::new(path(source, &mut table)?);
    let mistake = |at, problem: String| source.mistake(at, problem);
    if let Some(node) = table.take("remove") {
        let at = node.at;
        let names = match node.value {
            NodeValue::List(names) => names,
            value => vec![SettingNode { at, value }],
        };
        for name in &names {
            let change = WrittenChange::Remove(text(source, "remove", name)?);
            rule.change(change)
                .map_err(|problem| mistake(name.at, problem))?;
        }
    }
    for kind in ["set", "add"] {
        let Some(node) = table.take(kind) else {
            continue;
        };
        let NodeValue::Table(fields) = node.value else {
            let problem = format!("'{kind}' is a table, write {kind} = {{ X-Name = \"value\" }}");
            return Err(source.mistake(node.at, problem));
        };
        for (name, value) in &fields {
            let (field, value) = (name.name.as_str(), text(source, &name.name, value)?);
            let change = match kind {
                "set" => WrittenChange::Set(field, value),
                _ => WrittenChange::Add(field, value),
            };
            rule.change(change)
                .map_err(|problem| mistake(name.at, problem))?;
        }
    }
    Ok(rule)
}

#[cfg(test)]
mod tests;
