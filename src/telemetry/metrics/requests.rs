//! Requests that have ended, counted by host, protocol, method and status, and their durations.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::exposition::{Exposition, FamilyKind};
use super::histogram::Histogram;
use crate::http::Method;

/// Upper bounds of the durations of requests, in microseconds: from a small file in memory to a long
/// download.
const DURATIONS: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 10_000_000, 60_000_000,
];

/// Classes of statuses: 1xx to 5xx, and none.
#[cfg(feature = "panel")]
pub const STATUS_CLASSES: usize = 6;

/// Durations of requests, of which there are none yet.
#[cfg(feature = "panel")]
pub fn new_durations() -> Histogram {
    Histogram::new(DURATIONS)
}

/// A protocol that requests come by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum HttpVersion {
    /// HTTP/1.1 and HTTP/1.0, and what was no request.
    #[default]
    H1,
    /// HTTP/2
    H2,
}

impl HttpVersion {
    /// Both, in the order of their names.
    pub const ALL: [HttpVersion; 2] = [HttpVersion::H1, HttpVersion::H2];

    /// The value of the label.
    pub fn name(self) -> &'static str {
        match self {
            HttpVersion::H1 => "h1",
            HttpVersion::H2 => "h2",
        }
    }

    /// The protocol of a version as the access log has it.
    pub fn of_version(version: &str) -> HttpVersion {
        match version {
            "HTTP/2.0" => HttpVersion::H2,
            _ => HttpVersion::H1,
        }
    }
}

/// The value of the label for a method: those that the server answers have their own.
fn method_name(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Options => "OPTIONS",
        Method::Connect => "CONNECT",
        Method::Other | Method::Unknown => "other",
    }
}

/// The value of the label for a status: its class.
fn status_class(status: u16) -> &'static str {
    match status {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500..600 => "5xx",
        // It was given up before its response began.
        _ => "none",
    }
}

/// The part of a request's labels that is known when it arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestClass {
    /// The host, by its number in the configuration.
    pub host: u16,
    /// The protocol.
    pub protocol: HttpVersion,
    method: &'static str,
}

impl RequestClass {
    /// The class of a request to the host of this number.
    pub fn new(host: u16, version: &str, method: &[u8]) -> Self {
        RequestClass {
            host,
            protocol: HttpVersion::of_version(version),
            method: method_name(Method::from_bytes(method)),
        }
    }
}

/// A request that has ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct EndedRequest {
    /// Its labels.
    pub class: RequestClass,
    /// The status of its response, or 0.
    pub status: u16,
    /// Bytes of its own content.
    pub received: u64,
    /// Bytes of the response's content.
    pub sent: u64,
    /// Time to the first byte of the response.
    pub first_byte: Duration,
    /// Time to the last byte of the response.
    pub elapsed: Duration,
}

/// Counts of requests of one protocol.
#[derive(Clone, Debug)]
struct ProtocolCounts {
    durations: Histogram,
    first_bytes: Histogram,
    received: u64,
    sent: u64,
}

/// Hosts whose series are there before their first request. Each has six, and thousands of hosts would make
/// the text long for nothing.
const MOST_BEGUN: usize = 50;

/// Counts of all requests that have ended.
#[derive(Debug)]
pub struct RequestCounts {
    /// Names of the hosts, by their numbers.
    hosts: Vec<String>,
    /// By class and status class. Its size is bounded by the hosts and by the labels' lists, so it soon
    /// grows no more.
    requests: BTreeMap<(RequestClass, &'static str), u64>,
    protocols: [ProtocolCounts; 2],
}

impl RequestCounts {
    /// No request to these hosts, whose names differ.
    pub fn new(hosts: Vec<String>) -> Self {
        let counts = ProtocolCounts {
            durations: Histogram::new(DURATIONS),
            first_bytes: Histogram::new(DURATIONS),
            received: 0,
            sent: 0,
        };
        let mut new = RequestCounts {
            hosts: Vec::new(),
            requests: BTreeMap::new(),
            protocols: [counts.clone(), counts],
        };
        new.follow_hosts(hosts);
        new
    }

    /// The numbers of these hosts from now on, whose names differ. A host keeps the number that its name had, and
    /// the counts of those that are gone stay.
    pub fn follow_hosts(&mut self, names: Vec<String>) -> Vec<u16> {
        let known: HashMap<String, usize> = self.hosts.iter().cloned().zip(0..).collect();
        let number = |name: String| {
            let at = known.get(&name).copied().unwrap_or_else(|| {
                self.hosts.push(name);
                self.begin(self.hosts.len() - 1);
                self.hosts.len() - 1
            });
            u16::try_from(at).unwrap_or(u16::MAX)
        };
        names.into_iter().map(number).collect()
    }

    /// Begins the series of a host with zeros, because a rate over a series that appears with its first count
    /// would miss that count.
    fn begin(&mut self, host: usize) {
        if host >= MOST_BEGUN {
            return;
        }
        for version in ["HTTP/1.1", "HTTP/2.0"] {
            let class = RequestClass::new(host as u16, version, b"GET");
            for status in [200, 404, 500] {
                self.requests.insert((class, status_class(status)), 0);
            }
        }
    }

