//! Tickets under a shared key, by clocks that the tests set. `tests/it/server/tickets` has real servers.

use super::*;
use std::time::Duration;

const HOURS: Duration = Duration::from_secs(3600);

/// A time one hour into an epoch.
const NOW: Duration = Duration::from_secs(40_000 * EPOCH as u64 + 3600);

fn at(since_1970: Duration) -> SystemTime {
    UNIX_EPOCH + since_1970
}

fn certificates(text: &'static str) -> CertificatesHash {
    CertificatesHash::of(&[CertificateDer::from(text.as_bytes())])
}

fn tickets(file: &[u8]) -> Result<SharedTickets, TlsError> {
    bound_to(file, "certificate")
}

fn bound_to(file: &[u8], certificate: &'static str) -> Result<SharedTickets, TlsError> {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("ticket.key");
    std::fs::write(&path, file).unwrap();
    SharedTickets::read(&path, certificates(certificate))
}

#[test]
fn a_ticket_of_one_process_is_opened_by_another_with_an_equal_file() {
    for len in LENGTHS {
        let file: Vec<u8> = (0..len as u8).collect();
        let (one, other) = (tickets(&file).unwrap(), tickets(&file).unwrap());
        let ticket = one.seal(at(NOW), b"session").unwrap();
        assert_eq!(other.open(at(NOW), &ticket).unwrap(), b"session");
        assert_ne!(ticket, one.seal(at(NOW), b"session").unwrap());
        for at_byte in 0..len {
            let mut changed = file.clone();
            changed[at_byte] ^= 1;
            let stranger = tickets(&changed).unwrap();
            assert_eq!(stranger.open(at(NOW), &ticket), None, "byte {at_byte}");
        }
    }
}

#[test]
fn a_file_of_another_length_is_refused_with_the_way_to_make_one() {
    for len in [0, 1, 16, 47, 49, 79, 81, 160] {
        let error = tickets(&vec![7; len]).unwrap_err().to_string();
        assert!(error.contains(&format!("has {len} bytes")), "{error}");
        assert!(error.contains("openssl rand 80 > "), "{error}");
        assert!(!error.contains('\n'));
    }
    let missing = SharedTickets::read(Path::new("/nowhere/key"), certificates("a"));
    assert!(matches!(missing, Err(TlsError::Read { .. })));
}

#[test]
fn a_ticket_is_good_in_its_epoch_and_the_next_and_for_a_clock_that_is_behind() {
    let one = tickets(&[7; 80]).unwrap();
    let ticket = one.seal(at(NOW), b"session").unwrap();
    let opens = |now| one.open(at(now), &ticket).is_some();
    let begin = NOW - HOURS;
    let second = Duration::from_secs(1);
    assert!(opens(begin) && opens(begin + 12 * HOURS - second));
    assert!(opens(begin + 12 * HOURS) && opens(begin + 24 * HOURS - second));
    assert!(!opens(begin + 24 * HOURS));
    assert!(opens(begin - second) && opens(begin - 12 * HOURS));
    assert!(!opens(begin - 12 * HOURS - second));
    assert!(
        opens(NOW),
        "a clock that leaps and comes back finds its keys again"
    );
}

#[test]
fn a_ticket_lives_as_long_as_it_tells_the_client() {
    let one = tickets(&[7; 48]).unwrap();
    let life = Duration::from_secs(one.lifetime().into());
    for second in (0..EPOCH).step_by(1800) {
        let made = NOW + Duration::from_secs(second.into());
        let ticket = one.seal(at(made), b"session").unwrap();
        assert!(one.open(at(made + life), &ticket).is_some());
        assert!(one.open(at(made + 2 * life), &ticket).is_none());
    }
}

#[test]
fn a_ticket_that_was_changed_or_cut_anywhere_is_not_opened() {
    let one = tickets(&[7; 80]).unwrap();
    let ticket = one.seal(at(NOW), b"a session of some bytes").unwrap();
    for len in 0..ticket.len() {
        assert_eq!(one.open(at(NOW), &ticket[..len]), None, "{len} bytes");
        for bit in 0..8 {
            let mut changed = ticket.clone();
            changed[len] ^= 1 << bit;
            assert_eq!(one.open(at(NOW), &changed), None, "byte {len}, bit {bit}");
        }
    }
    let longer = [&ticket[..], b"x"].concat();
    assert_eq!(one.open(at(NOW), &longer), None);
    assert!(one.open(at(NOW), &ticket).is_some());
}

#[test]
fn the_certificates_are_part_of_the_key() {
    let file = [7; 80];
    let one = bound_to(&file, "one certificate").unwrap();
    let ticket = one.seal(at(NOW), b"session").unwrap();
    let other = bound_to(&file, "another certificate").unwrap();
    assert_eq!(other.open(at(NOW), &ticket), None);
    let again = bound_to(&file, "one certificate").unwrap();
    assert!(again.open(at(NOW), &ticket).is_some());
}

#[test]
fn a_clock_at_the_ends_of_time_makes_no_panic() {
    let one = tickets(&[7; 80]).unwrap();
    let second = Duration::from_secs(1);
    assert_eq!(one.seal(UNIX_EPOCH - second, b"session"), None);
    let ticket = one.seal(UNIX_EPOCH, b"session").unwrap();
    assert_eq!(one.open(UNIX_EPOCH - second, &ticket), None);
    assert!(one.open(UNIX_EPOCH, &ticket).is_some());
    let last = UNIX_EPOCH + Duration::from_secs(i64::MAX as u64);
    let ticket = one.seal(last, b"session").unwrap();
    assert!(one.open(last, &ticket).is_some());
    assert_eq!(one.open(UNIX_EPOCH, &ticket), None);
}

#[test]
fn it_tells_nothing_of_its_key() {
    assert_eq!(format!("{:?}", tickets(&[7; 80]).unwrap()), "SharedTickets");
}
