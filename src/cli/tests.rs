//! The command line as an operator meets it.

use super::*;

fn config(args: &[&str]) -> Config {
    match parse_from(std::iter::once(&"calmd").chain(args)) {
        Ok(Command::Serve(config)) => *config,
        Ok(Command::Get(_)) => panic!("{args:?} fetches"),
        Err(error) => panic!("{error}"),
    }
}

fn error(args: &[&str]) -> String {
    let args: Vec<OsString> = std::iter::once(&"calmd")
        .chain(args)
        .map(Into::into)
        .collect();
    let error = parse_from(args.iter().cloned()).expect_err("accepted");
    assert_eq!(error.exit_code(), 2, "{error}");
    mistake::explain(&error, &args)
}

fn tcp(text: &str) -> ListenAddress {
    ListenAddress::Tcp(text.parse().unwrap())
}

#[test]
fn definitions_are_sound_and_every_option_has_its_environment_variable() {
    let command = Cli::command();
    command.clone().debug_assert();
    for arg in command.get_arguments() {
        let id = arg.get_id().as_str();
        if id != "help" && id != "version" {
            let variable = format!("CALMD_{}", id.to_uppercase());
            assert_eq!(arg.get_env(), Some(variable.as_ref()), "{id}");
        }
    }
    for id in FOR_LONG_HELP_ONLY {
        assert!(
            command.get_arguments().any(|arg| arg.get_id() == id),
            "{id}"
        );
    }
}

#[test]
fn defaults_shown_are_the_defaults_of_the_configuration() {
    let mut shown = config(&[]);
    // The environment decides where the made pair is kept.
    shown.host.certificate = Config::default().host.certificate;
    assert_eq!(format!("{shown:?}"), format!("{:?}", Config::default()));
}

#[test]
fn the_sandbox_leaves_as_many_directories_readable_as_are_named() {
    let named = config(&["--sandbox-read", "/srv/a", "--sandbox-read", "b, c"]);
    assert_eq!(named.sandbox_read, [PathBuf::from("/srv/a"), "b, c".into()]);
}

#[test]
fn naming_any_address_replaces_all_defaults() {
    let only_cleartext = config(&["--listen", ":80", "--listen", "unix:/run/calmd.sock"]);
    assert_eq!(
        only_cleartext.listen,
        [
            tcp("[::]:80"),
            ListenAddress::Unix("/run/calmd.sock".into())
        ]
    );
    assert_eq!(only_cleartext.listen_tls, []);
    let only_tls = config(&["--listen-tls", "127.0.0.1:443,[::1]:443"]);
    assert_eq!(only_tls.listen, []);
    assert_eq!(
        only_tls.listen_tls,
        [tcp("127.0.0.1:443"), tcp("[::1]:443")]
    );
}

#[test]
fn certificate_and_key_come_together_and_for_a_listener() {
    let given = config(&["--cert", "c.pem", "--key", "k.pem"]);
    assert_eq!(
        given.host.certificate,
        Certificate::Files {
            chain: "c.pem".into(),
            key: "k.pem".into()
        }
    );
    assert!(error(&["--cert", "c.pem"]).starts_with("'--cert' needs its private key"));
    assert!(error(&["--key", "k.pem"]).starts_with("'--key' needs its certificate"));
    let unused = ["--listen", "80", "--cert", "c", "--key", "k"];
    assert!(error(&unused).contains("add --listen-tls ADDR"));
}

#[test]
fn the_site_is_described() {
    let site = config(&[
        "site",
        "--listing",
        "--spa",
        "--demo",
        "--cache",
        "assets/**=1y,immutable",
        "--cache",
        "**=1h",
        "--header",
        "X-Frame-Options: DENY",
        "--type",
        "log=text/plain",
        "--charset",
        "none",
        "--etag",
        "content",
        "--cache-memory",
        "8M",
    ])
    .host
    .site;
    assert_eq!(site.root, PathBuf::from("site"));
    assert!(site.listing && site.spa && site.demo);
    assert_eq!(site.cache.len(), 2);
    assert_eq!(site.cache[0].pattern, "assets/**");
    assert_eq!(site.cache[0].value, "max-age=31536000, immutable");
    assert_eq!(
        site.headers,
        [("x-frame-options".to_owned(), "DENY".to_owned())]
    );
    assert_eq!(site.types, [TypeRule::parse("log=text/plain").unwrap()]);
    assert_eq!(site.charset, Charset::Unsaid);
    assert_eq!(site.entity_tags, EntityTags::Content);
    assert_eq!(site.cache_memory, 8 << 20);
}

