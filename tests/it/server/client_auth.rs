//! Certificates of clients: asked for by one host of several, and never carried to another.

use crate::server::named_hosts::{certify, sites};
use crate::support::Server;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Makes an authority and a certificate of a client that it has issued.
fn issue(directory: &Path, authority: &str, client: &str) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, authority);
    let certificate = params.self_signed(&key).unwrap();
    fs::write(
        directory.join(format!("{authority}.pem")),
        certificate.pem(),
    )
    .unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["client.test".to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, client);
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Example");
    params
        .extended_key_usages
        .push(ExtendedKeyUsagePurpose::ClientAuth);
    let certificate = params.signed_by(&key, &issuer).unwrap();
    fs::write(directory.join(format!("{client}.pem")), certificate.pem()).unwrap();
    fs::write(directory.join(format!("{client}.key")), key.serialize_pem()).unwrap();
}

const SETTINGS: &str = r#"
access-log = "log/access"
log-format = "json"

[[host]]
names = ["a.test"]
root = "sites/a-1"
cert = "it.pem"
key = "it.key"
client-auth = { mode = "required", ca = "ca.pem" }

[[host]]
names = ["b.test"]
root = "sites/b"
cert = "it.pem"
key = "it.key"
default = true

[[host]]
names = ["c.test"]
root = "sites/b"
cert = "it.pem"
key = "it.key"
client-auth = { mode = "optional", ca = "ca.pem" }
"#;

fn prepare(directory: &Path) {
    sites(directory);
    certify(directory, "it", &["a.test", "b.test", "c.test"]);
    issue(directory, "ca", "ann");
    issue(directory, "other", "bob");
    fs::create_dir(directory.join("log")).unwrap();
}

/// The status and the content of an answer for the URL's host, or for another one.
fn curl(server: &Server, url: &str, options: &[&str]) -> (u16, String) {
    let port = server.https.port();
    let place = |name: &str| format!("{name}.test:{port}:127.0.0.1");
    let mut command = Command::new("curl");
    command.current_dir(server.directory.path());
    for name in ["a", "b", "c"] {
        command.args(["--resolve", &place(name)]);
    }
    command.args([
        "--silent",
        "--cacert",
        "it.pem",
        "--write-out",
        "\n%{http_code}",
    ]);
    let run = command
        .args(options)
        .arg(url.replace("PORT", &port.to_string()))
        .output();
    let text = String::from_utf8(run.expect("curl runs").stdout).unwrap();
    let (content, status) = text.rsplit_once('\n').expect("a status");
    (status.parse().unwrap(), content.to_owned())
}

const ANN: [&str; 4] = ["--cert", "ann.pem", "--key", "ann.key"];
const BOB: [&str; 4] = ["--cert", "bob.pem", "--key", "bob.key"];

