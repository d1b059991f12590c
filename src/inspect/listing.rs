//! The list of connections: the first by a column, of those that a filter lets pass.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::Serialize;

use super::json;
use super::summary::ConnectionSummary;
use crate::world::{Peer, PeerSet};

/// The most connections of a list: what a page shows, and 100 KiB of JSON.
const MOST_LISTED: usize = 500;

/// Connections of a list where nothing else is asked for.
const LISTED: usize = 50;

/// The longest filter: the longest name of a host (RFC 1035 §2.3.4).
const LONGEST_FILTER: usize = 255;

/// The columns that a list can be sorted by, with their names in queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// `id`
    Id,
    /// `peer`
    Peer,
    /// `host`
    Host,
    /// `protocol`
    Protocol,
    /// `tls`
    Tls,
    /// `state`
    State,
    /// `age_s`
    Age,
    /// `requests`
    Requests,
    /// `received`
    Received,
    /// `sent`
    Sent,
    /// `memory`
    Memory,
    /// `streams`
    Streams,
    /// `blocked`
    Blocked,
}

impl Column {
    /// All of them, with their names.
    const NAMES: [(&str, Column); 13] = [
        ("id", Column::Id),
        ("peer", Column::Peer),
        ("host", Column::Host),
        ("protocol", Column::Protocol),
        ("tls", Column::Tls),
        ("state", Column::State),
        ("age_s", Column::Age),
        ("requests", Column::Requests),
        ("received", Column::Received),
        ("sent", Column::Sent),
        ("memory", Column::Memory),
        ("streams", Column::Streams),
        ("blocked", Column::Blocked),
    ];

    /// The column of this name.
    pub fn named(name: &str) -> Option<Column> {
        let mut names = Column::NAMES.iter();
        names
            .find(|(own, _)| *own == name)
            .map(|(_, column)| *column)
    }

    fn key(self, line: &ConnectionSummary) -> SortKey {
        match self {
            Column::Id => SortKey::Number(line.id.into()),
            Column::Peer => SortKey::Text(line.peer.clone()),
            Column::Host => SortKey::Text(line.host.clone().unwrap_or_default()),
            Column::Protocol => SortKey::Text(line.protocol.to_owned()),
            Column::Tls => SortKey::Text(line.tls.unwrap_or_default().to_owned()),
            Column::State => SortKey::Text(line.state.to_owned()),
            Column::Age => SortKey::Number((line.age_s * 1e6) as u64),
            Column::Requests => SortKey::Number(line.requests.into()),
            Column::Received => SortKey::Number(line.received),
            Column::Sent => SortKey::Number(line.sent),
            Column::Memory => SortKey::Number(line.memory as u64),
            Column::Streams => SortKey::Number(line.streams as u64),
            Column::Blocked => SortKey::Number(line.blocked as u64),
        }
    }
}

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListOrder {
    /// `asc`: the least first.
    Ascending,
    /// `desc`: the greatest first.
    Descending,
}

/// The value of a column.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SortKey {
    Number(u64),
    Text(String),
}

/// The place of a connection in a list: the least is first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ListPlace {
    Ascending(SortKey, u32),
    Descending(Reverse<SortKey>, u32),
}

/// A connection in a list.
#[derive(Debug)]
struct ListEntry {
    place: ListPlace,
    line: ConnectionSummary,
}

impl PartialEq for ListEntry {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for ListEntry {}

impl PartialOrd for ListEntry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ListEntry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place.cmp(&other.place)
    }
}

/// The connections that a list has.
#[derive(Debug)]
enum Filter {
    /// All.
    All,
    /// Peers of a network, or `unix`.
    Peers(PeerSet),
    /// Those whose peer's address or whose host has this text in it.
    Text(String),
}

/// A list of connections in the making.
#[derive(Debug)]
pub struct ConnectionList {
    column: Column,
    order: ListOrder,
    most: usize,
    filter: Filter,
    /// The slot that is looked at next.
    pub next: u32,
    /// Connections that were looked at.
    seen: usize,
    /// Those of them that the filter let pass.
    total: usize,
    /// The first of these, the last of them on top.
    first: BinaryHeap<ListEntry>,
}

/// The answer.
#[derive(Serialize)]
struct ListedConnections {
    /// All connections.
    connections_open: usize,
    /// Those that the filter lets pass.
    total: usize,
    connections: Vec<ConnectionSummary>,
}

