//! The command line: clap definitions, and their translation into a [`Config`], or for `calmd get`
//! (in `get`) into the client's options.
//!
//! Every option of the server can be given by an environment variable as well: `--cache-memory` by
//! `CALMD_CACHE_MEMORY`. What is wrong is told in one line that names the option, the value and the
//! mend. Defaults are written here once more so that `--help` shows them as a person writes them; a
//! test holds them against [`Config::default`].

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::client;
use crate::config::Config;
use crate::h2;
use crate::site::{CacheRule, Charset, EntityTags, TypeRule};
use crate::telemetry::{AccessLogConfig, LogFormat, standard_error};
use crate::tls::{Certificate, state_directory};
use crate::world::{ListenAddress, User};

mod get;
mod mistake;
mod value;

use value::Addresses;

/// The options that `-h` leaves to `--help`: what is right for nearly everybody as it is.
const FOR_LONG_HELP_ONLY: [&str; 26] = [
    "etag",
    "type",
    "charset",
    "max_request_body",
    "max_connections",
    "max_per_address",
    "memory_limit",
    "max_concurrent_streams",
    "initial_window_size",
    "max_frame_size",
    "header_table_size",
    "max_header_list_size",
    "h2c_upgrade",
    "keep_alive_timeout",
    "keep_alive_requests",
    "idle_timeout",
    "handshake_timeout",
    "preface_timeout",
    "header_timeout",
    "stall_timeout",
    "slow_timeout",
    "drain_timeout",
    "log_level",
    "user",
    "sandbox",
    "sandbox_read",
];

/// What the program is asked to do.
#[derive(Debug)]
pub enum Command {
    /// Serve.
    Serve(Box<Config>),
    /// Fetch.
    Get(Box<client::Options>),
}

/// Serve a directory over HTTP/2 and HTTP/1.1.
#[derive(Parser, Debug)]
#[command(
    name = "calmd",
    version,
    disable_help_flag = true,
    disable_version_flag = true,
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true,
    override_usage = "calmd [OPTIONS] [DIR]\n       calmd get [OPTIONS] URL...",
    max_term_width = 100,
    after_help = "SIZE is 64K, 1M, 2G; TIME 500ms, 30s, 2m, 1h; ADDR also \
                  unix:PATH,mode=0660,owner=USER:GROUP.\n\
                  Every option has an environment variable: CALMD_CACHE_MEMORY for --cache-memory, \
                  and so on;\na list is separated by commas (listen) or line ends (cache, header, sandbox-read)."
)]
struct Cli {
    #[command(subcommand)]
    get: Option<Subcommands>,
    /// The directory to serve
    #[arg(value_name = "DIR", default_value = "public", env = "CALMD_DIR")]
    dir: PathBuf,
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    site: SiteArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    rights: RightArgs,
    #[command(flatten)]
    http2: Http2Args,
    #[command(flatten)]
    http1: Http1Args,
    #[command(flatten)]
    bounds: BoundArgs,
    /// Print help: -h the essentials, --help everything
    #[arg(short, long, action = ArgAction::Help, help_heading = "Help")]
    help: (),
    /// Print version
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = "Help")]
    version: (),
}

#[derive(Subcommand, Debug)]
enum Subcommands {
    Get(get::GetArgs),
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Listening")]
struct ListenArgs {
    /// Cleartext address, HOST:PORT, :PORT, PORT or unix:PATH [default: :8080]
    #[arg(short = 'p', long, value_name = "ADDR", env = "CALMD_LISTEN",
          value_parser = value::addresses)]
    listen: Vec<Addresses>,
    /// TLS address; naming any address replaces both defaults [default: :8443]
    #[arg(long, value_name = "ADDR", env = "CALMD_LISTEN_TLS",
          value_parser = value::addresses)]
    listen_tls: Vec<Addresses>,
    /// Certificate chain, PEM [default: self-signed for localhost]
    #[arg(long, value_name = "FILE", env = "CALMD_CERT")]
    cert: Option<PathBuf>,
    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE", env = "CALMD_KEY")]
    key: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Site")]
