//! Fetching: the URLs one after another, each through its redirects, content to the output.

use super::error::Error;
use super::output::Destination;
use super::progress::ProgressLine;
use super::redirect;
use super::request::Fetch;
use super::requests::{Push, Requests, Responses};
use super::style::{Style, printable, size};
use super::upload::Upload;
use super::url::Url;
use super::{Client, GetOptions};
use crate::http::{Fields, status};
use crate::world::World;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Fetches everything that the options name, up to the first failure.
pub fn run<W: World>(client: &mut Client<'_, W>, source: Option<&Upload>) -> Result<(), Error> {
    let options = client.options;
    let mut output = Destination::new(options.output.clone());
    for url in &options.urls {
        fetch(
            client,
            Fetch::new(options, url.clone(), source),
            &mut output,
        )?;
    }
    output.flush()
}

fn fetch<W: World>(
    client: &mut Client<'_, W>,
    mut request: Fetch<'_>,
    output: &mut Destination,
) -> Result<(), Error> {
    let mut redirects = 0;
    loop {
        let page = Page::new(client.options, &request, output, client.world.now());
        let mut requests = Requests::new(&request, 1, 1, page);
        client.perform(&request.url, &mut requests)?;
        let page = requests.into_responses();
        let (status, location) = (page.status, page.location);
        let next = match client.options.max_redirects {
            0 => None,
            _ => redirect::follow(&request, status, location.as_deref())?,
        };
        let Some(next) = next else {
            return if client.options.fail && status >= 400 {
                Err(Error::Status(request.url.clone(), status))
            } else {
                Ok(())
            };
        };
        if redirects == client.options.max_redirects {
            return Err(Error::Redirects(request.url.clone(), redirects));
        }
        redirects += 1;
        if let Some(trace) = &client.trace {
            trace.note(
                client.world.now(),
                &format!("{status}: on to {} {}", next.method, next.url),
            );
        }
        request = next;
    }
}

/// One response on its way to the output.
struct Page<'p> {
    options: &'p GetOptions,
    url: &'p Url,
    output: &'p mut Destination,
    progress: Option<ProgressLine>,
    status: u16,
    location: Option<Vec<u8>>,
    /// Its content is not what was asked for: a redirect's, or with `--fail` an error's.
    discard: bool,
}

impl<'p> Page<'p> {
    fn new(
        options: &'p GetOptions,
        request: &'p Fetch<'_>,
        output: &'p mut Destination,
        now: Instant,
    ) -> Self {
        let quiet = options.silent || options.verbose || output.is_terminal();
        Page {
            options,
            url: &request.url,
            progress: if quiet {
                None
            } else {
                ProgressLine::new(request.source.and_then(Upload::len), now)
            },
            output,
            status: 0,
            location: None,
            discard: false,
        }
    }

    /// The status line and the fields, for `-i` and `-I`.
    fn show(&mut self, fields: &Fields) -> Result<(), Error> {
        if !(self.options.include || self.options.head) {
            return Ok(());
        }
        let style = if self.output.is_terminal() {
            Style::of(&io::stdout())
        } else {
            Style::PLAIN
        };
        let mut text = String::new();
        if let Some(code) = fields.status() {
            text = format!("HTTP/2 {code} {}", status::reason(code));
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        for field in fields.regular() {
            style.field(&mut text, field.name, field.value);
        }
        text.push('\n');
        self.output.write(text.as_bytes())
    }
}

impl Responses for Page<'_> {
    fn informational(&mut self, fields: &Fields) -> Result<(), Error> {
        self.show(fields)
    }

    fn head(&mut self, fields: &Fields) -> Result<(), Error> {
        self.status = fields.status().unwrap_or_default();
        self.location = fields.value("location").map(<[u8]>::to_vec);
        let redirects = matches!(self.status, 301 | 302 | 303 | 307 | 308)
            && self.location.is_some()
            && self.options.max_redirects > 0;
        self.discard = redirects || self.options.fail && self.status >= 400;
        if let Some(progress) = &mut self.progress {
            let len = fields.value("content-length");
            let len = len.and_then(|len| std::str::from_utf8(len).ok()?.parse().ok());
            progress.expect(len);
        }
        if !self.discard {
            self.output.open()?;
        }
        self.show(fields)
    }

    fn data(&mut self, data: &[u8], now: Instant) -> Result<(), Error> {
        if self.discard {
            return Ok(());
        }
        self.output.write(data)?;
        if let Some(progress) = &mut self.progress {
            progress.received(data.len(), now);
        }
        Ok(())
    }

    fn trailers(&mut self, fields: &Fields) -> Result<(), Error> {
        if self.options.include || self.options.head {
            self.output.write(b"\n")?;
            return self.show(fields);
        }
        // With -v they were shown in their frame.
        if !(self.options.silent || self.options.verbose) {
            self.progress = None;
            self.output.flush()?;
            let mut text = String::new();
            for field in fields.iter() {
                text.push_str("trailer ");
                Style::of(&io::stderr()).field(&mut text, field.name, field.value);
            }
            // Standard error that is gone is no reason to stop.
            let _ = io::stderr().write_all(text.as_bytes());
        }
        Ok(())
    }

    fn uploaded(&mut self, len: usize, now: Instant) {
        if let Some(progress) = &mut self.progress {
            progress.sent(len, now);
        }
    }

    fn finished(&mut self, _latency: Duration) -> Result<(), Error> {
        self.progress = None;
        self.output.flush()
    }

    fn failed(&mut self, error: Error) -> Result<(), Error> {
        self.output.flush()?;
        Err(error)
    }

    fn pushed(&mut self, push: &Push) {
        if !self.options.silent {
            let status = push.status.unwrap_or_default();
            let (path, size) = (&push.path, size(push.bytes as f64));
            let authority = printable(self.url.authority().as_bytes());
            let _ = writeln!(io::stderr(), "pushed {authority}{path}: {status}, {size}");
        }
    }

    fn pause(&mut self) -> Result<(), Error> {
        self.output.flush()
    }
}
