//! Reasons for which an upload is not stored, and the problems that they are answered with.

use std::io;

use rustix::io::Errno;

use crate::exchange::Problem;

/// The reason for which a directory takes no more of an upload.
#[derive(Debug)]
pub(super) enum UploadRefusal {
    /// The file would have more bytes than this.
    File(u64),
    /// All files would have more bytes than this.
    Total(u64),
    /// The file system would have fewer free bytes than this.
    Free(u64),
    /// The system refuses it.
    Io(io::Error),
}

impl From<io::Error> for UploadRefusal {
    fn from(error: io::Error) -> Self {
        UploadRefusal::Io(error)
    }
}

impl From<Errno> for UploadRefusal {
    fn from(error: Errno) -> Self {
        UploadRefusal::Io(error.into())
    }
}

impl UploadRefusal {
    /// The answer, with the limit that was met.
    pub(super) fn problem(&self) -> Problem {
        let limited =
            |status, detail: String, limit: u64| Problem::new(status, detail).with("limit", limit);
        match self {
            UploadRefusal::File(limit) => limited(
                413,
                format!("a file has {limit} bytes at most (--upload-limit)"),
                *limit,
            ),
            UploadRefusal::Total(limit) => limited(
                507,
                format!("all files together have {limit} bytes at most (--upload-total)"),
                *limit,
            ),
            UploadRefusal::Free(limit) => limited(
                507,
                format!("uploads leave {limit} bytes of the disk free (--upload-free)"),
                *limit,
            ),
            UploadRefusal::Io(error) => refused_by_system(error),
        }
    }
}

fn refused_by_system(error: &io::Error) -> Problem {
    match Errno::from_io_error(error) {
        Some(Errno::NOSPC | Errno::DQUOT) => Problem::new(507, "there is no room for the file"),
        Some(Errno::FBIG) => Problem::new(413, "the file is too large for the file system"),
        Some(Errno::MFILE | Errno::NFILE) => Problem::new(503, "too many files are open"),
        Some(Errno::STALE) => Problem::new(503, "the directory was replaced"),
        _ => {
            log::warn!("an upload cannot be stored: {error}");
            Problem::new(500, "the file cannot be stored")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_status() {
        let of_system = |error: Errno| UploadRefusal::from(error);
        for (refusal, status) in [
            (UploadRefusal::File(5), 413),
            (UploadRefusal::Total(5), 507),
            (UploadRefusal::Free(5), 507),
            (of_system(Errno::NOSPC), 507),
            (of_system(Errno::DQUOT), 507),
            (of_system(Errno::FBIG), 413),
            (of_system(Errno::MFILE), 503),
            (of_system(Errno::IO), 500),
        ] {
            let problem = refusal.problem();
            assert_eq!(problem.status(), status, "{refusal:?}");
            let (_, content) = problem.parts();
            let text = String::from_utf8(content).unwrap();
            let is_limited = !matches!(refusal, UploadRefusal::Io(_));
            assert_eq!(text.contains("\"limit\": 5"), is_limited, "{text}");
        }
    }
}