struct SiteArgs {
    /// List directories that have no index.html
    #[arg(long, env = "CALMD_LISTING", value_parser = BoolishValueParser::new())]
    listing: bool,
    /// Answer paths that do not exist with /index.html
    #[arg(long, env = "CALMD_SPA", value_parser = BoolishValueParser::new())]
    spa: bool,
    /// Mount /echo, /json and /html
    #[arg(long, env = "CALMD_DEMO", value_parser = BoolishValueParser::new())]
    demo: bool,
    /// Cache-Control by pattern, as 'assets/**=1y,immutable'
    #[arg(long, value_name = "PATTERN=VALUE", env = "CALMD_CACHE", value_delimiter = '\n',
          value_parser = value::cache_rule)]
    cache: Vec<CacheRule>,
    /// Field added to every response; repeatable
    #[arg(long, value_name = "NAME: VALUE", env = "CALMD_HEADER", value_delimiter = '\n',
          value_parser = value::header)]
    header: Vec<(String, String)>,
    /// Media type of an extension, as 'log=text/plain'; repeatable
    #[arg(long = "type", id = "type", value_name = "EXT=TYPE", env = "CALMD_TYPE", value_delimiter = '\n',
          value_parser = value::type_rule)]
    types: Vec<TypeRule>,
    /// Character set of text that does not name its own, or none
    #[arg(long, value_name = "NAME", env = "CALMD_CHARSET", default_value = "utf-8",
          value_parser = value::charset)]
    charset: Charset,
    /// Files with a strong entity tag: auto (up to 1M, and what was sent whole) or content (all)
    #[arg(long, value_name = "auto|content", env = "CALMD_ETAG", default_value = "auto",
          value_parser = value::entity_tags)]
    etag: EntityTags,
    /// Memory for hot files; 0 keeps none
    #[arg(long, value_name = "SIZE", env = "CALMD_CACHE_MEMORY", default_value = "1M",
          value_parser = value::size)]
    cache_memory: u64,
    /// Largest request body that a handler takes
    #[arg(long, value_name = "SIZE", env = "CALMD_MAX_REQUEST_BODY", default_value = "1G",
          value_parser = value::size)]
    max_request_body: u64,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Logs")]
struct LogArgs {
    /// Log requests to FILE, or - for standard output
    #[arg(long, value_name = "FILE", env = "CALMD_ACCESS_LOG")]
    access_log: Option<PathBuf>,
    /// Form of its lines: combined or json
    #[arg(long, value_name = "FORMAT", env = "CALMD_LOG_FORMAT", default_value = "combined",
          value_parser = value::log_format)]
    log_format: LogFormat,
    /// Messages: off, error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL", env = "CALMD_LOG_LEVEL", default_value = "info",
          value_parser = value::log_level)]
    log_level: log::LevelFilter,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Rights")]
struct RightArgs {
    /// User to become after listening; needs root at the start
    #[arg(long, value_name = "NAME[:GROUP]", env = "CALMD_USER", value_parser = User::find)]
    user: Option<User>,
    /// Give up all rights that serving does not take: on or off
    #[arg(long, value_name = "on|off", env = "CALMD_SANDBOX", default_value = "on",
          value_parser = value::on_or_off, action = ArgAction::Set)]
    sandbox: bool,
    /// Directory that stays readable in the sandbox: where deployments put what DIR will lead to;
    /// repeatable
    #[arg(
        long,
        value_name = "DIR",
        env = "CALMD_SANDBOX_READ",
        value_delimiter = '\n'
    )]
    sandbox_read: Vec<PathBuf>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "HTTP/2")]
struct Http2Args {
    /// Requests at a time on one connection
    #[arg(long, value_name = "N", env = "CALMD_MAX_CONCURRENT_STREAMS", default_value = "100",
          value_parser = clap::value_parser!(u32).range(1..=65_535))]
    max_concurrent_streams: u32,
    /// What an upload may send ahead
    #[arg(long, value_name = "SIZE", env = "CALMD_INITIAL_WINDOW_SIZE", default_value = "256K",
          value_parser = value::window_size)]
    initial_window_size: u32,
    /// Largest frame taken, up to 16777215
    #[arg(long, value_name = "SIZE", env = "CALMD_MAX_FRAME_SIZE", default_value = "16K",
          value_parser = value::frame_size)]
    max_frame_size: u32,
    /// Compression memory for requests, up to 64K
    #[arg(long, value_name = "SIZE", env = "CALMD_HEADER_TABLE_SIZE", default_value = "4K",
          value_parser = value::table_size)]
    header_table_size: u32,
    /// Largest header section, up to 64K (HTTP/1.1 too)
    #[arg(long, value_name = "SIZE", env = "CALMD_MAX_HEADER_LIST_SIZE", default_value = "16K",
          value_parser = value::header_list_size)]
    max_header_list_size: u32,
    /// Accept 'Upgrade: h2c'. Risky behind a proxy: if it lets the upgrade pass, clients can
    /// smuggle requests past its rules
    #[arg(long, env = "CALMD_H2C_UPGRADE", value_parser = BoolishValueParser::new())]
    h2c_upgrade: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "HTTP/1.1")]
