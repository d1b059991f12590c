//! Hashes of passwords as files of htpasswd have them, checked by their form and verified.

#[cfg(feature = "aws-lc")]
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
#[cfg(all(feature = "ring", not(feature = "aws-lc")))]
use ring::digest;
use sha_crypt::{PasswordVerifier as _, ShaCrypt};

/// The highest cost of bcrypt: 12 is some 200 ms of a processor, and each step doubles it.
const HIGHEST_COST: u32 = 12;

/// The most rounds of SHA-crypt: they take some 200 ms as well.
const MOST_ROUNDS: u32 = 200_000;

/// The longest hash that is taken: the longest form, SHA-512 with rounds, has 123 bytes.
const LONGEST_HASH: usize = 200;

/// The kind of a password's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordHashKind {
    /// `$2a$`, `$2b$`, `$2y$`.
    Bcrypt,
    /// `$5$` and `$6$`.
    ShaCrypt,
    /// `$apr1$`, a thousand rounds of MD5: fast to guess.
    Apr1,
    /// `{SHA}`, one round of SHA-1 without salt: very fast to guess.
    Sha1,
}

impl PasswordHashKind {
    /// The kind of a hash. The error says what would be right.
    pub fn of(hash: &str) -> Result<PasswordHashKind, String> {
        if hash.len() > LONGEST_HASH {
            return Err("the hash is too long to be one".into());
        }
        if let Some(text) = hash.strip_prefix("{SHA}") {
            let is_whole = STANDARD.decode(text).is_ok_and(|bytes| bytes.len() == 20);
            return is_whole
                .then_some(PasswordHashKind::Sha1)
                .ok_or_else(broken);
        }
        let parts: Vec<&str> = hash.split('$').collect();
        match parts[..] {
            ["", "2a" | "2b" | "2y", cost, rest] if rest.len() == 53 => match cost.parse() {
                Ok(4..=HIGHEST_COST) => Ok(PasswordHashKind::Bcrypt),
                _ => Err(format!(
                    "bcrypt of cost {cost} takes too long; make it anew with htpasswd -B -C 10"
                )),
            },
            ["", "5" | "6", salt, _] if !salt.starts_with("rounds=") => {
                Ok(PasswordHashKind::ShaCrypt)
            }
            ["", "5" | "6", rounds, _, _] => match rounds.strip_prefix("rounds=").map(str::parse) {
                Some(Ok(1000..=MOST_ROUNDS)) => Ok(PasswordHashKind::ShaCrypt),
                _ => Err(format!(
                    "'{rounds}' is not from rounds=1000 to rounds={MOST_ROUNDS}"
                )),
            },
            ["", "apr1", _, rest] if rest.len() == 22 => Ok(PasswordHashKind::Apr1),
            ["", "2a" | "2b" | "2y" | "5" | "6" | "apr1", ..] => Err(broken()),
            _ => Err("calmd takes no such hash; make it anew with htpasswd -B".into()),
        }
    }
}

fn broken() -> String {
    "the hash is cut off; make it anew with htpasswd -B".into()
}

/// True if the hash is that of the password. It takes as long as the hash wants, up to some 200 ms.
pub fn verify_password(hash: &str, password: &[u8]) -> bool {
    match PasswordHashKind::of(hash) {
        Ok(PasswordHashKind::Bcrypt) => bcrypt::verify(password, hash).unwrap_or(false),
        Ok(PasswordHashKind::ShaCrypt) => {
            ShaCrypt::default().verify_password(password, hash).is_ok()
        }
        Ok(PasswordHashKind::Apr1) => {
            let salt = hash.split('$').nth(2).unwrap_or_default();
            is_same(hash.as_bytes(), apr1(password, salt.as_bytes()).as_bytes())
        }
        Ok(PasswordHashKind::Sha1) => {
            let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password);
            let text = STANDARD.encode(digest);
            is_same(hash.as_bytes(), format!("{{SHA}}{text}").as_bytes())
        }
        Err(_) => false,
    }
}

/// Compares all bytes, so that the time does not tell how many are right.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |found, (a, b)| found | (a ^ b));
    a.len() == b.len() && differences == 0
}

