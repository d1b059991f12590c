//! The certificate of the first start: self-signed, for localhost, kept in a directory.
//!
//! The file begins with a line of ours that tells when the certificate expires; PEM allows such a line.
//! A file with that line may be replaced when it has become useless. A file without it was put there by
//! somebody else, and is used unchanged or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use rustix::fs::FlockOperation;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;

use super::file::read_file;
use super::{CertificateOrigin, Pair, TlsError};
use crate::http::date;
use crate::world::os::in_calendar;

/// Validity of a certificate that we make. Browsers accept 398 days at most.
const VALIDITY: Duration = Duration::from_secs(397 * 24 * 3600);

/// A certificate is made anew this long before it expires, because a certificate that is used up to its
/// last day would expire while the server runs.
const RENEWAL: Duration = Duration::from_secs(30 * 24 * 3600);

/// The validity begins this long before the certificate is made, so that a clock that is up to an hour
/// ahead at that moment does no harm.
const CLOCK_SKEW: Duration = Duration::from_secs(3600);

/// File mode of the key: its owner alone may read it.
const KEY_MODE: u32 = 0o600;

/// File mode of a directory that is made for the certificate: its owner alone may enter it (XDG Base
/// Directory Specification).
const DIRECTORY_MODE: u32 = 0o700;

/// The beginning of the first line in a certificate file of ours. The date of its end follows.
const LABEL: &str = "calmd's self-signed certificate for localhost, expires ";

/// The certificate and key in `directory`. They are made now if there are none, or if ours have become
/// useless.
pub(super) fn pair(
    directory: &Path,
    now: SystemTime,
    provider: &CryptoProvider,
) -> Result<(Pair, CertificateOrigin), TlsError> {
    let chain = directory.join("localhost.pem");
    let key = directory.join("localhost.key");
    let _lock = lock(directory).map_err(|reason| write_error(directory, reason))?;
    let complete = chain.exists() && key.exists();
    if complete && !is_useless(&chain, &key, now, provider) {
        // The certificate is ours. Copying may have loosened the mode of its key.
        let _ = fs::set_permissions(&key, Permissions::from_mode(KEY_MODE));
        return Ok((Pair::read(&chain, &key)?, CertificateOrigin::Kept(chain)));
    }
    make(&chain, &key, now)?;
    Ok((Pair::read(&chain, &key)?, CertificateOrigin::Made(chain)))
}

/// Locks the directory, and creates it if it is missing. Two servers that start at once must not end up
/// with the certificate of one and the key of the other.
fn lock(directory: &Path) -> io::Result<File> {
    let mut maker = DirBuilder::new();
    maker
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(directory)?;
    let handle = File::open(directory)?;
    rustix::fs::flock(&handle, FlockOperation::LockExclusive)?;
    Ok(handle)
}

/// True for an empty certificate file, and for a certificate of ours that expires soon, is not valid yet or does
/// not fit its key.
fn is_useless(chain: &Path, key: &Path, now: SystemTime, provider: &CryptoProvider) -> bool {
    let Ok(text) = read_file(chain) else {
        return false;
    };
    if text.is_empty() {
        // The disk was full, or the power failed, while it was written.
        return true;
    }
    let Ok(text) = String::from_utf8(text) else {
        return false;
    };
    let Some(expires) = text
        .strip_prefix(LABEL)
        .and_then(|rest| rest.lines().next())
    else {
        return false;
    };
    // One that expires later than a new one was made while the clock was ahead.
    let lasts = date::parse(expires.as_bytes())
        .is_some_and(|expires| now + RENEWAL < expires && expires <= now + VALIDITY + CLOCK_SKEW);
    let fits = Pair::read(chain, key)
        .is_ok_and(|pair| CertifiedKey::from_der(pair.chain, pair.key, provider).is_ok());
    !(lasts && fits)
}

