//! The command line → the configuration → the server → its sandbox, or for `calmd get` the client;
//! exit codes.
//!
//! 0: stopped by the operator, or fetched. 1: could not start, or could not fetch. 2: a wrong option.

use calmd::allocator;
use calmd::cli::{self, Command};
use calmd::client;
use calmd::config::{AccessLogConfig, Config};
use calmd::sandbox;
use calmd::server::Server;
use calmd::tls::Origin;
use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let done = match cli::parse() {
        Ok(Command::Serve(config)) => serve(&config),
        Ok(Command::Get(options)) => match client::run(&options) {
            Err(error) if error.is_unread() => return ExitCode::FAILURE,
            done => done.map_err(Into::into),
        },
        Err(code) => return ExitCode::from(code),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("calmd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(config: &Config) -> Result<(), Box<dyn Error>> {
    allocator::adopt();
    env_logger::Builder::new()
        .filter_level(config.log_level)
        .init();
    for mistake in cli::misspelt_variables() {
        log::warn!("{mistake}");
    }
    let server = Server::open(config)?;
    sandbox::enter(config)?.log();
    announce(&server, config);
    server.run()
}

/// Tells where the server can be reached: on standard output, unless that is the access log's.
fn announce(server: &Server, config: &Config) {
    let mut lines = format!(
        "calmd {} serves {}\n",
        env!("CARGO_PKG_VERSION"),
        config.site.root.display()
    );
    for url in &server.urls {
        lines.push_str(&format!("  {url}\n"));
    }
    match &server.certificate {
        Some(Origin::Made(path)) => lines.push_str(&format!(
            "  made a self-signed certificate for localhost, {}: browsers will warn; \
             --cert and --key take your own\n",
            path.display()
        )),
        Some(Origin::Kept(path)) => {
            lines.push_str(&format!(
                "  with the self-signed certificate {}\n",
                path.display()
            ));
        }
        Some(Origin::Given) | None => {}
    }
    // Nobody reads it: nothing is lost that the operator did not give away.
    let _ = match config.access_log {
        Some(AccessLogConfig { file: None, .. }) => std::io::stderr().write_all(lines.as_bytes()),
        _ => std::io::stdout().write_all(lines.as_bytes()),
    };
}
