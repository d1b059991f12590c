//! Cross-origin resource sharing (WHATWG Fetch §3.2): preflight requests are answered, and answers tell the
//! origins that may read them.

use std::rc::Rc;

use super::Visit;
use super::path_glob::PathGlob;
use crate::exchange::FieldChange;
use crate::http::{Fields, Method, is_token};

/// A rule for the paths that scripts of other origins may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsRule {
    pub(super) path: PathGlob,
    origins: Vec<String>,
    methods: String,
    headers: String,
    max_age: String,
    has_credentials: bool,
    has_timing: bool,
}

/// A rule as it is written.
#[derive(Clone, Debug)]
pub struct WrittenCors<'t> {
    /// The paths.
    pub path: PathGlob,
    /// Origins such as `https://app.example.org`, or `*` for all.
    pub origins: Vec<&'t str>,
    /// Methods beside those that need no leave.
    pub methods: Vec<&'t str>,
    /// Fields that requests may have.
    pub headers: Vec<&'t str>,
    /// Seconds for which a browser remembers the leave.
    pub max_age: u64,
    /// Requests come with cookies and logins.
    pub has_credentials: bool,
    /// Scripts may see how long the parts of a load took (`Timing-Allow-Origin`, W3C Resource Timing).
    pub has_timing: bool,
}

impl CorsRule {
    /// Checks a rule. The error says what would be right.
    pub fn new(written: WrittenCors<'_>) -> Result<CorsRule, String> {
        let WrittenCors {
            path,
            origins,
            methods,
            headers,
            max_age,
            has_credentials,
            has_timing,
        } = written;
        if origins.is_empty() {
            return Err("name the origins, write origins = [\"https://app.example.org\"]".into());
        }
        for origin in &origins {
            if *origin == "*" && has_credentials {
                return Err(
                    "with credentials name the origins, since '*' would let all read".into(),
                );
            }
            let host = ["https://", "http://"]
                .iter()
                .find_map(|it| origin.strip_prefix(it));
            let is_origin = host.is_some_and(|host| crate::http::is_authority(host.as_bytes()));
            if *origin != "*" && !is_origin {
                return Err(format!(
                    "'{origin}' is no origin; write https://app.example.org, without a path, or *"
                ));
            }
        }
        for name in methods.iter().chain(&headers) {
            if !is_token(name.as_bytes()) {
                return Err(format!("'{name}' is no name of a method or field"));
            }
        }
        Ok(CorsRule {
            path,
            // Browsers send origins in lowercase.
            origins: origins
                .iter()
                .map(|origin| origin.to_ascii_lowercase())
                .collect(),
            methods: methods.join(", "),
            headers: headers.join(", "),
            max_age: max_age.to_string(),
            has_credentials,
            has_timing,
        })
    }

    /// The origin that may read the answers, if that of the request may.
    fn allowed<'o>(&'o self, origin: &'o [u8]) -> Option<&'o [u8]> {
        if self.origins.iter().any(|it| it == "*") {
            return Some(b"*");
        }
        let mut origins = self.origins.iter();
        origins.any(|it| it.as_bytes() == origin).then_some(origin)
    }
}

/// The first rule of the path of a request.
fn of_path<'r>(rules: &'r [CorsRule], visit: &Visit<'_>) -> Option<&'r CorsRule> {
    rules.iter().find(|rule| rule.path.matches(visit.path))
}

/// The fields of the answer to a preflight request, if the request is one and a rule is for it.
pub(super) fn preflight(rules: &[CorsRule], visit: &Visit<'_>) -> Option<Fields> {
    let request = visit.request;
    let origin = request.fields.value("origin")?;
    if request.method != Method::Options
        || request
            .fields
            .value("access-control-request-method")
            .is_none()
    {
        return None;
    }
    let rule = of_path(rules, visit)?;
    let mut fields = Fields::new();
    if rule.allowed(origin).is_some() {
        for (name, value) in [
            ("access-control-allow-methods", &rule.methods),
            ("access-control-allow-headers", &rule.headers),
            ("access-control-max-age", &rule.max_age),
        ] {
            if !value.is_empty() {
                fields.push(name.as_bytes(), value.as_bytes());
            }
        }
    }
    Some(fields)
}