/// A certificate and key that are kept in memory only.
pub(super) fn in_memory(now: SystemTime) -> Result<Pair, TlsError> {
    let made = Made::new(now)?;
    Pair::parse(
        made.chain.as_bytes(),
        made.key.as_bytes(),
        Path::new("made in memory"),
        Path::new("made in memory"),
    )
}

/// True if a certificate that was made at `made` is so old that it is to be made anew, or not valid yet because
/// the clock was ahead.
pub(super) fn is_worn(made: SystemTime, now: SystemTime) -> bool {
    now + RENEWAL >= made + VALIDITY || now + CLOCK_SKEW < made
}

/// Makes a certificate and key, and puts each file in place as a whole.
fn make(chain: &Path, key: &Path, now: SystemTime) -> Result<(), TlsError> {
    let made = Made::new(now)?;
    // The key is written first. A certificate whose key is missing or wrong is made anew, so the next
    // start mends every interruption.
    write_whole(key, KEY_MODE, made.key.as_bytes())?;
    write_whole(chain, 0o644, made.chain.as_bytes())
}

/// A certificate and key in PEM. The chain begins with the line that marks it as ours.
struct Made {
    chain: String,
    key: String,
}

impl Made {
    fn new(now: SystemTime) -> Result<Made, TlsError> {
        let expires = in_calendar(now + VALIDITY);
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(TlsError::Make)?;
        let certificate = params(now, expires)
            .and_then(|params| params.self_signed(&pair))
            .map_err(TlsError::Make)?;
        Ok(Made {
            chain: format!("{LABEL}{}\n{}", date::format(expires), certificate.pem()),
            key: pair.serialize_pem(),
        })
    }
}

fn params(now: SystemTime, expires: SystemTime) -> Result<CertificateParams, rcgen::Error> {
    let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
    let mut params = CertificateParams::new(names)?;
    let at = |time| date_time_ymd(1970, 1, 1) + Duration::from_secs(date::seconds(time));
    params.not_before = at(now.checked_sub(CLOCK_SKEW).unwrap_or(UNIX_EPOCH));
    params.not_after = at(expires);
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "localhost (calmd)");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

/// Writes a file beside its place and moves it there, so that no reader ever sees half of it. The file
/// has its mode from the moment it exists.
fn write_whole(path: &Path, mode: u32, content: &[u8]) -> Result<(), TlsError> {
    let beside = path.with_extension("new");
    let written = create_anew(&beside, mode).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    });
    written.map_err(|reason| write_error(path, reason))
}

/// Creates a file. A file that an interrupted start left there is removed first, because it has its own
/// mode.
fn create_anew(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            options.open(path)
        }
        opened => opened,
    }
}

fn write_error(path: &Path, reason: io::Error) -> TlsError {
    TlsError::Write {
        path: PathBuf::from(path),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_pair_is_kept_while_it_is_valid_and_made_anew_for_a_clock_that_has_been_wrong() {
        let place = tempfile::tempdir().unwrap();
        let provider = crate::tls::crypto::default_provider();
        let today = UNIX_EPOCH + DAY * 20_000;
        let is_made = |now| {
            let (_, origin) = pair(place.path(), now, &provider).unwrap();
            matches!(origin, CertificateOrigin::Made(_))
        };
        assert!(is_made(today));
        // A clock that goes back a little, and days and months that pass.
        for kept in [today - CLOCK_SKEW, today, today + DAY, today + DAY * 366] {
            assert!(!is_made(kept), "{kept:?}");
            assert!(!is_worn(today, kept), "{kept:?}");
        }
        assert!(is_worn(today, today + DAY * 367));
        assert!(is_made(today + DAY * 367), "it would expire");
        // The clock was a year ahead, and is put right.
        assert!(is_worn(today + DAY * 367, today));
        assert!(is_made(today), "it would not be valid for a year");
        assert!(!is_made(today));
        assert!(is_made(UNIX_EPOCH), "a clock that is not set yet");
        assert!(is_made(today), "and then it is");
    }
}
