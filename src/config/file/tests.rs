//! Settings files as an operator writes them.

use super::*;
use crate::config::Config;

fn parse(name: &str, text: &str) -> Result<SettingsFile, String> {
    SettingsFile::parse(Path::new(name), text.as_bytes()).map_err(|mistake| mistake.to_string())
}

fn config(name: &str, text: &str) -> Config {
    let file = parse(name, text).unwrap();
    let given = file.beneath(&GivenSettings::default());
    given.resolve(Config::default()).unwrap()
}

#[test]
fn toml_and_json_say_the_same() {
    let toml = config(
        "/etc/calmd/calmd.toml",
        r#"
        dir = "site"
        listen = ["127.0.0.1:8080", "unix:run/calmd.sock"]
        spa = true
        cache-memory = "8M"
        max-concurrent-streams = 0x40
        header = ["a: 1, 2", "b: 3"]
        sandbox = "off"
        access-log = "-"
        SETTINGS_INITIAL_WINDOW_SIZE = 65_535
        SETTINGS_ENABLE_PUSH = 0
        "#,
    );
    let json = config(
        "/etc/calmd/calmd.json",
        r#"{"dir": "site", "listen": ["127.0.0.1:8080", "unix:run/calmd.sock"], "spa": true,
            "cache-memory": "8M", "SETTINGS_MAX_CONCURRENT_STREAMS": 64,
            "header": ["a: 1, 2", "b: 3"], "sandbox": "off", "access-log": "-",
            "SETTINGS_INITIAL_WINDOW_SIZE": 65535, "SETTINGS_ENABLE_PUSH": 0}"#,
    );
    assert_eq!(format!("{toml:?}"), format!("{json:?}"));
    assert_eq!(toml.host.site.root, Path::new("/etc/calmd/site"));
    assert!(toml.host.site.spa && !toml.sandbox);
    assert_eq!(toml.server.http2.max_concurrent_streams, 64);
    assert_eq!(toml.server.http2.initial_window_size, 65_535);
    assert_eq!(toml.host.site.headers.len(), 2);
    assert!(format!("{:?}", toml.listen).contains("/etc/calmd/run/calmd.sock"));
    // The standard output is no path.
    assert_eq!(toml.access_log.unwrap().file, None);
}

#[test]
fn a_mistake_has_its_line_its_column_and_its_mend() {
    for (name, text, said) in [
        (
            "a.toml",
            "spa = true\nlisen = \":80\"\n",
            "a.toml:2:1: there is no setting 'lisen'; did you mean 'listen'?",
        ),
        (
            "a.toml",
            "root = \"site\"\n",
            "a.toml:1:1: there is no setting 'root'; did you mean 'dir'?",
        ),
        (
            "a.toml",
            "frobnicate = 1\n",
            "a.toml:1:1: there is no setting 'frobnicate'; calmd --help lists all",
        ),
        // The first mistake of the file is told, whatever its key.
        (
            "a.toml",
            "zz = 1\naa = 1\n",
            "a.toml:1:1: there is no setting 'zz'; calmd --help lists all",
        ),
        (
            "a.toml",
            "dir = [\"a\", \"b\"]\n",
            "a.toml:1:7: 'dir' takes one value, not a list",
        ),
        ("a.toml", "é = 1\n", "a.toml:1:1: "),
        (
            "a.toml",
            "idle-timeout = 1.5\n",
            "a.toml:1:16: 'idle-timeout' takes no fraction",
        ),
        (
            "a.toml",
            "header = [\"a: b\", [\"c\"]]\n",
            "a.toml:1:19: 'header' takes no list within a list",
        ),
        ("a.toml", "[spa]\n", "a.toml:1:1: 'spa' takes no table"),
        (
            "a.toml",
            "config = \"b.toml\"\n",
            "a.toml:1:1: a settings file names no other one; leave 'config' out",
        ),
        (
            "a.toml",
            "spa = true\nspa = true\n",
            "a.toml:2:1: duplicate key",
        ),
        (
            "a.toml",
            "max-frame-size = 16384\nSETTINGS_MAX_FRAME_SIZE = 16384\n",
            "a.toml:2:1: 'SETTINGS_MAX_FRAME_SIZE' is 'max-frame-size', which stands above",
        ),
        ("a.toml", "spa = tru\n", "a.toml:1:7: "),
        (
            "a.json",
            "{\n \"spa\": true,\n \"spa\": true}",
            "a.json:3:2: 'spa' stands there twice",
        ),
        (
            "a.json",
            "{\"spa\": true,}",
            "a.json:1:13: Trailing commas are not allowed",
        ),
        (
            "a.json",
            "[]",
            "a.json:1:1: a settings file is one object, write { … }",
        ),
        ("a.json", "", "a.json:1:1: the file is empty, write { }"),
        (
            "a.json",
            "{\"spa\": null}",
            "a.json:1:9: 'spa' takes no null",
        ),
        (
            "a.json",
            "{\"SETTINGS_ENABLE_PUSH\": 1}",
            "a.json:1:2: 'SETTINGS_ENABLE_PUSH' is 0, because calmd never pushes",
        ),
    ] {
        let error = parse(name, text).expect_err(text);
        assert!(error.starts_with(said), "{text}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let torn = SettingsFile::parse(Path::new("a.toml"), b"spa = true\n\xff").unwrap_err();
    assert_eq!(torn.to_string(), "a.toml:2:1: the text is not UTF-8");
}

#[test]
fn deep_nesting_is_an_error_and_no_end() {
    for (name, open) in [("a.toml", "header = "), ("a.json", "{\"header\": ")] {
        let text = format!("{open}{}", "[".repeat(100_000));
        parse(name, &text).unwrap_err();
    }
}

#[test]
fn a_file_that_is_none_is_told() {
    let error = |path| SettingsFile::read(Path::new(path)).unwrap_err().to_string();
    let missing = error("/nowhere/a.toml");
    assert!(missing.starts_with("cannot read the settings file '/nowhere/a.toml': No such"));
    assert!(missing.ends_with("; see that it exists and that this user may read it"));
    let device = error("/dev/null");
    assert!(device.contains("it is a FIFO, a socket or a device"));
    assert!(device.ends_with("; name a regular file"), "{device}");
    let directory = error("/tmp");
    assert!(directory.contains("is a directory"));
    assert!(directory.ends_with("; name a file in it"), "{directory}");
}

mod hosts;
