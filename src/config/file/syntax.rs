//! The two syntaxes of settings files, read by libraries that keep the places of values.

use std::collections::HashSet;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use toml::de::{DeTable, DeValue};

use super::node::{Keys, NodeValue, SettingKey, SettingNode, SyntaxFault};

/// The keys of a TOML document. Twice the same key is a fault of the syntax.
pub(super) fn toml(text: &str) -> Result<Keys, SyntaxFault> {
    let document = DeTable::parse(text).map_err(|error| SyntaxFault {
        at: error.span().map_or(0, |span| span.start),
        problem: error.message().replace('\n', " "),
    })?;
    Ok(toml_table(document.into_inner()))
}

fn toml_table(table: DeTable<'_>) -> Keys {
    let keys = table.into_iter().map(|(key, value)| {
        let at = value.span().start;
        let key = SettingKey {
            at: key.span().start,
            name: key.into_inner().into_owned(),
        };
        let value = toml_value(value.into_inner());
        (key, SettingNode { at, value })
    });
    keys.collect()
}

fn toml_value(value: DeValue<'_>) -> NodeValue {
    match value {
        DeValue::String(text) => NodeValue::Text(text.into_owned()),
        // Radices other than ten are for people; what is too long for 64 bits is wrong for every setting.
        DeValue::Integer(number) => {
            let value = i64::from_str_radix(number.as_str(), number.radix());
            NodeValue::Number(value.map_or(number.to_string(), |value| value.to_string()))
        }
        DeValue::Boolean(value) => NodeValue::Boolean(value),
        DeValue::Array(values) => {
            let values = values.into_iter().map(|value| SettingNode {
                at: value.span().start,
                value: toml_value(value.into_inner()),
            });
            NodeValue::List(values.collect())
        }
        DeValue::Table(table) => NodeValue::Table(toml_table(table)),
        DeValue::Float(_) => NodeValue::Other("fraction"),
        DeValue::Datetime(_) => NodeValue::Other("date"),
    }
}

/// JSON by the letter (RFC 8259), without the comments and liberties that its parser could take.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// The keys of a JSON object. Twice the same key is a fault: one of the two would be lost without a word.
pub(super) fn json(text: &str) -> Result<Keys, SyntaxFault> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &STRICT);
    let parsed = parsed.map_err(|error| SyntaxFault {
        at: error.range().start,
        problem: error.kind().to_string(),
    })?;
    match parsed.value {
        Some(ast::Value::Object(object)) => json_object(object),
        Some(other) => Err(SyntaxFault {
            at: other.start(),
            problem: "a settings file is one object, write { … }".into(),
        }),
        None => Err(SyntaxFault {
            at: 0,
            problem: "the file is empty, write { }".into(),
        }),
    }
}

fn json_object(object: ast::Object<'_>) -> Result<Keys, SyntaxFault> {
    let mut keys = Keys::new();
    let mut known = HashSet::new();
    for property in object.properties {
        let key = SettingKey {
            at: property.start(),
            name: property.name.into_string(),
        };
        if !known.insert(key.name.clone()) {
            return Err(SyntaxFault {
                at: key.at,
                problem: format!("'{}' stands there twice", key.name),
            });
        }
        keys.push((key, json_node(property.value)?));
    }
    Ok(keys)
}

fn json_node(value: ast::Value<'_>) -> Result<SettingNode, SyntaxFault> {
    let at = value.start();
    let value = match value {
        ast::Value::StringLit(text) => NodeValue::Text(text.value.into_owned()),
        ast::Value::NumberLit(number) if number.value.contains(['.', 'e', 'E']) => {
            NodeValue::Other("fraction")
        }
        ast::Value::NumberLit(number) => NodeValue::Number(number.value.to_owned()),
        ast::Value::BooleanLit(literal) => NodeValue::Boolean(literal.value),
        ast::Value::Array(array) => {
            let values = array.elements.into_iter().map(json_node);
            NodeValue::List(values.collect::<Result<_, _>>()?)
        }
        ast::Value::Object(object) => NodeValue::Table(json_object(object)?),
        ast::Value::NullKeyword(_) => NodeValue::Other("null"),
    };
    Ok(SettingNode { at, value })
}