/// The changes of the fields of any answer to the request, if a rule is for its path.
pub(super) fn changes(rules: &[CorsRule], visit: &Visit<'_>) -> Option<Rc<[FieldChange]>> {
    let rule = of_path(rules, visit)?;
    let name = |name: &str| name.as_bytes().into();
    let mut changes = Vec::new();
    let is_for_all = rule.origins.iter().any(|it| it == "*");
    if !is_for_all {
        // Caches keep the answers to each origin apart, that to none as well.
        changes.push(FieldChange::Add(name("vary"), name("origin")));
    }
    let origin = visit.request.fields.value("origin").unwrap_or_default();
    if let Some(allowed) = rule.allowed(origin) {
        let allow = name("access-control-allow-origin");
        changes.push(FieldChange::Set(allow, allowed.into()));
        if rule.has_credentials {
            let allow = name("access-control-allow-credentials");
            changes.push(FieldChange::Set(allow, name("true")));
        }
        if rule.has_timing {
            let allow = name("timing-allow-origin");
            changes.push(FieldChange::Set(allow, allowed.into()));
        }
    }
    Some(changes.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{FieldChanges, Request};
    use crate::http::Scheme;
    use crate::world::Peer;

    fn written(origins: &'static [&'static str], has_credentials: bool) -> WrittenCors<'static> {
        WrittenCors {
            path: PathGlob::parse("/api/**").unwrap(),
            origins: origins.to_vec(),
            methods: vec!["GET", "PUT"],
            headers: vec!["X-Token"],
            max_age: 600,
            has_credentials,
            has_timing: false,
        }
    }

    fn told(rule: &CorsRule, method: &str, path: &str, fields: &[(&str, &str)]) -> String {
        let mut request: Fields = [(":method", method), (":path", path)].into_iter().collect();
        for (name, value) in fields {
            request.push(name.as_bytes(), value.as_bytes());
        }
        let visit = Visit {
            request: &Request::new(&request, Peer::Unix),
            path: path.as_bytes(),
            scheme: Scheme::Https,
        };
        let rules = std::slice::from_ref(rule);
        let answered = preflight(rules, &visit);
        let mut fields = Rc::new(answered.clone().unwrap_or_default());
        if let Some(rule) = changes(rules, &visit) {
            let mut changes = FieldChanges::new(Scheme::Https);
            changes.push(rule);
            changes.apply(&mut fields);
        }
        let lines = fields.iter().map(|field| format!("{field:?}"));
        let text = lines.collect::<Vec<_>>().join("; ");
        let text = text.replace("access-control-", "");
        if answered.is_some() {
            format!("204 {text}")
        } else {
            text
        }
    }

    #[test]
    fn origins_of_the_list_may_read_and_ask_for_more() {
        let rule = CorsRule::new(written(&["https://App.test"], true)).unwrap();
        let ours = ("origin", "https://app.test");
        let other = ("origin", "https://evil.test");
        let wish = ("access-control-request-method", "PUT");
        for (method, path, fields, said) in [
            (
                "GET",
                "/api/x",
                &[ours][..],
                "vary: origin; allow-origin: https://app.test; allow-credentials: true",
            ),
            ("GET", "/api/x", &[other], "vary: origin"),
            ("GET", "/api/x", &[], "vary: origin"),
            ("GET", "/", &[ours], ""),
            (
                "OPTIONS",
                "/api/x",
                &[ours, wish],
                "204 allow-methods: GET, PUT; allow-headers: X-Token; max-age: 600; vary: origin; allow-origin: https://app.test; allow-credentials: true",
            ),
            ("OPTIONS", "/api/x", &[other, wish], "204 vary: origin"),
            (
                "OPTIONS",
                "/api/x",
                &[ours],
                "vary: origin; allow-origin: https://app.test; allow-credentials: true",
            ),
            ("OPTIONS", "/", &[ours, wish], ""),
        ] {
            assert_eq!(
                told(&rule, method, path, fields),
                said,
                "{method} {path} {fields:?}"
            );
        }
        let rule = CorsRule::new(written(&["*"], false)).unwrap();
        assert_eq!(told(&rule, "GET", "/api", &[other]), "allow-origin: *");
    }

    #[test]
    fn those_who_may_read_may_see_timings_where_the_rule_says_so() {
        for (origins, said) in [
            (&["*"][..], "allow-origin: *; timing-allow-origin: *"),
            (
                &["https://app.test"],
                "vary: origin; allow-origin: https://app.test; timing-allow-origin: https://app.test",
            ),
            (&["https://other.test"], "vary: origin"),
        ] {
            let mut timed = written(origins, false);
            timed.has_timing = true;
            let rule = CorsRule::new(timed).unwrap();
            let ours = ("origin", "https://app.test");
            assert_eq!(told(&rule, "GET", "/api", &[ours]), said, "{origins:?}");
        }
    }

    #[test]
    fn a_rule_that_lets_all_read_what_is_private_is_refused() {
        assert!(CorsRule::new(written(&["*"], true)).is_err());
        for origins in [&[][..], &["app.test"], &["https://app.test/"], &["null"]] {
            assert!(
                CorsRule::new(written(origins, false)).is_err(),
                "{origins:?}"
            );
        }
        let mut wrong = written(&["*"], false);
        wrong.methods = vec!["GET, PUT"];
        assert!(CorsRule::new(wrong).is_err());
    }
}
