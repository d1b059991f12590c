//! Counts of uploads, for metrics.

use std::cell::Cell;

use crate::telemetry::metrics::Exposition;
use crate::telemetry::metrics::exposition::FamilyKind;

/// Statuses of refusals that are counted by themselves.
const STATUSES: [(u16, &str); 8] = [
    (400, "400"),
    (403, "403"),
    (409, "409"),
    (412, "412"),
    (413, "413"),
    (415, "415"),
    (503, "503"),
    (507, "507"),
];

/// Counts of all uploads since the start.
#[derive(Debug, Default)]
pub struct UploadCounts {
    files: Cell<u64>,
    bytes: Cell<u64>,
    abandoned: Cell<u64>,
    /// Refusals by [`STATUSES`], and others behind them.
    refused: [Cell<u64>; STATUSES.len() + 1],
}

impl UploadCounts {
    /// Counts a file that was stored.
    pub(super) fn add_stored(&self, len: u64) {
        self.files.set(self.files.get() + 1);
        self.bytes.set(self.bytes.get() + len);
    }

    /// Counts a request that was refused.
    pub(super) fn add_refused(&self, status: u16) {
        let place = STATUSES.iter().position(|(known, _)| *known == status);
        let count = place.and_then(|place| self.refused.get(place));
        if let Some(count) = count.or(self.refused.last()) {
            count.set(count.get() + 1);
        }
    }

    /// Counts a request whose client has gone before its end.
    pub(super) fn add_abandoned(&self) {
        self.abandoned.set(self.abandoned.get() + 1);
    }

    /// Writes all counts.
    pub fn write_metrics(&self, text: &mut Exposition) {
        let counter = FamilyKind::Counter;
        text.single(
            counter,
            "calmd_upload_files",
            "Files that were uploaded and stored.",
            self.files.get(),
        );
        text.single(
            counter,
            "calmd_upload_bytes",
            "Bytes of files that were uploaded and stored.",
            self.bytes.get(),
        );
        text.family(
            counter,
            "calmd_upload_failures",
            "Uploads that were not stored, by the status of the answer, or gone with their client.",
        );
        let statuses = STATUSES.map(|(_, status)| status);
        for (status, count) in statuses.into_iter().chain(["other"]).zip(&self.refused) {
            text.add(&[("reason", status)], count.get());
        }
        text.add(&[("reason", "gone")], self.abandoned.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::TextFormat;

    #[test]
    fn uploads_are_counted_by_their_outcome() {
        let counts = UploadCounts::default();
        counts.add_stored(5);
        counts.add_stored(6);
        counts.add_refused(413);
        counts.add_refused(500);
        counts.add_abandoned();
        let mut text = Exposition::new(TextFormat::Prometheus);
        counts.write_metrics(&mut text);
        let text = text.finish();
        for line in [
            "calmd_upload_files_total 2",
            "calmd_upload_bytes_total 11",
            "calmd_upload_failures_total{reason=\"413\"} 1",
            "calmd_upload_failures_total{reason=\"507\"} 0",
            "calmd_upload_failures_total{reason=\"other\"} 1",
            "calmd_upload_failures_total{reason=\"gone\"} 1",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}: {text}");
        }
    }
}