    /// Counts a request.
    pub fn add(&mut self, ended: &EndedRequest) {
        let key = (ended.class, status_class(ended.status));
        *self.requests.entry(key).or_default() += 1;
        let [h1, h2] = &mut self.protocols;
        let counts = match ended.class.protocol {
            HttpVersion::H1 => h1,
            HttpVersion::H2 => h2,
        };
        counts.durations.add(ended.elapsed);
        if ended.status > 0 {
            counts.first_bytes.add(ended.first_byte);
        }
        counts.received += ended.received;
        counts.sent += ended.sent;
    }

    /// The durations of all requests.
    #[cfg(feature = "panel")]
    pub fn durations(&self) -> Histogram {
        let mut all = new_durations();
        for counts in &self.protocols {
            all.merge(&counts.durations);
        }
        all
    }

    /// Writes all counts.
    pub fn write(&self, text: &mut Exposition) {
        text.family(
            FamilyKind::Counter,
            "calmd_http_requests",
            "Requests that have ended, by class of status; none is a request that was given up before its response began.",
        );
        for ((class, status), count) in &self.requests {
            let host = self.hosts.get(usize::from(class.host));
            let labels = [
                ("host", host.map_or("", String::as_str)),
                ("protocol", class.protocol.name()),
                ("method", class.method),
                ("status", *status),
            ];
            text.add(&labels, *count);
        }
        text.family(
            FamilyKind::Histogram,
            "calmd_http_request_duration_seconds",
            "Time from the arrival of a request to the last byte of its response in the kernel.",
        );
        for (protocol, counts) in self.protocols() {
            text.histogram(&[("protocol", protocol)], &counts.durations);
        }
        text.family(
            FamilyKind::Histogram,
            "calmd_http_first_byte_seconds",
            "Time from the arrival of a request to the first byte of its response.",
        );
        for (protocol, counts) in self.protocols() {
            text.histogram(&[("protocol", protocol)], &counts.first_bytes);
        }
        text.family(
            FamilyKind::Counter,
            "calmd_http_request_content_bytes",
            "Bytes of content of requests that have ended.",
        );
        for (protocol, counts) in self.protocols() {
            text.add(&[("protocol", protocol)], counts.received);
        }
        text.family(
            FamilyKind::Counter,
            "calmd_http_response_content_bytes",
            "Bytes of content of their responses.",
        );
        for (protocol, counts) in self.protocols() {
            text.add(&[("protocol", protocol)], counts.sent);
        }
    }

    fn protocols(&self) -> impl Iterator<Item = (&'static str, &ProtocolCounts)> {
        let names = HttpVersion::ALL.map(HttpVersion::name);
        names.into_iter().zip(&self.protocols)
    }
}

#[cfg(test)]
mod tests {
    use super::super::TextFormat;
    use super::*;

    #[test]
    fn whatever_peers_send_the_labels_are_those_of_a_list() {
        let mut counts = RequestCounts::new(vec!["a.example".into(), "b.example".into()]);
        for method in ["GET", "GET", "POST", "QUERY", "get", "\"}\n", ""] {
            counts.add(&EndedRequest {
                class: RequestClass::new(1, "HTTP/2.0", method.as_bytes()),
                status: 200,
                received: 3,
                sent: 5,
                first_byte: Duration::from_micros(50),
                elapsed: Duration::from_millis(2),
            });
        }
        for status in [0, 204, 404, 999] {
            counts.add(&EndedRequest {
                status,
                ..EndedRequest::default()
            });
        }
        let mut text = Exposition::new(TextFormat::Prometheus);
        counts.write(&mut text);
        let text = text.finish();
        for line in [
            r#"calmd_http_requests_total{host="b.example",protocol="h2",method="GET",status="2xx"} 2"#,
            r#"calmd_http_requests_total{host="b.example",protocol="h2",method="POST",status="2xx"} 1"#,
            r#"calmd_http_requests_total{host="b.example",protocol="h2",method="other",status="2xx"} 4"#,
            r#"calmd_http_requests_total{host="a.example",protocol="h2",method="GET",status="2xx"} 0"#,
            r#"calmd_http_request_duration_seconds_bucket{protocol="h2",le="0.001"} 0"#,
            r#"calmd_http_request_duration_seconds_bucket{protocol="h2",le="0.0025"} 7"#,
            r#"calmd_http_first_byte_seconds_bucket{protocol="h2",le="0.0001"} 7"#,
            r#"calmd_http_first_byte_seconds_count{protocol="h1"} 3"#,
            r#"calmd_http_request_duration_seconds_count{protocol="h1"} 4"#,
            r#"calmd_http_request_content_bytes_total{protocol="h2"} 21"#,
            r#"calmd_http_response_content_bytes_total{protocol="h2"} 35"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }
}
