//! The log of TLS secrets (RFC 9850), with which Wireshark and others decrypt what was recorded.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustls::KeyLog;

/// A file of secrets. A reader of it can read and change all that the sessions carry.
pub struct KeyLogLines(Mutex<File>);

impl KeyLogLines {
    /// Opens the file for appending; makes it readable for its owner alone if it is not there.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).open(path)?;
        Ok(KeyLogLines(Mutex::new(file)))
    }
}

impl fmt::Debug for KeyLogLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyLogLines")
    }
}

impl KeyLog for KeyLogLines {
    /// Appends a line in one write, so that several programs can share a file. A line that cannot be written
    /// is lost: no session ends for it.
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex =
            |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = file.write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn secrets_are_appended_to_a_file_that_its_owner_alone_can_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        for secret in [[1; 2], [0xab; 2]] {
            let log = KeyLogLines::open(&path).unwrap();
            log.log("CLIENT_RANDOM", &[0x0f; 3], &secret);
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "CLIENT_RANDOM 0f0f0f 0101\nCLIENT_RANDOM 0f0f0f abab\n"
        );
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
