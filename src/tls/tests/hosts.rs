//! Several hosts with certificates of their own.

use super::*;
use crate::hosts::HostPattern;
use rustls::SignatureScheme;

/// A certificate for these names, and its key, of this kind.
fn made(
    directory: &Path,
    file: &str,
    names: &[&str],
    kind: &'static rcgen::SignatureAlgorithm,
) -> Certificate {
    let key = rcgen::KeyPair::generate_for(kind).expect("a key");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = rcgen::CertificateParams::new(names).expect("names");
    let certificate = certificate.self_signed(&key).expect("a certificate");
    let (chain, key_file) = (
        directory.join(format!("{file}.pem")),
        directory.join(format!("{file}.key")),
    );
    fs::write(&chain, certificate.pem()).unwrap();
    fs::write(&key_file, key.serialize_pem()).unwrap();
    files(&chain, &key_file)
}

fn ecdsa(directory: &Path, file: &str, names: &[&str]) -> Certificate {
    made(directory, file, names, &rcgen::PKCS_ECDSA_P256_SHA256)
}

fn chain(certificate: &Certificate) -> &Path {
    match certificate {
        Certificate::Files { chain, .. } => chain,
        Certificate::SelfSigned { .. } => panic!("files were made"),
    }
}

fn names(names: &[&str]) -> Vec<HostPattern> {
    let names = names.iter().map(|name| HostPattern::parse(name));
    names.collect::<Result<_, _>>().expect("names")
}

/// The names that the server noted for a client that trusts this certificate alone.
fn noted(server: &TlsContext, trusted: &Certificate, name: &str) -> Option<Names> {
    let done = handshake(server, &client(chain(trusted), &["h2"]), name).is_ok();
    let noted = server.take_names();
    done.then_some(noted)
}

#[test]
fn the_server_name_picks_the_certificate_and_the_hosts_of_the_connection() {
    let place = tempfile::tempdir().unwrap();
    let a = ecdsa(place.path(), "a", &["a.test", "*.a.test"]);
    // It is good for the other host too, which has a certificate of its own.
    let b = ecdsa(place.path(), "b", &["b.test", "a.test"]);
    let (of_a, of_b) = (names(&["a.test", "*.a.test"]), names(&["b.test", "c.test"]));
    let of = |names, certificates| HostCertificates {
        names,
        certificates,
        client_auth: None,
    };
    let hosts = [
        of(&of_a[..], std::slice::from_ref(&a)),
        of(&of_b[..], std::slice::from_ref(&b)),
    ];
    let mut server = TlsContext::of_hosts(&hosts).unwrap();
    let in_a = noted(&server, &a, "a.test").expect("the certificate of a");
    assert_eq!(noted(&server, &a, "x.a.test"), Some(in_a));
    assert_eq!(
        noted(&server, &b, "a.test"),
        None,
        "it is shown to its own host only"
    );
    let in_b = noted(&server, &b, "b.test").expect("the certificate of b");
    assert_ne!(in_a, in_b);
    for (connection, authority, covered) in [
        (in_a, "a.test:1", true),
        (in_a, "A.TEST.", true),
        (in_a, "x.a.test", true),
        (in_a, "b.test", false),
        (in_a, "other", false),
        (in_b, "b.test", true),
        // The certificate covers it, but that host shows another one.
        (in_b, "a.test", false),
        // The host is of the set, and its certificate lacks the name.
        (in_b, "c.test", false),
        (Names::Any, "other", true),
    ] {
        let found = server.covers(connection, authority.as_bytes());
        assert_eq!(found, covered, "{connection:?} {authority}");
    }
    // A reload keeps what connections are for.
    server.reload().unwrap();
    assert!(server.covers(in_b, b"b.test") && !server.covers(in_b, b"a.test"));
    assert_eq!(noted(&server, &b, "b.test"), Some(in_b));
}

#[test]
fn a_connection_for_a_name_that_its_certificate_lacks_is_for_the_hosts_of_that_certificate() {
    let place = tempfile::tempdir().unwrap();
    let (a, b) = (
        ecdsa(place.path(), "a", &["x"]),
        ecdsa(place.path(), "b", &["y"]),
    );
    let (of_a, of_b) = (names(&["a.test", "c.test"]), names(&["b.test"]));
    let of = |names, certificates| HostCertificates {
        names,
        certificates,
        client_auth: None,
    };
    let hosts = [
        of(&of_a[..], std::slice::from_ref(&a)),
        of(&of_b[..], std::slice::from_ref(&b)),
    ];
    let mut server = TlsContext::of_hosts(&hosts).unwrap();
    // The client does not like the certificate. The server has chosen by then.
    assert_eq!(noted(&server, &a, "a.test"), None);
    let client = client(chain(&a), &["h2"]);
    assert!(handshake(&server, &client, "a.test").is_err());
    let noted = server.take_names();
    assert!(matches!(noted, Names::Set(_)), "{noted:?}");
    assert!(server.covers(noted, b"a.test") && server.covers(noted, b"c.test"));
    assert!(!server.covers(noted, b"b.test"));
}

#[test]
fn of_two_kinds_of_keys_a_client_gets_the_one_that_it_can_verify() {
    let place = tempfile::tempdir().unwrap();
    let both = [
        ecdsa(place.path(), "p256", &["a.test"]),
        made(place.path(), "ed25519", &["a.test"], &rcgen::PKCS_ED25519),
    ];
    let of_a = names(&["a.test"]);
    let host = HostCertificates {
        names: &of_a,
        certificates: &both,
        client_auth: None,
    };
    let server = TlsContext::of_hosts(&[host]).unwrap();
    let set = server.sets.default_set().unwrap();
    let chosen = |schemes: &[SignatureScheme]| &set.choose(schemes).unwrap().certificate;
    let (p256, ed25519) = (
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::ED25519,
    );
    assert_eq!(chosen(&[p256, ed25519]), &both[0]);
    assert_eq!(chosen(&[ed25519]), &both[1]);
    assert_eq!(chosen(&[SignatureScheme::RSA_PSS_SHA256]), &both[0]);
}

#[test]
fn hosts_with_equal_certificates_share_a_set() {
    let place = tempfile::tempdir().unwrap();
    let both = ecdsa(place.path(), "both", &["a.test", "b.test"]);
    let (of_a, of_b) = (names(&["a.test"]), names(&["b.test"]));
    let of = |names, certificates| HostCertificates {
        names,
        certificates,
        client_auth: None,
    };
    let hosts = [
        of(&of_a[..], std::slice::from_ref(&both)),
        of(&of_b[..], std::slice::from_ref(&both)),
    ];
    let mut server = TlsContext::of_hosts(&hosts).unwrap();
    assert_eq!(server.sets.certificates().count(), 1);
    let in_a = noted(&server, &both, "a.test").unwrap();
    assert!(server.covers(in_a, b"b.test"));
}
