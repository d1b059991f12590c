//! `Cache-Control` by pattern: the rules of `--cache 'PATTERN=VALUE'` (RFC 9111 §5.2).

use super::config::CacheRule;
use super::error::SiteError;
use super::path::file_name;

const OPTION: &str = "--cache";

/// The rules. The first that matches a path decides.
#[derive(Debug, PartialEq)]
pub(crate) struct CacheRules(Vec<CacheRule>);

impl CacheRules {
    /// The rules of the configuration, after a check of each.
    pub(crate) fn new(rules: &[CacheRule]) -> Result<Self, SiteError> {
        let checked = rules.iter().map(|rule| {
            Ok(CacheRule {
                pattern: pattern(&rule.pattern)?,
                value: value(&rule.value)?,
            })
        });
        let rules: Vec<CacheRule> = checked.collect::<Result<_, SiteError>>()?;
        for doubt in rules.iter().filter_map(doubt) {
            log::warn!("{doubt}");
        }
        Ok(CacheRules(rules))
    }

    /// The `Cache-Control` of the file at `path`. It is empty if the file is to have none.
    pub(crate) fn value_for(&self, path: &[u8]) -> Option<&str> {
        let rule = self.0.iter().find(|rule| matches(&rule.pattern, path))?;
        Some(&rule.value)
    }
}

impl CacheRule {
    /// Reads `PATTERN=VALUE`, the form of the option `--cache`.
    ///
    /// The pattern is matched against the path of a file beneath the root (`assets/**`,
    /// `**/*.{css,js}`, `/index.html`). A pattern without a slash is matched against the name of a file
    /// in any directory (`*.css`). In the value, a duration such as `10m` or `1y` is a `max-age`.
    /// Everything else is the directive that it names: `1y,immutable` is `max-age=31536000, immutable`.
    /// An empty value leaves the field out.
    pub fn parse(option: &str) -> Result<CacheRule, SiteError> {
        let (left, right) = option.split_once('=').ok_or_else(|| {
            SiteError::new(
                OPTION,
                option,
                "there is no '='; write it as 'PATTERN=VALUE', such as 'assets/**=1y,immutable'",
            )
        })?;
        Ok(CacheRule {
            pattern: pattern(left)?,
            value: value(right)?,
        })
    }
}

/// Directives of responses that caches understand: RFC 9111 §5.2.2, RFC 5861, RFC 8246.
const DIRECTIVES: [&str; 13] = [
    "immutable",
    "max-age",
    "must-revalidate",
    "must-understand",
    "no-cache",
    "no-store",
    "no-transform",
    "private",
    "proxy-revalidate",
    "public",
    "s-maxage",
    "stale-if-error",
    "stale-while-revalidate",
];

/// A warning about a probable mistake: a pattern that no path can match, or a directive that no cache
/// understands.
fn doubt(rule: &CacheRule) -> Option<String> {
    let CacheRule { pattern, value } = rule;
    let anchored = pattern.strip_prefix('/').unwrap_or(pattern);
    let is_dots = |part: &&str| matches!(*part, "" | "." | "..");
    if anchored.split('/').any(|part| is_dots(&part)) {
        let parts: Vec<&str> = anchored.split('/').filter(|part| !is_dots(part)).collect();
        let files = if anchored.ends_with('/') { "/**" } else { "" };
        return Some(format!(
            "--cache '{pattern}' matches nothing, since paths begin at the root and end in a file's \
             name; write '{}{files}'",
            parts.join("/")
        ));
    }
    let mut names = value
        .split(", ")
        .map(|directive| directive.split('=').next().unwrap_or_default());
    let unknown = names.find(|name| {
        !name.is_empty() && !DIRECTIVES.contains(&name.to_ascii_lowercase().as_str())
    })?;
    Some(format!(
        "--cache '{pattern}': no cache knows '{unknown}'; to keep nothing write no-store, to ask every \
         time no-cache"
    ))
}

fn matches(pattern: &str, path: &[u8]) -> bool {
    match pattern.strip_prefix('/') {
        Some(anchored) => fast_glob::glob_match(anchored, path),
        None if pattern.contains('/') => fast_glob::glob_match(pattern, path),
        None => fast_glob::glob_match(pattern, file_name(path)),
    }
}

/// The pattern in the form of paths beneath the root. An error if it can match nothing.
fn pattern(pattern: &str) -> Result<String, SiteError> {
    let trimmed = pattern.trim();
    if trimmed.is_empty() {
        return Err(SiteError::new(
            OPTION,
            pattern,
            "the pattern is empty; name files, such as '*.css' or 'assets/**'",
        ));
    }
    fast_glob::validate(trimmed)
        .map_err(|error| SiteError::new(OPTION, pattern, error.to_string()))?;
    Ok(trimmed.to_owned())
}

/// The value of the field. Durations become `max-age`, directives stay unchanged.
fn value(value: &str) -> Result<String, SiteError> {
    if value.trim().is_empty() {
        return Ok(String::new());
    }
    let directives = value.split(',').map(|directive| {
        let directive = directive.trim();
        match duration_seconds(directive) {
            Some(Ok(seconds)) => Ok(format!("max-age={seconds}")),
            None if is_directive(directive) => Ok(directive.to_owned()),
            Some(Err(())) | None => Err(SiteError::new(
                OPTION,
                value,
                "write durations such as 30s, 10m, 12h, 7d, 4w or 1y, and directives such as \
                 immutable, no-cache or no-store, separated by commas",
            )),
        }
    });
    Ok(directives.collect::<Result<Vec<_>, _>>()?.join(", "))
}

