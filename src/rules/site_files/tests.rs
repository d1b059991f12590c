//! `_redirects` and `_headers` by table: each row is a file, a target, and the outcome.

use super::*;

/// The outcome of the rules for a target: the status, the precedence, and where it leads.
fn outcome(redirects: &str, target: &str) -> String {
    let (rules, warnings, _) = SiteRules::parse(redirects, "");
    if let Some(warning) = warnings.first() {
        return format!("{}: {}", warning.line, warning.problem);
    }
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.as_bytes())),
        None => (target, None),
    };
    let Some(found) = rules.redirect(path.as_bytes(), query) else {
        return "-".into();
    };
    let force = match found.precedence {
        Precedence::Forced => "!",
        Precedence::BehindFiles => "",
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    match found.outcome {
        Redirected::Send { status, location } => format!("{status}{force} {}", text(location)),
        Redirected::Serve { target } => {
            format!("{}{force} {}", found.page.unwrap_or(200), text(target))
        }
        Redirected::Gone => "410".into(),
    }
}

/// Rows that both take alike, and rows where Netlify's way is taken (marked).
const ROWS: &[(&str, &str, &str)] = &[
    // The plain form; without a status Netlify says 301, Cloudflare 302: Netlify's.
    ("/a /b", "/a", "301 /b"),
    ("/a /b 301", "/a", "301 /b"),
    ("/a /b 302", "/a", "302 /b"),
    ("/a /b 303", "/a", "303 /b"),
    ("/a /b 307", "/a", "307 /b"),
    ("/a /b 308", "/a", "308 /b"),
    ("/a /b 200", "/a", "200 /b"),
    ("/a /b 404", "/a", "404 /b"),
    ("/a  \t /b\t301", "/a", "301 /b"),
    ("  /a /b", "/a", "301 /b"),
    ("/a /b 301\r", "/a", "301 /b"),
    // Files: Netlify lets an existing file win unless `!`, Cloudflare redirects always: Netlify's.
    ("/a /b 301!", "/a", "301! /b"),
    ("/a /b 302!", "/a", "302! /b"),
    ("/a /b 200!", "/a", "200! /b"),
    ("/a /b 404!", "/a", "404! /b"),
    // Comments and empty lines.
    ("# /a /b", "/a", "-"),
    ("#", "/a", "-"),
    ("", "/a", "-"),
    ("\n\n/a /b\n", "/a", "301 /b"),
    ("/a /b # why", "/a", "301 /b"),
    ("/a /b 302 # why", "/a", "302 /b"),
    ("/a /b#part", "/a", "301 /b#part"),
    // The first match decides.
    ("/a /b\n/a /c", "/a", "301 /b"),
    ("/* /all\n/a /b", "/a", "301 /all"),
    ("/a /b\n/* /all", "/c", "301 /all"),
    // A slash at the end: Netlify takes both forms alike, Cloudflare tells them apart: Netlify's.
    ("/a /b", "/a/", "301 /b"),
    ("/a/ /b", "/a", "301 /b"),
    ("/a/ /b/", "/a/", "301 /b/"),
    ("/ /b", "/", "301 /b"),
    // No match.
    ("/a /b", "/ab", "-"),
    ("/a /b", "/a/b", "-"),
    ("/a /b", "/A", "-"),
    ("/a /b", "/", "-"),
    // Splats.
    ("/old/* /new/:splat", "/old/x", "301 /new/x"),
    ("/old/* /new/:splat", "/old/x/y", "301 /new/x/y"),
    ("/old/* /new/:splat", "/old/x/", "301 /new/x/"),
    ("/old/* /new/:splat", "/old/", "301 /new/"),
    ("/old/* /new/:splat", "/old", "301 /new/"),
    ("/old/* /new/:splat", "/older", "-"),
    ("/old/* /new", "/old/x", "301 /new"),
    ("/* /:splat/x 302", "/a", "302 /a/x"),
    ("/blog* /news:splat", "/blog-x/y", "301 /news-x/y"),
    ("/* /index.html 200", "/any/where", "200 /index.html"),
    ("/* /404.html 404", "/any", "404 /404.html"),
    (
        "/old/* https://a.test/:splat",
        "/old/x",
        "301 https://a.test/x",
    ),
    (
        "/old/* https://a.test/:splat 302!",
        "/old/x",
        "302! https://a.test/x",
    ),
    // No splat leads to another host.
    ("/r/* /:splat", "/r/evil.test", "301 /evil.test"),
    ("/r/* /:splat/", "/r", "301 /"),
    // Placeholders.
    (
        "/news/:y/:m /blog/:m/:y",
        "/news/2026/11",
        "301 /blog/11/2026",
    ),
    ("/news/:y/:m /blog/:m/:y", "/news/2026", "-"),
    ("/news/:y/:m /blog/:m/:y", "/news/2026/11/1", "-"),
    ("/:a /x/:a-:a", "/v", "301 /x/v-v"),
    ("/u/:id/* /p/:splat?id=:id", "/u/7/a/b", "301 /p/a/b?id=7"),
    ("/a/:b_c /:b_c", "/a/x", "301 /x"),
    ("/12:30 /noon", "/12:30", "301 /noon"),
    // Encoded text.
    ("/caf%C3%A9 /coffee", "/café", "301 /coffee"),
    ("/café /coffee", "/café", "301 /coffee"),
    ("/a /caf%C3%A9", "/a", "301 /caf%C3%A9"),
    ("/a /café", "/a", "301 /caf%C3%A9"),
    ("/a/* /b/:splat", "/a/x y", "301 /b/x%20y"),
    // Queries: passed on unless the target has its own.
    ("/a /b", "/a?x=1", "301 /b?x=1"),
    ("/a /b?y=2", "/a?x=1", "301 /b?y=2"),
    ("/a /b 200", "/a?x=1", "200 /b?x=1"),
    // Parameters, which Netlify takes and Cloudflare does not: Netlify's.
    ("/store id=:id /shop/:id", "/store?id=7", "301 /shop/7"),
    ("/store id=:id /shop/:id", "/store", "-"),
    ("/store id=:id /shop/:id", "/store?other=7", "-"),
    (
        "/store id=:id /shop/:id 302!",
        "/store?x=1&id=7",
        "302! /shop/7",
    ),
    ("/store id=7 /seven", "/store?id=7", "301 /seven"),
    ("/store id=7 /seven", "/store?id=8", "-"),
    ("/s a=:a b=:b /:b/:a", "/s?b=2&a=1", "301 /2/1"),
    ("/s q=:q /find?for=:q", "/s?q=a%26b", "301 /find?for=a%26b"),
    ("/s q=:q /:q", "/s?q=%2F%2Fevil.test", "301 /evil.test"),
    // Lines that are not understood, each with its reason.
    ("/a", "/a", "1: the target is missing"),
    ("/a /b 300", "/a", "1: '300' is no status of a redirect"),
    ("/a /b soon", "/a", "1: 'soon' is no status of a redirect"),
    (
        "/a /b 301 extra",
        "/a",
        "1: 'extra': calmd knows no conditions",
    ),
    (
        "/a /b 302 Country=de",
        "/a",
        "1: 'Country=de': calmd knows no conditions",
    ),
    (
        "/a /b Language=de",
        "/a",
        "1: 'Language=de': calmd knows no conditions",
    ),
    (
        "/a /b 200! Role=admin",
        "/a",
        "1: 'Role=admin': calmd knows no conditions",
    ),
    (
        "/a b",
        "/a",
        "1: 'b' is neither a parameter such as id=:id nor a target such as /new",
    ),
    ("a /b", "/a", "1: a path begins with a slash, write '/a'"),
    (
        "http://a.test/* /b",
        "/a",
        "1: a rule is for paths of this host; write a [[host]] for another",
    ),
    ("/a //b", "/a", "1: this names a host; write 'https://b'"),
    (
        "/api/* https://api.test/:splat 200",
        "/api/x",
        "1: calmd passes nothing on to another server by a redirect",
    ),
    // A splat before the end is Cloudflare's alone.
    (
        "/a/*/c /b",
        "/a/x/c",
        "1: nothing may follow the '*'; write ':name' for one segment",
    ),
    (
        "/a /:splat",
        "/a",
        "1: ':splat' needs a '*' at the end of 'from'",
    ),
    ("/a /x/:id", "/a", "1: 'from' has no segment ':id'"),
    (
        "/s a=:a a=:a /:a",
        "/s",
        "1: ':a' is taken; give the segment another name",
    ),
    ("/ok /fine\n/bad", "/ok", "2: the target is missing"),
];

