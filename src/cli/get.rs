//! `calmd get`: its options, and their translation into [`GetOptions`].

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, ArgMatches, Args, FromArgMatches};

use crate::client::url::Url;
use crate::client::{Data, GetOptions, Load};
use crate::config::settings::value::timeout;
use crate::http::{is_token, parse_field};

/// Streams at a time for `-n` without `-m`.
const STREAMS: u16 = 10;

/// clap's definition of the subcommand.
pub(super) fn definitions() -> clap::Command {
    GetArgs::augment_args(clap::Command::new("get"))
}

/// The client's options of a command line that these definitions fit.
pub(super) fn options(matches: &ArgMatches) -> Result<GetOptions, clap::Error> {
    Ok(GetArgs::from_arg_matches(matches)?.translate())
}

/// Fetch URLs over HTTP/2, as a client.
#[derive(Args, Debug)]
#[command(
    disable_help_flag = true,
    override_usage = "calmd get [OPTIONS] URL...",
    after_help = "https:// takes HTTP/2 by ALPN, http:// by prior knowledge; nothing else is spoken.\n\
                  URLs are fetched one after another, those of one origin over one connection. \
                  TIME is 500ms, 30s, 2m, 1h.\n\
                  Exit codes: 0 fetched, 1 failed (with --fail also for a status of 400 and above), \
                  2 a wrong option.\n\
                  To serve a directory that is called 'get', write ./get."
)]
struct GetArgs {
    /// URLs to fetch
    #[arg(value_name = "URL", required = true, value_parser = Url::parse)]
    urls: Vec<Url>,
    /// Send HEAD and show the fields of the response
    #[arg(short = 'I', long, conflicts_with = "data", help_heading = "Request")]
    head: bool,
    /// Send FILE as content, by POST; - is standard input
    #[arg(short, long, value_name = "FILE", help_heading = "Request")]
    data: Option<PathBuf>,
    /// Add a field, or replace one of ours; without a value, take it away. Repeatable
    #[arg(short = 'H', long, value_name = "NAME:VALUE", value_parser = request_field,
          help_heading = "Request")]
    header: Vec<(String, String)>,
    /// Another method
    #[arg(short = 'X', long, value_name = "METHOD", conflicts_with = "head",
          value_parser = method, help_heading = "Request")]
    request: Option<String>,
    /// Redirects to follow for one URL; 0 takes the first as the answer
    #[arg(long, value_name = "N", default_value = "10", help_heading = "Request")]
    max_redirects: u32,
    /// Short for --max-redirects 0
    #[arg(long, conflicts_with = "max_redirects", help_heading = "Request")]
    no_redirect: bool,
    /// Take pushed responses and tell of them; without it they are refused
    #[arg(long, help_heading = "Request")]
    push: bool,
    /// Follow redirects, which is done anyway; for hands that are used to curl
    #[arg(short = 'L', long, hide = true)]
    location: bool,

    /// Write content to FILE instead of standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Show every frame, in and out, on standard error
    #[arg(short, long, help_heading = "Output")]
    verbose: bool,
    /// Write every frame to FILE as events of qlog, without secrets and content
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    qlog: Option<PathBuf>,
    /// Show the fields of responses too, informational ones and trailers among them
    #[arg(short, long, help_heading = "Output")]
    include: bool,
    /// Fail with exit code 1, and without output, if the status is 400 or above
    #[arg(short, long, help_heading = "Output")]
    fail: bool,
    /// Neither progress nor notes
    #[arg(short, long, help_heading = "Output")]
    silent: bool,

    /// Send the request COUNT times over one connection, and print a summary
    #[arg(short = 'n', value_name = "COUNT", conflicts_with_all = ["output", "include"],
          value_parser = clap::value_parser!(u64).range(1..), help_heading = "Load")]
    count: Option<u64>,
    /// Requests at a time [default: 10]
    #[arg(short = 'm', value_name = "STREAMS", requires = "count",
          value_parser = clap::value_parser!(u16).range(1..), help_heading = "Load")]
    streams: Option<u16>,

    /// Do not check the server's certificate
    #[arg(
        short = 'k',
        long,
        conflicts_with = "cacert",
        help_heading = "Connection"
    )]
    insecure: bool,
    /// Trust these certificates too, PEM
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    cacert: Option<PathBuf>,
    /// To connect, TLS included
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = timeout,
          help_heading = "Connection")]
    connect_timeout: Duration,
    /// For everything
    #[arg(long, value_name = "TIME", value_parser = timeout, help_heading = "Connection")]
    max_time: Option<Duration>,

    /// Print help
    #[arg(short, long, action = ArgAction::Help, help_heading = "Help")]
    help: (),
}

impl GetArgs {
    fn translate(self) -> GetOptions {
        let data = self.data.map(|path| {
            if path.as_os_str() == "-" {
                Data::Stdin
            } else {
                Data::File(path)
            }
        });
        let load = self.count.map(|count| Load {
            count,
            streams: self.streams.unwrap_or(STREAMS).into(),
        });
        GetOptions {
            urls: self.urls,
            method: self.request,
            head: self.head,
            data,
            fields: self.header,
            include: self.include,
            output: self.output,
            verbose: self.verbose,
            qlog: self.qlog,
            // RFC 9850 §1: the variable that browsers and curl read.
            key_log: std::env::var_os("SSLKEYLOGFILE")
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
            silent: self.silent,
            fail: self.fail,
            push: self.push,
            max_redirects: if self.no_redirect {
                0
            } else {
                self.max_redirects
            },
            load,
            insecure: self.insecure,
            cacert: self.cacert,
            connect_timeout: self.connect_timeout,
            max_time: self.max_time,
        }
    }
}

/// Fields that HTTP/2 has other means for (RFC 9113 §8.2.2).
const NOT_IN_HTTP2: [&str; 5] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// `NAME:VALUE` of a request.
fn request_field(text: &str) -> Result<(String, String), String> {
    let (name, value) = parse_field(text)?;
    if NOT_IN_HTTP2.contains(&name.as_str()) {
        return Err(format!("HTTP/2 has no '{name}'; leave it out"));
    }
    Ok((name, value))
}

/// A method (RFC 9110 §9.1), which is written as it is: methods are case-sensitive.
fn method(text: &str) -> Result<String, String> {
    match text {
        "CONNECT" => Err("calmd get makes no tunnels".into()),
        _ if !is_token(text.as_bytes()) => {
            Err("a method has letters and hyphens, such as PUT".into())
        }
        _ => Ok(text.to_owned()),
    }
}