/// The seconds of a duration; `None` for other text, `Err` for text that only begins like a duration.
fn duration_seconds(text: &str) -> Option<Result<u64, ()>> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let digits = text.trim_end_matches(|last: char| last.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        "y" => 365 * 86_400,
        _ => return Some(Err(())),
    };
    let number = digits.parse::<u64>().ok();
    Some(number.and_then(|n| n.checked_mul(unit)).ok_or(()))
}

/// True for a directive of RFC 9111 §5.2: a token, or a token with an argument.
fn is_directive(text: &str) -> bool {
    let (name, argument) = text.split_once('=').unwrap_or((text, "-"));
    let is_token = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let unquoted = argument.strip_prefix('"').and_then(|a| a.strip_suffix('"'));
    is_token(name) && is_token(unquoted.unwrap_or(argument))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(options: &[&str]) -> CacheRules {
        let parsed: Vec<_> = options
            .iter()
            .map(|o| CacheRule::parse(o).unwrap())
            .collect();
        CacheRules::new(&parsed).unwrap()
    }

    #[test]
    fn durations_and_directives_make_a_value() {
        for (option, expected) in [
            ("a=1y,immutable", "max-age=31536000, immutable"),
            ("a=", ""),
            ("a=no-store", "no-store"),
            ("a=0", "max-age=0"),
            ("a=30s", "max-age=30"),
            ("a=10m", "max-age=600"),
            ("a=12h , must-revalidate", "max-age=43200, must-revalidate"),
            ("a=7d", "max-age=604800"),
            ("a=4w", "max-age=2419200"),
            (
                "a=public, max-age=5, s-maxage=9",
                "public, max-age=5, s-maxage=9",
            ),
            ("a=no-cache=\"set-cookie\"", "no-cache=\"set-cookie\""),
        ] {
            assert_eq!(CacheRule::parse(option).unwrap().value, expected);
        }
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let rules = rules(&[
            "assets/vendor/**=1y,immutable",
            "/assets/**=1d",
            "*.{html,json}=no-cache",
            "/index.htm=5m",
        ]);
        let value = |path: &str| rules.value_for(path.as_bytes());
        assert_eq!(
            value("assets/vendor/a.js"),
            Some("max-age=31536000, immutable")
        );
        assert_eq!(value("assets/a/b.js"), Some("max-age=86400"));
        assert_eq!(value("index.html"), Some("no-cache"));
        assert_eq!(value("deep/er/data.json"), Some("no-cache"));
        assert_eq!(value("other.js"), None);
        assert_eq!(rules.value_for(b"\xff.html"), Some("no-cache"));
    }

    #[test]
    fn rules_that_do_nothing_are_doubted() {
        let doubted = |option: &str| doubt(&CacheRule::parse(option).unwrap());
        for (option, part) in [
            ("./assets/**=1y", "write 'assets/**'"),
            ("assets/=1y", "write 'assets/**'"),
            ("/assets/=1y", "write 'assets/**'"),
            ("../up/*=1y", "write 'up/*'"),
            ("a//b=1y", "write 'a/b'"),
            ("**=none", "'none'"),
            ("**=1y,imutable", "'imutable'"),
        ] {
            let doubt = doubted(option).unwrap_or_default();
            assert!(doubt.contains(part), "{option}: {doubt}");
        }
        for option in [
            "/assets/**=1y,immutable",
            "**=no-cache",
            "*.{css,js}=1d",
            "a=private=\"x\"",
            ".well-known/*=1h",
            "**/..x=1d",
        ] {
            assert_eq!(doubted(option), None, "{option}");
        }
    }

    #[test]
    fn two_stars_are_every_file() {
        assert_eq!(rules(&["**=1h"]).value_for(b"a/b/c"), Some("max-age=3600"));
        assert_eq!(rules(&["*=1h"]).value_for(b"a/b/c"), Some("max-age=3600"));
    }

    #[test]
    fn a_leading_slash_anchors_at_the_root() {
        let rules = rules(&["/index.html=no-cache"]);
        assert_eq!(rules.value_for(b"index.html"), Some("no-cache"));
        assert_eq!(rules.value_for(b"a/index.html"), None);
    }

    #[test]
    fn a_wrong_rule_is_named_with_its_mend() {
        let problem = |option| CacheRule::parse(option).unwrap_err().to_string();
        assert!(problem("assets/**").contains("write it as 'PATTERN=VALUE'"));
        assert!(problem("=1y").contains("the pattern is empty"));
        assert!(problem("a[b=1y").starts_with("--cache 'a[b': unclosed character class"));
        for option in ["a=1x", "a=1y,,b", "a=im mutable", "a=99999999999999999999y"] {
            assert!(
                problem(option).contains("write durations such as"),
                "{option}"
            );
        }
        assert!(problem("a=x\r\ny: z").starts_with("--cache 'x\\r\\ny: z'"));
    }
}