#[test]
fn lists_are_separated_by_line_ends_as_the_environment_needs() {
    let site = config(&["--header", "a: 1, 2\nb: 3"]).host.site;
    assert_eq!(site.headers.len(), 2);
    assert_eq!(site.headers[0].1, "1, 2");
}

#[test]
fn the_access_log_is_a_file_or_standard_output() {
    assert_eq!(config(&["--log-format", "json"]).access_log, None);
    assert_eq!(
        config(&["--access-log", "-", "--log-format", "json"]).access_log,
        Some(AccessLogConfig {
            file: None,
            format: LogFormat::Json
        })
    );
    assert_eq!(
        config(&["--access-log", "a.log"]).access_log,
        Some(AccessLogConfig {
            file: Some("a.log".into()),
            format: LogFormat::Combined
        })
    );
}

#[test]
fn rights_are_given_up_as_asked() {
    assert!(config(&[]).sandbox && config(&["--sandbox", "on"]).sandbox);
    assert!(!config(&["--sandbox", "off"]).sandbox);
    assert!(error(&["--sandbox", "no"]).contains("write on or off"));
    let user = config(&["--user", "65534:65533"]).user.expect("a user");
    assert_eq!(
        (user.uid, user.gid, user.groups),
        (65534, 65533, vec![65533])
    );
    assert!(error(&["--user", "no such user"]).contains("there is no user 'no such user'"));
}

#[test]
fn what_depends_on_an_http2_setting_follows_it() {
    let config = config(&[
        "--initial-window-size=4M",
        "--max-frame-size=1M",
        "--header-table-size=0",
        "--max-header-list-size=32K",
        "--max-concurrent-streams=7",
        "--h2c-upgrade",
    ])
    .server
    .derived();
    assert_eq!(config.http2.initial_window_size, 4 << 20);
    assert_eq!(config.http2.connection_window_size, 4 << 20);
    assert_eq!(config.http2.max_frame_size, 1 << 20);
    assert_eq!(config.http2.header_table_size, 0);
    assert_eq!(config.http2.budgets.header_block_bytes, 64 << 10);
    assert_eq!(config.http1.head_bytes, 32 << 10);
    assert_eq!(config.http2.max_concurrent_streams, 7);
    assert!(config.http2.h2c_upgrade);
}

#[test]
fn timeouts_reach_both_versions() {
    let config = config(&[
        "--header-timeout=1s",
        "--stall-timeout=2s",
        "--slow-timeout=4s",
        "--drain-timeout=0s",
        "--idle-timeout=5m",
        "--keep-alive-timeout=3s",
        "--keep-alive-requests=9",
        "--max-connections=50",
        "--log-level=debug",
    ]);
    assert_eq!(config.log_level, log::LevelFilter::Debug);
    let config = config.server.derived();
    assert_eq!(config.http1.header_timeout, Duration::from_secs(1));
    assert_eq!(config.http2.header_timeout, Duration::from_secs(1));
    assert_eq!(config.http1.stall_timeout, Duration::from_secs(2));
    assert_eq!(config.http2.stall_timeout, Duration::from_secs(2));
    assert_eq!(config.timeouts.stall, Duration::from_secs(2));
    assert_eq!(config.http1.slow_timeout, Duration::from_secs(4));
    assert_eq!(config.http2.slow_timeout, Duration::from_secs(4));
    assert_eq!(config.timeouts.slow, Duration::from_secs(4));
    assert_eq!(config.timeouts.drain, Duration::ZERO);
    assert_eq!(config.timeouts.idle, Duration::from_secs(300));
    assert_eq!(config.http1.keep_alive_timeout, Duration::from_secs(3));
    assert_eq!(config.http1.keep_alive_requests, 9);
    assert_eq!(config.limits.max_connections, 50);
}