impl ConnectionList {
    /// The list that `query` asks for: `sort` names a column, `order` is `asc` or `desc`, `top` the most
    /// connections, `filter` a network, an address, `unix`, or a part of an address or a host. The error says
    /// what is wrong.
    pub fn parse(query: &str) -> Result<Self, String> {
        let mut listing = ConnectionList {
            column: Column::Memory,
            order: ListOrder::Descending,
            most: LISTED,
            filter: Filter::All,
            next: 0,
            seen: 0,
            total: 0,
            first: BinaryHeap::new(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = value.replace('+', " ");
            let value = percent_encoding::percent_decode_str(&value).decode_utf8_lossy();
            match name {
                "sort" => {
                    listing.column = Column::named(&value)
                        .ok_or_else(|| format!("sort: there is no column {value:?}"))?;
                }
                "order" => {
                    listing.order = match &*value {
                        "asc" => ListOrder::Ascending,
                        "desc" => ListOrder::Descending,
                        _ => return Err("order: it is asc or desc".into()),
                    };
                }
                "top" => {
                    let most: usize = value.parse().map_err(|_| "top: a number is wanted")?;
                    listing.most = most.clamp(1, MOST_LISTED);
                }
                "filter" if value.len() > LONGEST_FILTER => {
                    return Err(format!("filter: more than {LONGEST_FILTER} bytes"));
                }
                "filter" => listing.filter = filter_of(value.trim()),
                _ => return Err(format!("there is no parameter {name:?}")),
            }
        }
        Ok(listing)
    }

    /// True if a connection of this peer and host belongs into the list. It is counted as seen.
    pub fn lets_pass(&mut self, peer: Peer, host: Option<&str>) -> bool {
        self.seen += 1;
        let passes = match &self.filter {
            Filter::All => true,
            Filter::Peers(peers) => peers.contains(peer),
            Filter::Text(text) => {
                peer.to_string().contains(text.as_str())
                    || host.is_some_and(|host| host.to_ascii_lowercase().contains(text.as_str()))
            }
        };
        self.total += usize::from(passes);
        passes
    }

    /// Adds a connection that the filter lets pass.
    pub fn add(&mut self, line: ConnectionSummary) {
        let key = self.column.key(&line);
        let place = match self.order {
            ListOrder::Ascending => ListPlace::Ascending(key, line.id),
            ListOrder::Descending => ListPlace::Descending(Reverse(key), line.id),
        };
        let is_full = self.first.len() >= self.most;
        if is_full && self.first.peek().is_some_and(|last| last.place <= place) {
            return;
        }
        if is_full {
            self.first.pop();
        }
        self.first.push(ListEntry { place, line });
    }

    /// The list as JSON, once all connections were looked at.
    pub fn finish(&mut self) -> String {
        let first = std::mem::take(&mut self.first).into_sorted_vec();
        json(&ListedConnections {
            connections_open: self.seen,
            total: self.total,
            connections: first.into_iter().map(|listed| listed.line).collect(),
        })
    }
}

fn filter_of(text: &str) -> Filter {
    let mut peers = PeerSet::default();
    match text {
        "" => Filter::All,
        _ if peers.add(text).is_ok() => Filter::Peers(peers),
        _ => Filter::Text(text.to_ascii_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: u32, peer: &str, memory: usize) -> ConnectionSummary {
        ConnectionSummary {
            id,
            peer: peer.into(),
            memory,
            protocol: "h2",
            state: "idle",
            ..ConnectionSummary::default()
        }
    }

    fn ids(query: &str, lines: &[ConnectionSummary]) -> (u64, Vec<u64>) {
        let mut listing = ConnectionList::parse(query).unwrap();
        for line in lines {
            let peer = Peer::Ip(line.peer.parse().unwrap());
            if listing.lets_pass(peer, line.host.as_deref()) {
                listing.add(line.clone());
            }
        }
        let value: serde_json::Value = serde_json::from_str(&listing.finish()).unwrap();
        assert_eq!(value["connections_open"], lines.len());
        let connections = value["connections"].as_array().unwrap();
        let ids = connections.iter().map(|it| it["id"].as_u64().unwrap());
        (value["total"].as_u64().unwrap(), ids.collect())
    }

    #[test]
    fn the_first_by_a_column_are_listed_in_order() {
        let lines: Vec<_> = (0..100)
            .map(|id| line(id, "10.0.0.1", (id as usize * 37) % 100))
            .collect();
        let (total, first) = ids("top=3", &lines);
        let memory = |id: &u64| (*id as usize * 37) % 100;
        assert_eq!(total, 100);
        assert_eq!(first.iter().map(memory).collect::<Vec<_>>(), [99, 98, 97]);
        let (_, last) = ids("sort=memory&order=asc&top=2", &lines);
        assert_eq!(last.iter().map(memory).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(ids("sort=id&order=desc&top=2", &lines).1, [99, 98]);
        assert_eq!(ids("sort=state&top=2", &lines).1, [0, 1]);
    }

    #[test]
    fn a_filter_is_a_network_an_address_or_a_part_of_either_name() {
        let mut lines = [
            line(1, "10.0.0.1", 1),
            line(2, "10.0.1.1", 2),
            line(3, "2001:db8::1", 3),
        ];
        lines[2].host = Some("Docs.example".into());
        assert_eq!(ids("filter=10.0.0.0%2F24", &lines).1, [1]);
        assert_eq!(ids("filter=10.0.1.1", &lines).1, [2]);
        assert_eq!(ids("filter=db8", &lines).1, [3]);
        assert_eq!(ids("filter=docs", &lines).1, [3]);
        assert_eq!(ids("filter=nobody", &lines), (0, vec![]));
        assert_eq!(ids("filter=", &lines).1, [3, 2, 1]);
    }

    #[test]
    fn an_unknown_column_order_number_or_parameter_is_an_error() {
        for query in ["sort=colour", "order=up", "top=many", "page=2"] {
            assert!(ConnectionList::parse(query).is_err(), "{query}");
        }
        let long = format!("filter={}", "a".repeat(256));
        assert!(ConnectionList::parse(&long).is_err());
        assert_eq!(
            ConnectionList::parse("top=100000").unwrap().most,
            MOST_LISTED
        );
        assert_eq!(ConnectionList::parse("top=0").unwrap().most, 1);
    }

    #[test]
    fn every_column_is_found_by_its_name_and_is_a_member_of_the_line() {
        let value = serde_json::to_value(line(1, "::1", 1)).unwrap();
        for (name, column) in Column::NAMES {
            assert_eq!(Column::named(name), Some(column));
            assert!(value.get(name).is_some(), "{name}");
        }
    }
}
