//! The certificate of the first start: self-signed, for localhost, kept in a directory.
//!
//! The file begins with a line of ours that says when the certificate expires, as PEM allows. What
//! carries that line may be replaced when it has become useless; what does not was put there by
//! somebody else, and is used as it is or not at all.

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
use super::{Origin, Pair, TlsError};
use crate::http::date;
use crate::world::os::in_calendar;

/// The longest that browsers accept is 398 days.
const VALIDITY: Duration = Duration::from_secs(397 * 24 * 3600);

/// A certificate that is used up to its last day would fail while the server runs.
const RENEWAL: Duration = Duration::from_secs(30 * 24 * 3600);

/// A clock that was an hour ahead when the certificate was made does no harm.
const CLOCK_SKEW: Duration = Duration::from_secs(3600);

/// The key is for its owner only.
const KEY_MODE: u32 = 0o600;

/// So is a directory that is made for it (XDG Base Directory Specification).
const DIRECTORY_MODE: u32 = 0o700;

/// Begins the first line of a certificate file of ours; the date follows.
const LABEL: &str = "calmd's self-signed certificate for localhost, expires ";

/// The pair in `directory`, made now if there is none or if ours is of no use any more.
pub(super) fn pair(
    directory: &Path,
    now: SystemTime,
    provider: &CryptoProvider,
) -> Result<(Pair, Origin), TlsError> {
    let chain = directory.join("localhost.pem");
    let key = directory.join("localhost.key");
    let _lock = lock(directory).map_err(|reason| write_error(directory, reason))?;
    let complete = chain.exists() && key.exists();
    if complete && !is_useless(&chain, &key, now, provider) {
        // One of ours; others may have loosened it by copying.
        let _ = fs::set_permissions(&key, Permissions::from_mode(KEY_MODE));
        return Ok((Pair::read(&chain, &key)?, Origin::Kept(chain)));
    }
    make(&chain, &key, now)?;
    Ok((Pair::read(&chain, &key)?, Origin::Made(chain)))
}

/// The directory, made if need be, and locked: two servers that start at the same time must not end
/// up with the certificate of one and the key of the other.
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

/// Whether the certificate is empty, or one of ours that expires soon or does not fit its key.
fn is_useless(chain: &Path, key: &Path, now: SystemTime, provider: &CryptoProvider) -> bool {
    let Ok(text) = read_file(chain) else {
        return false;
    };
    if text.is_empty() {
        // A disk was full, or the power went.
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
    let lasts = date::parse(expires.as_bytes()).is_some_and(|expires| now + RENEWAL < expires);
    let fits = Pair::read(chain, key)
        .is_ok_and(|pair| CertifiedKey::from_der(pair.chain, pair.key, provider).is_ok());
    !(lasts && fits)
}

/// A pair that is kept in memory only.
pub(super) fn in_memory(now: SystemTime) -> Result<Pair, TlsError> {
    let made = Made::new(now)?;
    Pair::parse(
        made.chain.as_bytes(),
        made.key.as_bytes(),
        Path::new("made in memory"),
        Path::new("made in memory"),
    )
}

/// Tells a certificate that had better be made anew by the time at which it was made.
pub(super) fn is_worn(made: SystemTime, now: SystemTime) -> bool {
    now + RENEWAL >= made + VALIDITY
}

/// Makes a pair and puts both files in place, each as a whole.
fn make(chain: &Path, key: &Path, now: SystemTime) -> Result<(), TlsError> {
    let made = Made::new(now)?;
    // The key first: a certificate without its key is made anew, so whatever interrupts this, the
    // next start mends it.
    write_whole(key, KEY_MODE, made.key.as_bytes())?;
    write_whole(chain, 0o644, made.chain.as_bytes())
}

/// A pair in PEM, the chain with the line that says that it is ours.
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

/// Writes a file beside its place and moves it there, so that nobody ever reads half of it. It has
/// its mode from the moment it exists.
fn write_whole(path: &Path, mode: u32, content: &[u8]) -> Result<(), TlsError> {
    let beside = path.with_extension("new");
    let written = create_anew(&beside, mode).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    });
    written.map_err(|reason| write_error(path, reason))
}

/// Creates a file; one that a start cut short has left there goes first, with its mode.
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