#[test]
fn a_host_that_requires_certificates_serves_nobody_without_one_and_logs_the_subject() {
    let server = Server::configured(SETTINGS, prepare);
    for version in ["--http1.1", "--http2", "--tls-max"] {
        let version = match version {
            "--tls-max" => &["--tls-max", "1.2"][..],
            version => &[version],
        };
        let with = |more: &[&'static str]| [version, more].concat();
        let a = |options: &[&'static str]| curl(&server, "https://a.test:PORT/", &with(options));
        assert_eq!(a(&ANN), (200, "sites/a-1".into()), "{version:?}");
        assert_eq!(a(&[]).0, 0, "{version:?}");
        assert_eq!(a(&BOB).0, 0, "{version:?}");
        // The other hosts ask for none, or take none.
        let b = curl(&server, "https://b.test:PORT/", &with(&[]));
        assert_eq!(b, (200, "sites/b".into()), "{version:?}");
        let c = |options: &[&'static str]| curl(&server, "https://c.test:PORT/", &with(options));
        assert_eq!(
            (c(&[]).0, c(&ANN).0, c(&BOB).0),
            (200, 200, 0),
            "{version:?}"
        );
        // A connection for one host is of no use for another.
        for (url, host) in [
            ("https://b.test:PORT/", "Host: a.test"),
            ("https://c.test:PORT/", "Host: a.test"),
            ("https://a.test:PORT/", "Host: b.test"),
        ] {
            let options = [&ANN[..], &["--header", host]].concat();
            assert_eq!(curl(&server, url, &with(&options)).0, 421, "{url} {host}");
        }
    }
    // Over cleartext nobody has a certificate.
    for (host, status) in [("a.test", "421"), ("b.test", "200"), ("c.test", "200")] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = String::from_utf8(server.converse(request.as_bytes())).unwrap();
        assert_eq!(&answer[9..12], status, "{host}: {answer}");
    }
    let log = || fs::read_to_string(server.directory.path().join("log/access")).unwrap();
    let start = std::time::Instant::now();
    while !log().contains("\"client_subject\":\"CN=ann,O=Example\"") {
        assert!(start.elapsed() < crate::support::PATIENCE, "{}", log());
        std::thread::yield_now();
    }
    assert!(!log().contains("CN=bob"));
}

#[test]
fn a_session_with_a_client_certificate_is_never_resumed_and_others_are() {
    let server = Server::configured(SETTINGS, prepare);
    let resumed = |name: &str, version: &str, options: &[&str]| {
        let session = server.directory.path().join(format!("{name}{version}"));
        let session = session.to_str().unwrap().to_owned();
        let connect = |with: &str| {
            let mut command = Command::new("sh");
            let script = format!(
                "(printf 'GET / HTTP/1.1\\r\\nHost: {name}\\r\\nConnection: close\\r\\n\\r\\n'; sleep 1) | \
                 openssl s_client -connect {} -servername {name} -ign_eof -CAfile it.pem {version} {} {with} {session}",
                server.https,
                options.join(" ")
            );
            command
                .args(["-c", &script])
                .current_dir(server.directory.path());
            let run = command.output().expect("openssl runs");
            String::from_utf8_lossy(&run.stdout).into_owned()
        };
        let first = connect("-sess_out");
        assert!(first.contains("200 OK"), "{name} {version}: {first}");
        if !Path::new(&session).exists() {
            return false;
        }
        connect("-sess_in").contains("Reused, ")
    };
    let ann = ["-cert", "ann.pem", "-key", "ann.key"];
    for version in ["-tls1_3", "-tls1_2"] {
        assert!(!resumed("a.test", version, &ann), "{version}");
        assert!(resumed("b.test", version, &[]), "{version}");
    }
}

#[test]
fn a_wish_without_authorities_or_with_a_wrong_word_is_told_with_its_mend() {
    for (line, said) in [
        (
            "client-auth = \"required\"",
            "needs the authorities that issue the certificates, add --client-ca FILE",
        ),
        (
            "client-ca = \"ca.pem\"",
            "needs --client-auth, required or optional",
        ),
        (
            "client-auth = { mode = \"must\", ca = \"ca.pem\" }",
            "write required, optional or off",
        ),
        (
            "client-auth = { mod = \"required\" }",
            "calmd.toml:1:17: 'client-auth' has no 'mod'; it has mode and ca",
        ),
        (
            "client-auth = { mode = \"required\", ca = \"calmd.toml\" }",
            "(--client-ca) names no authority",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("public")).unwrap();
        fs::write(directory.path().join("calmd.toml"), format!("{line}\n")).unwrap();
        let run = Command::new(env!("CARGO_BIN_EXE_calmd"))
            .args(["check", "--config", "calmd.toml"])
            .env("STATE_DIRECTORY", directory.path())
            .current_dir(directory.path())
            .output()
            .expect("calmd runs");
        let told = String::from_utf8_lossy(&run.stderr);
        assert!(
            !run.status.success() && told.contains(said),
            "{line}: {told}"
        );
    }
}