#[test]
fn a_wrong_option_is_one_line_that_names_option_value_and_mend() {
    assert_eq!(
        error(&["--listen", "1.2.3.4:70000"]),
        "invalid value '1.2.3.4:70000' for '--listen <ADDR>': write HOST:PORT, [IPv6]:PORT, :PORT \
         or unix:PATH, with a port up to 65535 (calmd --help lists all options)"
    );
    assert_eq!(
        error(&["--idle-timeout", "30"]),
        "invalid value '30' for '--idle-timeout <TIME>': the unit is missing, write 30s \
         (calmd --help lists all options)"
    );
    for args in [
        &["--no-such-option"][..],
        &["a", "b"],
        &["--listen"],
        &["--max-concurrent-streams", "0"],
        &["--keep-alive-requests", "many"],
        &["--log-format", "xml"],
        &["--header", "no colon"],
        &["--cache", "assets/**"],
        &["--spa", "--spa"],
    ] {
        let line = error(args);
        assert!(!line.contains('\n') && !line.starts_with("error"), "{line}");
    }
    assert!(error(&["--no-such-option"]).contains("'--no-such-option'"));
}

#[test]
fn options_of_other_servers_are_answered_with_ours() {
    for (args, said) in [
        (
            &["d", "extra"][..],
            "only one directory is served, and 'extra' is a second; leave it out",
        ),
        (&["serve", "d"], "leave out 'serve', write calmd d"),
        (
            &["d", "get", "http://h/"],
            "'get' comes first, write calmd get URL",
        ),
        (
            &["--port", "80"],
            "there is no option '--port'; write --listen :80, or -p 80",
        ),
        (
            &["--port=80"],
            "there is no option '--port'; write --listen :80, or -p 80",
        ),
        (
            &["--port"],
            "there is no option '--port'; write --listen :PORT, or -p PORT",
        ),
        (
            &["--host", "::1"],
            "there is no option '--host'; write --listen ::1:PORT",
        ),
        (
            &["--root", "site"],
            "there is no option '--root'; the directory needs no option, write calmd site",
        ),
        (
            &["--lisen", ":80"],
            "there is no option '--lisen'; did you mean --listen?",
        ),
        (
            &["--acces-log=-"],
            "there is no option '--acces-log'; did you mean --access-log?",
        ),
        (
            &["--frobnicate"],
            "unexpected argument '--frobnicate' found",
        ),
        (
            &["get", "--maxtime", "3s", "http://h/"],
            "there is no option '--maxtime'; did you mean --max-time?",
        ),
        (
            &["--max-connections", "many"],
            "invalid value 'many' for '--max-connections <N>': write a whole number",
        ),
        (
            &["--max-connections", "0"],
            "invalid value '0' for '--max-connections <N>': write a number from 1 to 10000000",
        ),
        (
            &["--header", "ETag: x"],
            "invalid value 'ETag: x' for '--header <NAME: VALUE>': calmd sets this field itself; leave the option out",
        ),
    ] {
        let help = match args[0] {
            "get" => "calmd get --help",
            _ => "calmd --help",
        };
        assert_eq!(error(args), format!("{said} ({help} lists all options)"));
    }
}

#[test]
fn a_port_has_a_short_form() {
    assert_eq!(config(&["-p", "80"]).listen, [tcp("[::]:80")]);
    assert_eq!(config(&["-p80"]).listen, [tcp("[::]:80")]);
    assert_eq!(
        config(&["-p", "127.0.0.1:80", "--listen", ":81"]).listen,
        [tcp("127.0.0.1:80"), tcp("[::]:81")]
    );
}

#[test]
fn variables_that_look_like_ours_and_are_none_are_told() {
    let names = [
        "CALMD_LISEN",
        "CALMD_LISTEN",
        "CALMD_COLOUR",
        "PATH",
        "CALMD_DIR",
    ];
    let names = names.map(OsStr::new);
    assert_eq!(
        mistake::misspelt_variables(names.into_iter(), &Cli::command()),
        [
            "CALMD_LISEN in the environment means nothing; did you mean CALMD_LISTEN?",
            "CALMD_COLOUR in the environment means nothing; calmd --help lists all options"
        ]
    );
}

#[test]
fn short_help_fits_a_screen_and_long_help_has_everything() {
    let help = |flag| {
        let error = parse_from(["calmd", flag]).expect_err("help ends the program");
        assert_eq!(error.kind(), ErrorKind::DisplayHelp);
        error.render().to_string()
    };
    let brief = help("-h");
    assert!(brief.lines().count() <= 36, "{brief}");
    assert!(!brief.contains("--header-table-size"), "{brief}");
    let long = help("--help");
    assert!(long.lines().count() <= 100, "{long}");
    for arg in Cli::command().get_arguments() {
        let Some(name) = arg.get_long() else { continue };
        assert!(
            long.contains(&format!("--{name}")),
            "{name} is not in {long}"
        );
    }
}
