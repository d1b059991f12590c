//! Rules that let clients in: logins, addresses, rates, origins.

use std::sync::Arc;

use super::super::node::{NodeValue, SettingNode};
use super::super::{FileMistake, SettingsText};
use super::{RuleTable, path, text, texts};
use crate::config::settings::value;
use crate::rules::{AddressRule, BandwidthRule, CorsRule, LoginRule, RateRule, Users, WrittenCors};
use crate::world::PeerSet;
use crate::world::files::read_regular;

/// The longest file of users: 10,000 of them with 100 bytes each.
const LONGEST_USERS: u64 = 1 << 20;

/// `{ path, users, realm }`
pub(super) fn login(
    source: &SettingsText<'_>,
    mut table: RuleTable,
) -> Result<LoginRule, FileMistake> {
    let path = path(source, &mut table)?;
    let node = table.need(source, "users")?;
    let directory = source.file.parent().unwrap_or(&source.file);
    let file = directory.join(text(source, "users", &node)?);
    let content = read_regular(&file, LONGEST_USERS).map_err(|reason| {
        let problem = format!("cannot read the users '{}': {reason}", file.display());
        source.mistake(node.at, problem)
    })?;
    let users =
        Users::parse(&file, &content).map_err(|problem| source.mistake(node.at, problem))?;
    let realm = match table.take("realm") {
        Some(node) => {
            let realm = text(source, "realm", &node)?;
            if realm.contains(['"', '\\']) || realm.chars().any(char::is_control) {
                let problem = "leave quotation marks and backslashes out of the realm";
                return Err(source.mistake(node.at, problem));
            }
            realm.to_owned()
        }
        None => "login".to_owned(),
    };
    Ok(LoginRule {
        path,
        users: Arc::new(users),
        realm,
    })
}

/// `{ path, from }`
pub(super) fn addresses(
    source: &SettingsText<'_>,
    mut table: RuleTable,
) -> Result<AddressRule, FileMistake> {
    let path = path(source, &mut table)?;
    let node = table.need(source, "from")?;
    let mut from = PeerSet::default();
    for (at, text) in texts(source, "from", &node)? {
        from.add(text)
            .map_err(|problem| source.mistake(at, problem))?;
    }
    Ok(AddressRule { path, from })
}

/// `{ path, per-address, burst }`; without a burst that of one second.
pub(super) fn rate(
    source: &SettingsText<'_>,
    mut table: RuleTable,
) -> Result<RateRule, FileMistake> {
    let path = path(source, &mut table)?;
    let node = table.need(source, "per-address")?;
    let per_second = RateRule::parse_rate(text(source, "per-address", &node)?)
        .map_err(|problem| source.mistake(node.at, problem))?;
    let burst = match table.take("burst") {
        Some(node) => number(source, &node)?,
        None => per_second.ceil() as u32,
    };
    Ok(RateRule {
        path,
        per_second,
        burst,
    })
}

/// `{ path, per-address }`
pub(super) fn bandwidth(
    source: &SettingsText<'_>,
    mut table: RuleTable,
) -> Result<BandwidthRule, FileMistake> {
    let path = path(source, &mut table)?;
    let node = table.need(source, "per-address")?;
    let per_second = BandwidthRule::parse_rate(text(source, "per-address", &node)?)
        .map_err(|problem| source.mistake(node.at, problem))?;
    Ok(BandwidthRule { path, per_second })
}

/// The most requests that may come at once: more is no limit.
const MOST_BURST: u32 = 1_000_000;

fn number(source: &SettingsText<'_>, node: &SettingNode) -> Result<u32, FileMistake> {
    let read = match &node.value {
        NodeValue::Number(text) | NodeValue::Text(text) => value::number(text, 1, MOST_BURST),
        _ => Err("write a whole number".into()),
    };
    read.map_err(|problem| source.mistake(node.at, problem))
}

/// `{ path, origins, methods, headers, max-age, credentials, timing }`
pub(super) fn cors(
    source: &SettingsText<'_>,
    mut table: RuleTable,
) -> Result<CorsRule, FileMistake> {
    let path = path(source, &mut table)?;
    let origins = table.need(source, "origins")?;
    let (methods, headers) = (table.take("methods"), table.take("headers"));
    let list = |name: &str, node: &'_ Option<SettingNode>| -> Result<Vec<String>, FileMistake> {
        let Some(node) = node else {
            return Ok(Vec::new());
        };
        let texts = texts(source, name, node)?.into_iter();
        Ok(texts.map(|(_, text)| text.to_owned()).collect())
    };
    let (methods, headers) = (list("methods", &methods)?, list("headers", &headers)?);
    let max_age = match table.take("max-age") {
        Some(node) => {
            let read = match &node.value {
                NodeValue::Number(seconds) => value::number(seconds, 0, u32::MAX).map(u64::from),
                NodeValue::Text(text) => value::duration(text).map(|time| time.as_secs()),
                _ => Err("write a time such as \"10m\", or seconds".into()),
            };
            read.map_err(|problem| source.mistake(node.at, problem))?
        }
        // As long as browsers remember without a word.
        None => 5,
    };
    let mut flag = |name: &str| match table.take(name).map(|node| (node.at, node.value)) {
        Some((_, NodeValue::Boolean(value))) => Ok(value),
        Some((at, _)) => Err(source.mistake(at, "write true or false")),
        None => Ok(false),
    };
    let (has_credentials, has_timing) = (flag("credentials")?, flag("timing")?);
    let names = texts(source, "origins", &origins)?;
    let rule = CorsRule::new(WrittenCors {
        path,
        origins: names.into_iter().map(|(_, name)| name).collect(),
        methods: methods.iter().map(String::as_str).collect(),
        headers: headers.iter().map(String::as_str).collect(),
        max_age,
        has_credentials,
        has_timing,
    });
    rule.map_err(|problem| source.mistake(origins.at, problem))
}
