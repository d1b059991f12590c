//! The numbers of the caches of hot files, for the operator.

use crate::telemetry::metrics::exposition::{Exposition, FamilyKind};

/// Work and content of the caches of one site, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheCensus {
    /// Requests for files that were known and fresh.
    pub hits: u64,
    /// Requests for other files.
    pub misses: u64,
    /// Memory in bytes.
    pub bytes: usize,
    /// Number of files.
    pub entries: usize,
}

impl CacheCensus {
    /// Adds the numbers of another cache.
    pub(crate) fn add(&mut self, other: &CacheCensus) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.bytes += other.bytes;
        self.entries += other.entries;
    }

    /// Writes what the caches hold and did.
    pub(crate) fn write_metrics(&self, text: &mut Exposition) {
        text.family(
            FamilyKind::Counter,
            "calmd_cache_requests",
            "Requests for files, by whether the cache of hot files had them.",
        );
        text.add(&[("result", "hit")], self.hits);
        text.add(&[("result", "miss")], self.misses);
        text.single(
            FamilyKind::Gauge,
            "calmd_cache_bytes",
            "Memory of the cache of hot files.",
            self.bytes,
        );
        text.single(
            FamilyKind::Gauge,
            "calmd_cache_entries",
            "Files in the cache of hot files.",
            self.entries,
        );
    }
}
