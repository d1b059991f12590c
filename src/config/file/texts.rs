//! Rules as they are written, kept for `calmd check` and `calmd config --show`.

use super::SettingsText;
use super::node::{NodeValue, SettingKey, SettingNode};
use crate::config::settings::{RuleText, key_text, quoted};

/// The keys of the path that a rule is for.
const PATHS: [&str; 2] = ["path", "from"];

/// The texts of the rules of a key.
pub(super) fn texts(
    source: &SettingsText<'_>,
    key: &SettingKey,
    value: &SettingNode,
) -> Vec<RuleText> {
    let alone = |says: String| RuleText {
        key: key.name.clone(),
        place: source.place(value.at),
        path: String::new(),
        says,
        item: None,
    };
    let of_table = |node: &SettingNode| match &node.value {
        NodeValue::Table(keys) => Some(RuleText {
            place: source.place(node.at),
            path: path(keys),
            item: Some(toml(&node.value)),
            ..alone(says(keys))
        }),
        _ => None,
    };
    match &value.value {
        NodeValue::List(list) if list.is_empty() => vec![alone("[]".into())],
        NodeValue::List(list) => list.iter().filter_map(of_table).collect(),
        NodeValue::Table(_) => of_table(value).into_iter().collect(),
        plain => vec![alone(toml(plain))],
    }
}

/// Keys in the order in which they are written.
fn in_order(
    keys: &[(SettingKey, SettingNode)],
) -> impl Iterator<Item = &(SettingKey, SettingNode)> {
    let mut keys: Vec<_> = keys.iter().collect();
    keys.sort_by_key(|(key, _)| key.at);
    keys.into_iter()
}

fn path(keys: &[(SettingKey, SettingNode)]) -> String {
    let path = PATHS.iter().find_map(|name| {
        let found = keys.iter().find(|(key, _)| key.name == *name)?;
        Some(plain(&found.1.value))
    });
    path.unwrap_or_default()
}

/// The keys beside the path, with their values.
fn says(keys: &[(SettingKey, SettingNode)]) -> String {
    let is_path = |name: &str| {
        let mut known = PATHS
            .iter()
            .filter(|path| keys.iter().any(|(key, _)| key.name == **path));
        known.next() == Some(&name)
    };
    let rest = in_order(keys).filter(|(key, _)| !is_path(&key.name));
    let rest = rest.map(|(key, node)| format!("{} {}", key.name, plain(&node.value)));
    rest.collect::<Vec<_>>().join(", ")
}

/// A value without quotation marks.
fn plain(value: &NodeValue) -> String {
    match value {
        NodeValue::Text(text) => text.replace(char::is_control, " "),
        NodeValue::List(list) => {
            let list = list.iter().map(|node| plain(&node.value));
            list.collect::<Vec<_>>().join(" ")
        }
        NodeValue::Table(keys) => {
            let pairs = in_order(keys);
            let pairs = pairs.map(|(key, node)| format!("{}: {}", key.name, plain(&node.value)));
            pairs.collect::<Vec<_>>().join("; ")
        }
        other => toml(other),
    }
}

/// A value in one line of TOML.
fn toml(value: &NodeValue) -> String {
    match value {
        NodeValue::Text(text) => quoted(text),
        NodeValue::Number(number) => number.clone(),
        NodeValue::Boolean(value) => value.to_string(),
        NodeValue::List(list) => {
            let list = list.iter().map(|node| toml(&node.value));
            format!("[{}]", list.collect::<Vec<_>>().join(", "))
        }
        NodeValue::Table(keys) => {
            let pairs = in_order(keys);
            let pairs =
                pairs.map(|(key, node)| format!("{} = {}", key_text(&key.name), toml(&node.value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        NodeValue::Other(kind) => quoted(kind),
    }
}