struct Http1Args {
    /// Silence that ends a connection
    #[arg(long, value_name = "TIME", env = "CALMD_KEEP_ALIVE_TIMEOUT", default_value = "75s",
          value_parser = value::timeout)]
    keep_alive_timeout: Duration,
    /// Requests that end a connection
    #[arg(long, value_name = "N", env = "CALMD_KEEP_ALIVE_REQUESTS", default_value = "1000",
          value_parser = clap::value_parser!(u32).range(1..))]
    keep_alive_requests: u32,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Bounds")]
struct BoundArgs {
    /// Connections at a time; idle ones go first for others
    #[arg(long, value_name = "N", env = "CALMD_MAX_CONNECTIONS", default_value = "20000",
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    max_connections: u32,
    /// Of them, from one other machine; 0 is any number
    #[arg(long, value_name = "N", env = "CALMD_MAX_PER_ADDRESS",
          default_value = "1000", value_parser = clap::value_parser!(u32).range(..=10_000_000))]
    max_per_address: u32,
    /// Memory of all connections; near it, idle ones go first
    #[arg(long, value_name = "SIZE", env = "CALMD_MEMORY_LIMIT", default_value = "128M",
          value_parser = value::memory_limit)]
    memory_limit: u64,
    /// An HTTP/2 connection without requests
    #[arg(long, value_name = "TIME", env = "CALMD_IDLE_TIMEOUT", default_value = "3m",
          value_parser = value::timeout)]
    idle_timeout: Duration,
    /// From accepting to the end of the TLS handshake
    #[arg(long, value_name = "TIME", env = "CALMD_HANDSHAKE_TIMEOUT", default_value = "10s",
          value_parser = value::timeout)]
    handshake_timeout: Duration,
    /// From there to the first request
    #[arg(long, value_name = "TIME", env = "CALMD_PREFACE_TIMEOUT", default_value = "10s",
          value_parser = value::timeout)]
    preface_timeout: Duration,
    /// From the first byte of a header section to its last
    #[arg(long, value_name = "TIME", env = "CALMD_HEADER_TIMEOUT", default_value = "10s",
          value_parser = value::timeout)]
    header_timeout: Duration,
    /// A client that takes or sends too little, while others need its room
    #[arg(long, value_name = "TIME", env = "CALMD_STALL_TIMEOUT", default_value = "20s",
          value_parser = value::timeout)]
    stall_timeout: Duration,
    /// The same while there is room for everybody
    #[arg(long, value_name = "TIME", env = "CALMD_SLOW_TIMEOUT", default_value = "5m",
          value_parser = value::timeout)]
    slow_timeout: Duration,
    /// What open responses are given after SIGTERM
    #[arg(long, value_name = "TIME", env = "CALMD_DRAIN_TIMEOUT", default_value = "30s",
          value_parser = value::duration)]
    drain_timeout: Duration,
}

/// What the program was started for, or the exit code of a program that ends here: after `--help` or
/// `--version`, or because an option is wrong.
pub fn parse() -> Result<Command, u8> {
    let args: Vec<OsString> = std::env::args_os().collect();
    parse_from(args.iter().cloned()).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed pipe is no reason to fail, a full disk is.
            match error.print() {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    let line = format!("calmd: cannot write to standard output: {error}\n");
                    standard_error::write_last(&line);
                    1
                }
                _ => 0,
            }
        }
        _ => {
            let line = format!("calmd: {}\n", mistake::explain(&error, &args));
            standard_error::write_last(&line);
            2
        }
    })
}

/// What these arguments, the program's name first, and the environment ask for.
pub fn parse_from<I, T>(args: I) -> Result<Command, clap::Error>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString>,
{
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let brief = args.iter().any(|arg| arg == "-h");
    let command = Cli::command().mut_args(|arg| {
        let hidden = brief && FOR_LONG_HELP_ONLY.contains(&arg.get_id().as_str());
        // A variable that is empty is one that is not set, as files of settings for services have it.
        let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
        let arg = match arg.get_env().is_some_and(is_empty) {
            true => arg.env(None::<&str>),
            false => arg,
        };
        arg.hide(hidden).hide_env(true)
    });
    let cli = Cli::from_arg_matches(&command.try_get_matches_from(args)?)?;
    Ok(match cli.get {
        Some(Subcommands::Get(args)) => Command::Get(Box::new(args.translate())),
        None => Command::Serve(Box::new(cli.translate()?)),
    })
}