#[test]
fn redirects_of_a_site_are_read_as_netlify_reads_them() {
    assert!(ROWS.len() >= 80, "{}", ROWS.len());
    for (file, target, wanted) in ROWS {
        assert_eq!(outcome(file, target), *wanted, "{file:?} {target}");
    }
}

#[test]
fn a_line_that_is_not_understood_leaves_the_others() {
    let (rules, warnings, _) = SiteRules::parse("/bad\n/a /b\n/worse 301\n", "");
    assert_eq!(
        warnings.iter().map(|it| it.line).collect::<Vec<_>>(),
        [1, 3]
    );
    assert!(rules.redirect(b"/a", None).is_some());
    let many = "/a /b\n".repeat(MOST_RULES + 2);
    let (_, warnings, _) = SiteRules::parse(&many, "");
    assert_eq!(warnings.len(), 2);
}

/// The changes of the fields of a path.
fn fields(headers: &str, path: &str) -> Result<String, Vec<String>> {
    let (rules, _, warnings) = SiteRules::parse("", headers);
    if !warnings.is_empty() {
        return Err(warnings
            .iter()
            .map(|it| format!("{}: {}", it.line, it.problem))
            .collect());
    }
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let changes = rules.changes(path.as_bytes()).unwrap_or_else(|| [].into());
    let told = changes.iter().map(|change| match change {
        FieldChange::Set(name, value) => format!("{}={}", text(name), text(value)),
        FieldChange::SetSecure(name, value) => format!("tls {}={}", text(name), text(value)),
        FieldChange::Add(name, value) => format!("{}+={}", text(name), text(value)),
        FieldChange::Remove(name) => format!("!{}", text(name)),
    });
    Ok(told.collect::<Vec<_>>().join(" "))
}

