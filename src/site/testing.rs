//! Helpers of the site's tests.

use std::time::{Duration, Instant};

use super::Site;
use super::config::Config;
use crate::content::{Body, Progress};
use crate::exchange::{Request, Response};
use crate::http::Fields;
use crate::world::Peer;
use crate::world::memory_files::MemoryFiles;

/// A site in memory, with a clock that tests advance.
pub(crate) struct TestSite {
    pub(crate) site: Site<MemoryFiles>,
    pub(crate) files: MemoryFiles,
    pub(crate) now: Instant,
}

/// A response whose content has been read.
#[derive(Debug)]
pub(crate) struct SeenResponse {
    pub(crate) status: u16,
    pub(crate) fields: Fields,
    pub(crate) content: Vec<u8>,
}

impl SeenResponse {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .value(name)
            .map(|value| std::str::from_utf8(value).unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.content).unwrap()
    }
}

impl TestSite {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        Self::with(files, |_| {})
    }

    /// A site of `files`, which were written long ago.
    pub(crate) fn with(files: &[(&str, &str)], configure: impl FnOnce(&mut Config)) -> Self {
        let memory = MemoryFiles::new();
        for (path, content) in files {
            memory.write(path, *content);
        }
        memory.advance(Duration::from_secs(3600));
        let mut config = Config::default();
        configure(&mut config);
        TestSite {
            site: Site::new(memory.clone(), &config).unwrap(),
            files: memory,
            now: Instant::now(),
        }
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.now += by;
        self.files.advance(by);
    }

    /// The response to a request. Its content has not been read.
    pub(crate) fn respond(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
    ) -> Response<MemoryFiles> {
        let request = request(method, target, fields);
        let request = Request::new(&request, Peer::Unix);
        self.site.respond(&request, self.now).to(request.method)
    }

    pub(crate) fn request(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
    ) -> SeenResponse {
        let response = self.respond(method, target, fields);
        let len = response.body.len();
        let content = read(response.body, &mut self.files);
        assert_eq!(len.unwrap_or(content.len() as u64), content.len() as u64);
        let seen = SeenResponse {
            status: response.status,
            fields: Fields::clone(&response.fields),
            content,
        };
        if method != "HEAD" && !matches!(seen.status, 204 | 304) {
            // Content that is made while it is sent has no known length.
            let len = len.map(|len| len.to_string());
            assert_eq!(seen.field("content-length"), len.as_deref());
        }
        assert_eq!(seen.field("x-content-type-options"), Some("nosniff"));
        seen
    }

    pub(crate) fn get(&mut self, target: &str) -> SeenResponse {
        self.request("GET", target, &[])
    }

    pub(crate) fn get_with(&mut self, target: &str, fields: &[(&str, &str)]) -> SeenResponse {
        self.request("GET", target, fields)
    }
}

pub(crate) fn request(method: &str, target: &str, fields: &[(&str, &str)]) -> Fields {
    let pseudo = [
        (":method", method),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", target),
    ];
    pseudo.into_iter().chain(fields.iter().copied()).collect()
}

/// All bytes of a body, read in pieces.
pub(crate) fn read(mut body: Body<MemoryFiles>, files: &mut MemoryFiles) -> Vec<u8> {
    let mut out = Vec::new();
    while body.read(files, &mut out, 1000).unwrap() != Progress::End {}
    out
}
