//! The settings file as an operator meets it: precedence, mistakes, and the settings in effect.

use std::time::Duration;

use super::said;
use crate::cli::Command;

/// A settings file with this text.
fn settings_file(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("calmd.toml"), text).unwrap();
    directory
}

#[test]
fn an_option_precedes_the_environment_which_precedes_the_file() {
    let directory = settings_file(
        "dir = \"site\"\ncache-memory = \"1K\"\nidle-timeout = \"1m\"\nspa = true\nheader = [\"a: 1\", \"b: 2\"]\n",
    );
    let path = directory.path().join("calmd.toml");
    let path = path.to_str().unwrap();
    let environment = [
        ("CALMD_CONFIG", path),
        ("CALMD_CACHE_MEMORY", "2K"),
        ("CALMD_IDLE_TIMEOUT", "2m"),
    ];
    let config = said(&["--cache-memory", "3K", "--header", "c: 3"], &environment).config();
    assert_eq!(config.host.site.cache_memory, 3 << 10);
    assert_eq!(config.server.timeouts.idle, Duration::from_secs(120));
    assert!(config.host.site.spa);
    assert_eq!(config.host.site.root, directory.path().join("site"));
    // An option replaces the whole list.
    assert_eq!(config.host.site.headers, [("c".into(), "3".into())]);
    assert_eq!(config.settings_file.as_deref(), Some(path.as_ref()));
    let other = settings_file("");
    let other = other.path().join("calmd.toml");
    let config = said(&["--config", other.to_str().unwrap()], &environment[..1]).config();
    assert!(!config.host.site.spa, "the option names the file");
}

#[test]
fn a_mistake_in_a_file_has_its_place() {
    let error = |text: &str, args: &[&str]| {
        let directory = settings_file(text);
        let path = directory.path().join("calmd.toml");
        let path = path.to_str().unwrap();
        let args = [args, &["--config", path]].concat();
        said(&args, &[]).error().replace(path, "calmd.toml")
    };
    assert_eq!(
        error("spa = true\nlisten = [\":80\", \"*:80\"]\n", &[]),
        "calmd.toml:2:18: invalid value '*:80' for 'listen': for all addresses of this machine write :80 \
         (calmd --help lists all options)"
    );
    assert_eq!(
        error("key = \"a.key\"\n", &["check"]),
        "calmd.toml:1:7: 'key' needs its certificate, add --cert FILE (calmd check --help lists all options)"
    );
    assert_eq!(
        error("spo = true\n", &["config", "--show"]),
        "calmd.toml:1:1: there is no setting 'spo'; did you mean 'spa'? (calmd config --help lists all \
         options)"
    );
    assert!(said(&["config"], &[]).error().contains("--show"));
}

#[test]
fn the_settings_in_effect_are_a_settings_file_of_their_own() {
    let show = |args: &[&str], environment: &[(&'static str, &str)]| {
        let args = [&["config", "--show"], args].concat();
        match said(&args, environment).parse() {
            Ok(Command::Show(text)) => text,
            other => panic!("{other:?}"),
        }
    };
    let directory = settings_file("spa = true\ntype = [\"a=b/c\"]\n");
    let path = directory.path().join("calmd.toml");
    let path = path.to_str().unwrap();
    let text = show(
        &["--config", path, "--listen", ":80", "--header", "a: \"\\"],
        &[("CALMD_IDLE_TIMEOUT", "2m")],
    );
    let line = |name: &str| {
        let mut lines = text.lines();
        lines
            .find(|line| {
                let line = line.trim_start_matches("# ");
                line.starts_with(&format!("{name} "))
            })
            .unwrap()
    };
    let words = |name| line(name).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words("listen"), "listen = [\":80\"] # command line");
    assert_eq!(words("listen-tls"), "# listen-tls is not set");
    assert_eq!(
        words("idle-timeout"),
        "idle-timeout = \"2m\" # CALMD_IDLE_TIMEOUT"
    );
    assert_eq!(words("spa"), format!("spa = true # {path}:1:7"));
    assert_eq!(words("type"), format!("type = [\"a=b/c\"] # {path}:2:9"));
    assert_eq!(words("header"), r#"header = ["a: \"\\"] # command line"#);
    assert_eq!(words("cache-memory"), "cache-memory = \"1536K\" # default");
    assert_eq!(words("demo"), "demo = false # default");
    assert_eq!(words("cert"), "# cert is not set");
    // A host has its own, what the top level has, its share of memory, and defaults.
    let hosts = settings_file(
        "spa = true\n[[host]]\nnames = [\"a\"]\nroot = \"a\"\nlisting = true\n[[host]]\nnames = [\"b\"]\nroot = \"b\"\n\
         cache-memory = \"2M\"\n",
    );
    let hosts = hosts.path().join("calmd.toml");
    let of_hosts = show(&["--config", hosts.to_str().unwrap()], &[]);
    let mut tables = of_hosts.split("[[host]]").skip(1);
    let mut next = || {
        let lines = tables.next().unwrap().lines();
        let lines = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        lines.collect::<Vec<_>>()
    };
    for (table, said) in [
        (
            next(),
            [
                "listing = true #",
                "# cache-memory = \"786432\" # its share of 1536K",
            ],
        ),
        (
            next(),
            ["cache-memory = \"2M\" #", "# listing = false # default"],
        ),
    ] {
        for said in said
            .into_iter()
            .chain(["# spa = true #", "# cert is not set"])
        {
            assert!(
                table.iter().any(|line| line.starts_with(said)),
                "{said}: {table:?}"
            );
        }
        assert!(
            !table.iter().any(|line| line.contains("idle-timeout")),
            "{table:?}"
        );
    }
    // Read again, it says the same.
    let again = settings_file(&text);
    let again = again.path().join("calmd.toml");
    let again = show(&["--config", again.to_str().unwrap()], &[]);
    let values = |text: &str| {
        let values = text
            .lines()
            .map(|line| line.split(" # ").next().unwrap().trim_end());
        values.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(values(&again), values(&text));
}