#[test]
fn fields_of_a_site_add_up_over_the_paths_that_match() {
    let file =
        "# all\n/*\n  X-A: 1\n  Link: </a>\n\n/a/*\n\tLink: </b>\n  ! X-A\n/b/:c\n  X-B: x:y\n";
    for (path, wanted) in [
        ("/", "x-a=1 link=</a>"),
        ("/a/x", "x-a=1 link=</a> link+=</b> !x-a"),
        ("/b/x", "x-a=1 link=</a> x-b=x:y"),
        ("/b/x/y", "x-a=1 link=</a>"),
    ] {
        assert_eq!(fields(file, path).as_deref(), Ok(wanted), "{path}");
    }
    assert_eq!(
        fields("/*\n  Strict-Transport-Security: a\n", "/").as_deref(),
        Ok("tls strict-transport-security=a")
    );
    assert_eq!(fields("", "/").as_deref(), Ok(""));
}

#[test]
fn fields_that_a_site_may_not_have_are_told() {
    for (file, said) in [
        ("  X-A: 1\n", "1: the field stands below no path"),
        ("x\n  X-A: 1\n", "1: a path begins with a slash, write '/x'"),
        (
            "/*\n  X-A\n",
            "2: there is no colon; write it as 'Name: value'",
        ),
        (
            "/*\n  Content-Length: 1\n",
            "2: calmd sets 'content-length' itself; leave it out",
        ),
        (
            "/*\n  Basic-Auth: a:b\n",
            "2: no password may stand in a file of the site; write a basic-auth rule",
        ),
    ] {
        assert_eq!(fields(file, "/").unwrap_err()[0], said, "{file}");
    }
}
