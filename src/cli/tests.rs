//! The command line as an operator meets it.

use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::server;
use crate::site::{Charset, EntityTags, TypeRule};
use crate::telemetry::{AccessLogConfig, LogFormat};
use crate::world::ListenAddress;

mod settings_file;

/// A command line and an environment.
struct Said {
    args: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
}

fn said(args: &[&str], environment: &[(&'static str, &str)]) -> Said {
    let args = std::iter::once(&"calmd").chain(args).map(Into::into);
    let variable = |&(name, value): &(&'static str, &str)| (name, value.into());
    Said {
        args: args.collect(),
        environment: environment.iter().map(variable).collect(),
    }
}

impl Said {
    fn parse(&self) -> Result<Command, CommandError> {
        parse_from(&self.args, &|name| {
            let found = self.environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.clone())
        })
    }

    fn config(&self) -> Config {
        match self.parse() {
            Ok(Command::Serve(config, _)) => *config,
            other => panic!("{other:?}"),
        }
    }

    fn error(&self) -> String {
        mistake::explain(&self.parse().expect_err("accepted"), &self.args)
    }
}

fn config(args: &[&str]) -> Config {
    said(args, &[]).config()
}

pub(super) fn error(args: &[&str]) -> String {
    said(args, &[]).error()
}

fn tcp(text: &str) -> ListenAddress {
    ListenAddress::Tcp(text.parse().unwrap())
}

#[test]
fn definitions_are_sound() {
    for purpose in [Purpose::Serve, Purpose::Check, Purpose::Show] {
        definitions(purpose, Level::Short).debug_assert();
        definitions(purpose, Level::Long).debug_assert();
    }
}

#[test]
fn what_nobody_says_is_the_default() {
    assert_eq!(
        format!("{:?}", config(&[])),
        format!("{:?}", Config::default())
    );
}

#[test]
fn the_environment_says_what_no_option_says() {
    let environment = [
        ("CALMD_DIR", "site"),
        ("CALMD_LISTEN", ":80,unix:/run/calmd.sock,mode=0660"),
        ("CALMD_SPA", "yes"),
        ("CALMD_LISTING", "0"),
        ("CALMD_CACHE_MEMORY", "8M"),
        ("CALMD_IDLE_TIMEOUT", "5m"),
        ("CALMD_HEADER", "a: 1, 2\nb: 3"),
        ("CALMD_SANDBOX", "off"),
        // Empty is not set.
        ("CALMD_LOG_LEVEL", ""),
        ("CALMD_DEMO", ""),
    ];
    let config = said(&["--cache-memory", "2M"], &environment).config();
    assert_eq!(config.host.site.root, PathBuf::from("site"));
    assert_eq!(config.listen.len(), 2);
    assert_eq!(config.listen_tls, []);
    assert!(config.host.site.spa && !config.host.site.listing && !config.host.site.demo);
    assert_eq!(config.host.site.cache_memory, 2 << 20);
    assert_eq!(config.server.timeouts.idle, Duration::from_secs(300));
    let headers = [("a", "1, 2"), ("b", "3")].map(|(name, value)| (name.into(), value.into()));
    assert_eq!(config.host.site.headers, headers);
    assert!(!config.sandbox);
    assert_eq!(config.log_level, log::LevelFilter::Info);
    // An option replaces the whole list of the environment.
    let listed = said(&["--header", "c: 4"], &environment).config();
    assert_eq!(listed.host.site.headers, [("c".into(), "4".into())]);
}

#[test]
fn a_mistake_is_told_by_the_place_that_it_came_from() {
    let wrong = [("CALMD_LISTEN", "*:80")];
    let said_of = "invalid value '*:80' in the environment's CALMD_LISTEN: for all addresses of this \
                   machine write :80 (calmd --help lists all options)";
    assert_eq!(said(&[], &wrong).error(), said_of);
    assert_eq!(
        said(&["-p", "*:80"], &[("CALMD_LISTEN", ":80")]).error(),
        said_of.replace("in the environment's CALMD_LISTEN", "for '--listen <ADDR>'")
    );
    let listed = said(&[], &[("CALMD_HEADER", "a: b\netag: x")]).error();
    assert!(
        listed.starts_with("invalid value 'etag: x' in the environment's CALMD_HEADER: calmd sets"),
        "{listed}"
    );
    let switch = said(&[], &[("CALMD_SPA", "maybe")]).error();
    assert!(
        switch.contains("CALMD_SPA: write true or false"),
        "{switch}"
    );
    let alone = said(&[], &[("CALMD_CERT", "c.pem")]).error();
    assert!(
        alone.starts_with("the environment's CALMD_CERT needs its private key"),
        "{alone}"
    );
    // An option that is right replaces a variable that is wrong.
    assert_eq!(
        said(&["-p", ":80"], &wrong).config().listen,
        [tcp("[::]:80")]
    );
}

#[test]
fn a_value_is_told_in_one_line_whatever_it_holds() {
    use std::os::unix::ffi::OsStringExt;
    assert!(!error(&["--etag", "a\nb\r\x1b"]).contains(char::is_control));
    let mut bytes = said(&["--etag"], &[]);
    bytes.args.push(OsString::from_vec(b"\xff".to_vec()));
    assert!(
        bytes
            .error()
            .contains("'--etag <auto|content>': it is not valid UTF-8")
    );
    // A path has any bytes but none.
    let mut path = said(&["--access-log"], &[]);
    path.args.push(OsString::from_vec(b"\xff".to_vec()));
    assert!(path.config().access_log.is_some());
    assert!(
        error(&["--access-log", ""]).contains("'--access-log <FILE>': it is empty; write a path")
    );
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
fn ports_are_shared_with_other_processes_but_unix_sockets_are_not() {
    assert!(!config(&[]).reuse_port);
    assert!(config(&["--reuse-port", "--listen", ":80"]).reuse_port);
    for listen in ["--listen", "--listen-tls"] {
        let told = error(&["--reuse-port", listen, ":80,unix:/run/calmd.sock"]);
        assert!(
            told.starts_with("'--reuse-port' needs TCP addresses"),
            "{told}"
        );
        assert!(told.contains("leave out unix:PATH"), "{told}");
    }
}

#[test]
fn certificate_and_key_come_together_and_for_a_listener() {
    let given = config(&["--cert", "c.pem", "--key", "k.pem"]);
    assert_eq!(
        given.host.certificates[0],
        Certificate::Files {
            chain: "c.pem".into(),
            key: "k.pem".into()
        }
    );
    assert!(error(&["--cert", "c.pem"]).starts_with("'--cert' needs its private key"));
    assert!(error(&["--key", "k.pem"]).starts_with("'--key' needs its certificate"));
    let unused = ["--listen", "80", "--cert", "c", "--key", "k"];
    assert!(error(&unused).contains("add --listen-tls ADDR"));
    let given = config(&["--ticket-key", "t.key"]);
    assert_eq!(given.host.ticket_key, Some("t.key".into()));
    let unused = error(&["--listen", "80", "--ticket-key", "t.key"]);
    assert!(unused.starts_with("'--ticket-key' needs a TLS address"));
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
fn lists_are_separated_by_line_ends() {
    let headers = config(&["--header", "a: 1, 2\nb: 3"]).host.site.headers;
    assert_eq!(headers.len(), 2);
    assert_eq!(headers[0].1, "1, 2");
    // A block of YAML ends with a line end. An empty line within is a mistake still.
    let blocks = [
        ("CALMD_HEADER", "a: 1\nb: 2\n"),
        ("CALMD_LISTEN", ":80\n"),
        ("CALMD_SANDBOX_READ", "/srv/a\n"),
    ];
    let config = said(&[], &blocks).config();
    assert_eq!(config.host.site.headers.len(), 2);
    assert_eq!(config.listen, [tcp("[::]:80")]);
    assert_eq!(config.sandbox_read, [PathBuf::from("/srv/a")]);
    assert!(error(&["--header", "a: 1\n\n"]).contains("there is no colon"));
}

#[test]
fn a_unix_socket_has_one_place_and_one_set_of_options() {
    for addresses in [
        ["--listen", "unix:/a", "--listen", "unix:/a,mode=0660"],
        ["--listen", "unix:/a", "--listen-tls", "unix:/a"],
    ] {
        let told = error(&addresses);
        assert!(told.contains("name one Unix socket twice"), "{told}");
    }
    assert_eq!(
        config(&["--listen", "unix:/a,unix:/b,unix:/a"])
            .listen
            .len(),
        2
    );
}

#[test]
fn an_address_is_listened_on_once_whoever_names_it() {
    for args in [
        &["-p", ":80,80,[::]:80"][..],
        &["-p", "80", "--listen", ":80"],
        &["-p", "80\n[::]:80"],
    ] {
        assert_eq!(config(args).listen, [tcp("[::]:80")], "{args:?}");
    }
    let tls = ["--listen-tls", "443", "--listen-tls", ":443,:444"];
    assert_eq!(config(&tls).listen_tls, [tcp("[::]:443"), tcp("[::]:444")]);
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
fn times_and_bounds_reach_the_rooms_that_they_are_for() {
    let config = config(&[
        "--header-timeout=1s",
        "--stall-timeout=2s",
        "--slow-timeout=4s",
        "--handler-timeout=8s",
        "--drain-timeout=0s",
        "--idle-timeout=5m",
        "--handshake-timeout=6s",
        "--preface-timeout=7s",
        "--keep-alive-timeout=3s",
        "--keep-alive-requests=9",
        "--max-connections=50",
        "--max-per-address=0",
        "--memory-limit=1M",
        "--max-request-body=2M",
        "--log-level=debug",
    ]);
    let server::Config {
        http1,
        limits,
        timeouts,
        ..
    } = config.server;
    assert_eq!(timeouts.header, Duration::from_secs(1));
    assert_eq!(timeouts.stall, Duration::from_secs(2));
    assert_eq!(timeouts.slow, Duration::from_secs(4));
    assert_eq!(timeouts.handler, Duration::from_secs(8));
    assert_eq!(timeouts.drain, Duration::ZERO);
    assert_eq!(timeouts.idle, Duration::from_secs(300));
    assert_eq!(timeouts.handshake, Duration::from_secs(6));
    assert_eq!(timeouts.preface, Duration::from_secs(7));
    assert_eq!(http1.keep_alive_timeout, Duration::from_secs(3));
    assert_eq!(http1.keep_alive_requests, 9);
    assert_eq!(limits.max_connections, 50);
    assert_eq!(limits.connections_per_address, 0);
    assert_eq!(limits.memory_bytes, 1 << 20);
    assert_eq!(limits.request_body_bytes, 2 << 20);
    assert_eq!(config.log_level, log::LevelFilter::Debug);
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
fn a_port_has_a_short_form() {
    assert_eq!(config(&["-p", "80"]).listen, [tcp("[::]:80")]);
    assert_eq!(config(&["-p80"]).listen, [tcp("[::]:80")]);
    assert_eq!(
        config(&["-p", "127.0.0.1:80", "--listen", ":81"]).listen,
        [tcp("127.0.0.1:80"), tcp("[::]:81")]
    );
}

#[test]
fn short_help_fits_a_screen_and_long_help_has_everything() {
    let help = |flag| match said(&[flag], &[]).parse() {
        Err(CommandError::Arguments(error)) if error.kind() == ErrorKind::DisplayHelp => {
            error.render().to_string()
        }
        other => panic!("help does not end the program: {other:?}"),
    };
    let brief = help("-h");
    assert!(brief.lines().count() <= 40, "{brief}");
    assert!(!brief.contains("--header-table-size"), "{brief}");
    let long = help("--help");
    // Some lines for each setting: a person searches in it, and does not read it through.
    assert!(
        long.lines().count() <= 3 * settings::all().count(),
        "{long}"
    );
    // The lines of the help are wrapped.
    let words = |text: &str| text.split_whitespace().collect::<String>();
    let lists = settings::all().filter(|setting| setting.arity == Arity::Lines);
    let lists: Vec<&str> = lists.map(|setting| setting.name).collect();
    let lists = format!("lists stand in lines ({})", lists.join(", "));
    assert!(words(&long).contains(&words(&lists)), "{long}");
    for setting in settings::all() {
        let spelt = match setting.position {
            Position::Option => format!("--{}", setting.name),
            Position::Operand => format!("[{}]", setting.value),
        };
        assert!(long.contains(&spelt), "{spelt} is not in {long}");
        assert_eq!(
            brief.contains(&format!("{spelt} ")),
            setting.level == Level::Short,
            "{spelt} in {brief}"
        );
        if let Some(default) = setting.default {
            assert!(words(&long).contains(&words(&format!("[default: {default}]"))));
        }
        let repeatable = words(&format!("{}; repeatable", setting.help));
        let is_list = setting.arity == Arity::Lines;
        assert_eq!(words(&long).contains(&repeatable), is_list, "{spelt}");
    }
}