/// Apache's variant of Poul-Henning Kamp's MD5 hash, which no kept library has. It differs from `$1$` by its
/// name alone.
fn apr1(password: &[u8], salt: &[u8]) -> String {
    let salt = salt.get(..8).unwrap_or(salt);
    let alternate = Md5::new().chain_update(password).chain_update(salt);
    let alternate = alternate.chain_update(password).finalize();
    let mut hasher = Md5::new().chain_update(password);
    hasher = hasher.chain_update(b"$apr1$").chain_update(salt);
    for chunk in password.chunks(16) {
        hasher.update(alternate.get(..chunk.len()).unwrap_or_default());
    }
    let mut bits = password.len();
    while bits > 0 {
        let first = password.first().copied().unwrap_or_default();
        hasher.update([if bits & 1 == 1 { 0 } else { first }]);
        bits >>= 1;
    }
    let mut digest = hasher.finalize();
    for round in 0..1000 {
        let mut hasher = Md5::new();
        let is_odd = round % 2 == 1;
        hasher.update(if is_odd { password } else { digest.as_slice() });
        if round % 3 != 0 {
            hasher.update(salt);
        }
        if round % 7 != 0 {
            hasher.update(password);
        }
        hasher.update(if is_odd { digest.as_slice() } else { password });
        digest = hasher.finalize();
    }
    let salt = String::from_utf8_lossy(salt);
    format!("$apr1${salt}${}", crypt_text(&digest))
}

/// The digest in crypt's own alphabet and order.
fn crypt_text(digest: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const ORDER: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];
    let byte = |at: usize| u32::from(digest.get(at).copied().unwrap_or_default());
    let mut text = String::new();
    let mut push = |mut value: u32, len: usize| {
        for _ in 0..len {
            let letter = ALPHABET
                .get((value & 63) as usize)
                .copied()
                .unwrap_or_default();
            text.push(char::from(letter));
            value >>= 6;
        }
    };
    for [high, middle, low] in ORDER {
        push(byte(high) << 16 | byte(middle) << 8 | byte(low), 4);
    }
    push(byte(11), 2);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes of `secret`, made by htpasswd, openssl and mkpasswd.
    const OF_SECRET: [(&str, PasswordHashKind); 6] = [
        (
            "$2y$05$hcVEZcxzR2anzQGAV01gh.DzHtkxTxwEvalWffWW.8cmmnPqqWc9y",
            PasswordHashKind::Bcrypt,
        ),
        (
            "$2b$05$hcVEZcxzR2anzQGAV01gh.DzHtkxTxwEvalWffWW.8cmmnPqqWc9y",
            PasswordHashKind::Bcrypt,
        ),
        (
            "$5$calmdsalt$MO5BA.ZiVnAWDsJ3J8BBwd.vyWCTWWt2dtHGWPwcPq2",
            PasswordHashKind::ShaCrypt,
        ),
        (
            "$6$calmdsalt$4nEOo5MVjklNQHdit.j6WBJG252yobmWQKuD9VQ9HHLcyrjDREWbnMAQdFkOmjbldaWxNRGIyvrJsOkzgyk2w/",
            PasswordHashKind::ShaCrypt,
        ),
        (
            "$apr1$BxiXSeRj$ncMB8y7ArXz4Wcyv53OYw/",
            PasswordHashKind::Apr1,
        ),
        ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", PasswordHashKind::Sha1),
    ];

    #[test]
    fn hashes_of_every_kind_are_verified() {
        for (hash, kind) in OF_SECRET {
            assert_eq!(PasswordHashKind::of(hash), Ok(kind), "{hash}");
            assert!(verify_password(hash, b"secret"), "{hash}");
            for wrong in ["Secret", "secret ", "", "secrets"] {
                assert!(!verify_password(hash, wrong.as_bytes()), "{hash} {wrong}");
            }
        }
    }

    #[test]
    fn other_forms_are_refused_with_the_mend() {
        for (hash, said) in [
            (
                "secret",
                "calmd takes no such hash; make it anew with htpasswd -B",
            ),
            (
                "rOVMJ1sS3hYQk",
                "calmd takes no such hash; make it anew with htpasswd -B",
            ),
            (
                "$1$abc$x",
                "calmd takes no such hash; make it anew with htpasswd -B",
            ),
            (
                "{SSHA}x",
                "calmd takes no such hash; make it anew with htpasswd -B",
            ),
            (
                "{SHA}x",
                "the hash is cut off; make it anew with htpasswd -B",
            ),
            (
                "$2y$10$short",
                "the hash is cut off; make it anew with htpasswd -B",
            ),
            (
                "$apr1$x$y",
                "the hash is cut off; make it anew with htpasswd -B",
            ),
            (
                "$6$rounds=9000000$salt$x",
                "'rounds=9000000' is not from rounds=1000 to rounds=200000",
            ),
        ] {
            assert_eq!(PasswordHashKind::of(hash).unwrap_err(), said, "{hash}");
        }
        let dear = format!("$2y$13${}", "x".repeat(53));
        assert_eq!(
            PasswordHashKind::of(&dear).unwrap_err(),
            "bcrypt of cost 13 takes too long; make it anew with htpasswd -B -C 10"
        );
        assert!(!verify_password("$2y$10$short", b""));
    }
}
