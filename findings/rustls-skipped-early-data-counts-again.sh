#!/usr/bin/env bash
# rustls 0.23.46, server: early data that it has to skip counts again whenever more bytes come.
#
# A server without early data has to skip what a client sends that holds a ticket of another server
# (RFC 8446 §4.2.10): records that it cannot decrypt, up to a length. rustls takes 16,384 bytes. The records
# that it skips stay in its buffer, though, so that it tries and counts them again with every call of
# `process_new_packets`. 4,000 bytes are skipped when they come in a few pieces; in pieces of 500 bytes they
# end the connection with bad_record_mac, and so do 12,000 bytes in the pieces of an Ethernet.
#
# Needs cargo. Fails if rustls does otherwise.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "early-data"
version = "0.0.0"
edition = "2021"

[dependencies]
rustls = { version = "=0.23.46", default-features = false, features = ["std", "ring"] }
rcgen = { version = "=0.14.10", default-features = false, features = ["ring"] }
TOML
cat >src/main.rs <<'RUST'
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{server, ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use std::io::Write;
use std::sync::Arc;

/// A server's configuration, which takes so much early data and knows no session of another's.
fn server(chain: CertificateDer<'static>, key: PrivateKeyDer<'static>, early_data: u32) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![chain], key).unwrap();
    config.session_storage = server::ServerSessionMemoryCache::new(8);
    config.max_early_data_size = early_data;
    Arc::new(config)
}

/// Carries what one side has to say to the other, `size` bytes at a time.
fn carry(mut bytes: &[u8], size: usize, server: &mut ServerConnection) -> Result<(), rustls::Error> {
    while !bytes.is_empty() {
        let (mut part, rest) = bytes.split_at(size.min(bytes.len()));
        while !part.is_empty() {
            server.read_tls(&mut part).unwrap();
            server.process_new_packets()?;
        }
        bytes = rest;
    }
    Ok(())
}

fn said(client: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    bytes
}

fn answer(server: &mut ServerConnection, client: &mut ClientConnection) {
    let mut bytes = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut bytes).unwrap();
    }
    let mut bytes = &bytes[..];
    while !bytes.is_empty() {
        client.read_tls(&mut bytes).unwrap();
        client.process_new_packets().unwrap();
    }
}

/// A client that has a session with one server sends early data to another, `size` bytes at a time: what
/// the other makes of it.
fn skipped(early: usize, size: usize) -> Result<(), rustls::Error> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let chain = made.cert.der().clone();
    let key = || PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let (first, second) = (server(chain.clone(), key(), 16_384), server(chain.clone(), key(), 0));
    let mut roots = RootCertStore::empty();
    roots.add(chain).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.enable_early_data = true;
    let config = Arc::new(config);
    let client = || ClientConnection::new(config.clone(), "localhost".try_into().unwrap()).unwrap();

    let (mut one, mut other) = (client(), ServerConnection::new(first).unwrap());
    for _ in 0..3 {
        carry(&said(&mut one), 1 << 14, &mut other)?;
        answer(&mut other, &mut one);
    }

    let (mut one, mut other) = (client(), ServerConnection::new(second).unwrap());
    let mut data = one.early_data().expect("the client has a session that takes early data");
    for _ in 0..early / 1000 {
        data.write_all(&[b'x'; 1000]).unwrap();
    }
    carry(&said(&mut one), size, &mut other)?;
    answer(&mut other, &mut one);
    assert!(!one.is_early_data_accepted());
    carry(&said(&mut one), size, &mut other)?;
    assert!(!other.is_handshaking());
    Ok(())
}

fn main() {
    for (early, size) in [(4_000, 1 << 14), (4_000, 1_400), (4_000, 500), (12_000, 1_400)] {
        println!("{early} bytes of early data, {size} bytes at a time: {:?}", skipped(early, size));
    }
}
RUST
seen=$(cargo run --quiet)
expected='4000 bytes of early data, 16384 bytes at a time: Ok(())
4000 bytes of early data, 1400 bytes at a time: Ok(())
4000 bytes of early data, 500 bytes at a time: Err(DecryptError)
12000 bytes of early data, 1400 bytes at a time: Err(DecryptError)'
printf '%s\n' "$seen"
if [[ $seen != "$expected" ]]; then
    echo "FAILED: it was seen otherwise" >&2
    exit 1
fi
