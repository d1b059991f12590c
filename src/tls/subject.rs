//! The subject of a certificate as a log has it: `CN=ann,O=Example` (RFC 4514, in the order of the certificate).

use super::subject_names::Elements;

/// Tags of DER (X.690 §8.14).
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The most bytes of a subject in a line of a log.
const LONGEST: usize = 256;

/// The attributes that have names (RFC 4514 §3), by the ends of their object identifiers: 2.5.4.N.
const NAMES: [(u8, &str); 7] = [
    (3, "CN"),
    (6, "C"),
    (7, "L"),
    (8, "ST"),
    (10, "O"),
    (11, "OU"),
    (5, "serialNumber"),
];

/// The object identifier of e-mail addresses in subjects (PKCS#9), 1.2.840.113549.1.9.1.
const EMAIL: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01];

/// The subject of a certificate in DER. One that cannot be parsed has an empty subject.
pub fn subject(certificate: &[u8]) -> String {
    let mut text = String::new();
    for (name, value) in attributes(certificate) {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(name);
        text.push('=');
        for letter in String::from_utf8_lossy(value).chars() {
            if matches!(letter, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
                text.push('\\');
            }
            text.push(letter);
        }
        if text.len() > LONGEST {
            while text.len() > LONGEST {
                text.pop();
            }
            break;
        }
    }
    text
}

/// The known attributes of the subject with their values.
fn attributes(certificate: &[u8]) -> impl Iterator<Item = (&'static str, &[u8])> {
    let inside = |bytes, tag| Elements(bytes).find(|element: &(u8, _)| element.0 == tag);
    let signed = inside(certificate, SEQUENCE).and_then(|(_, it)| inside(it, SEQUENCE));
    // [version], serial number, signature, issuer, validity, subject (RFC 5280 §4.1).
    let fields = Elements(signed.map_or(&[], |(_, it)| it)).filter(|(tag, _)| *tag != VERSION);
    let subject = fields.skip(4).take(1).flat_map(|(_, it)| Elements(it));
    let pairs = subject.flat_map(|(_, set)| Elements(set));
    pairs.filter_map(|(_, pair)| {
        let mut parts = Elements(pair);
        let (_, identifier) = parts.next()?;
        let (_, value) = parts.next()?;
        let name = match identifier {
            [0x55, 0x04, last] => NAMES.iter().find(|(number, _)| number == last)?.1,
            EMAIL => "emailAddress",
            _ => return None,
        };
        Some((name, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    #[test]
    fn a_subject_is_one_line_and_commas_within_are_told_from_those_between() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "ann, b");
        params
            .distinguished_name
            .push(DnType::OrganizationName, "x");
        let certificate = params.self_signed(&key).unwrap();
        let found = subject(certificate.der());
        assert_eq!(found, "CN=ann\\, b,O=x");
        for end in 0..certificate.der().len() {
            subject(&certificate.der()[..end]);
        }
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, "é".repeat(400));
        let long = params.self_signed(&key).unwrap();
        assert!(subject(long.der()).len() <= LONGEST);
    }
}