/// Variables of the environment that look like ours and are none, one line each.
pub fn misspelt_variables() -> Vec<String> {
    let variables: Vec<OsString> = std::env::vars_os().map(|(name, _)| name).collect();
    mistake::misspelt_variables(variables.iter().map(OsString::as_os_str), &Cli::command())
}

impl Cli {
    fn translate(self) -> Result<Config, clap::Error> {
        let mut config = Config::default();
        self.listen.translate(&mut config)?;
        self.http2.translate(&mut config.server.http2);
        config.host.site.root = self.dir;
        config.host.site.listing = self.site.listing;
        config.host.site.spa = self.site.spa;
        config.host.site.demo = self.site.demo;
        config.host.site.cache = self.site.cache;
        config.host.site.headers = self.site.header;
        config.host.site.types = self.site.types;
        config.host.site.charset = self.site.charset;
        config.host.site.entity_tags = self.site.etag;
        config.host.site.cache_memory =
            usize::try_from(self.site.cache_memory).unwrap_or(usize::MAX);
        config.access_log = self.log.access_log.map(|path| AccessLogConfig {
            file: (path.as_os_str() != "-").then_some(path),
            format: self.log.log_format,
        });
        config.log_level = self.log.log_level;
        config.user = self.rights.user;
        config.sandbox = self.rights.sandbox;
        config.sandbox_read = self.rights.sandbox_read;
        let server = &mut config.server;
        server.http1.keep_alive_timeout = self.http1.keep_alive_timeout;
        server.http1.keep_alive_requests = self.http1.keep_alive_requests;
        server.limits.max_connections =
            usize::try_from(self.bounds.max_connections).unwrap_or(usize::MAX);
        server.limits.connections_per_address = self.bounds.max_per_address;
        server.limits.memory_bytes =
            usize::try_from(self.bounds.memory_limit).unwrap_or(usize::MAX);
        server.limits.request_body_bytes = self.site.max_request_body;
        server.timeouts.handshake = self.bounds.handshake_timeout;
        server.timeouts.preface = self.bounds.preface_timeout;
        server.timeouts.header = self.bounds.header_timeout;
        server.timeouts.idle = self.bounds.idle_timeout;
        server.timeouts.stall = self.bounds.stall_timeout;
        server.timeouts.slow = self.bounds.slow_timeout;
        server.timeouts.drain = self.bounds.drain_timeout;
        Ok(config)
    }
}

impl ListenArgs {
    fn translate(self, config: &mut Config) -> Result<(), clap::Error> {
        let flatten = |named: Vec<Addresses>| -> Vec<ListenAddress> {
            named.into_iter().flat_map(|Addresses(a)| a).collect()
        };
        if !(self.listen.is_empty() && self.listen_tls.is_empty()) {
            config.listen = flatten(self.listen);
            config.listen_tls = flatten(self.listen_tls);
        }
        let incomplete =
            |message: &str| Err(Cli::command().error(ErrorKind::MissingRequiredArgument, message));
        config.host.certificate = match (self.cert, self.key) {
            (Some(chain), Some(key)) => Certificate::Files { chain, key },
            (None, None) => {
                let directory = state_directory(|name| std::env::var_os(name));
                config.host.certificate = Certificate::SelfSigned { directory };
                return Ok(());
            }
            (Some(_), None) => return incomplete("'--cert' needs its private key, add --key FILE"),
            (None, Some(_)) => return incomplete("'--key' needs its certificate, add --cert FILE"),
        };
        if config.listen_tls.is_empty() {
            return incomplete("'--cert' and '--key' need a TLS address, add --listen-tls ADDR");
        }
        Ok(())
    }
}

impl Http2Args {
    fn translate(self, http2: &mut h2::Config) {
        http2.max_concurrent_streams = self.max_concurrent_streams;
        http2.initial_window_size = self.initial_window_size;
        http2.max_frame_size = self.max_frame_size;
        http2.header_table_size = self.header_table_size;
        http2.max_header_list_size = self.max_header_list_size;
        http2.h2c_upgrade = self.h2c_upgrade;
    }
}

#[cfg(test)]
mod tests;
