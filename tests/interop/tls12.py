"""Conversations of TLS 1.2 that go astray, and the alert that RFC 5246 and its extensions have for each."""

from tls13 import (FINISHED, GROUPS, SIGNATURES, VERIFY, CERTIFICATE, added, again, bytes_of, flipped, having, instead,
                   numbers, pieces, replaced, sends, several, tampered, whole)
from tls_peer import ALERT, CCS, CLOSED, DATA, ENDED, HANDSHAKE, HEARTBEAT, SERVED, message, record

VERSION = (3, 3)

# Messages and extensions (RFC 5246 §7.4, RFC 5746, RFC 8422).
HELLO_REQUEST, KEY_EXCHANGE = 0, 16
FORMATS, RENEGOTIATION = 11, 0xff01
FALLBACK = 0x5600

# Groups (RFC 8422 §5.1.1).
P256, P384, X25519 = 23, 24, 29

MOST = 1 << 14


def point(key):
    """ClientKeyExchange with this as the public key."""
    return instead("key exchange", (HANDSHAKE, message(KEY_EXCHANGE, bytes([len(key)]) + key)))


def group_only(number):
    """The server has no choice of groups."""
    return replaced(GROUPS, numbers(number))


def nonces(peer):
    """Sees that no two records of the server's have the same nonce."""
    seen, receive = [], peer.tls.sock.recv

    def recv(size):
        data = receive(size)
        seen.append(bytes(data))
        return data
    peer.tls.sock.recv = recv
    for _ in range(20):
        peer.tls.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.rstrip().endswith(b"</html>"):
            answer += peer.tls.read(max=1 << 16, min=1)
    data, found = b"".join(seen), []
    while len(data) >= 13:
        length = int.from_bytes(data[3:5], "big")
        found.append(data[5:13])
        data = data[5 + length:]
    if len(found) < 20 or len(set(found)) != len(found):
        raise AssertionError(f"{len(found)} records, {len(set(found))} nonces")


AES = {"cipherNames": ["aes128gcm"]}

# Each by its name, the end that it must take, and how it is made.
CASES = [
    # Right in every form.
    *[(f"{suite} with {group}", SERVED, {"cipherNames": [suite], "hello": group_only(number)})
      for suite in ("aes128gcm", "aes256gcm", "chacha20-poly1305")
      for group, number in (("X25519", X25519), ("P-256", P256), ("P-384", P384))],
    *[(f"a hello in records of {size} bytes", SERVED, {"edit": pieces("hello", size)})
      for size in (1, 2, 3, 5, 16, 100)],
    *[(f"key exchange in records of {size} bytes", SERVED, {"edit": pieces("key exchange", size)})
      for size in (1, 4, 30)],
    *[(f"Finished in records of {size} bytes", SERVED, {"edit": pieces("finished", size)})
      for size in (1, 4, 15)],
    ("a thousand unknown extensions", SERVED, {"hello": added(*[(0x4000 + at,) for at in range(1000)])}),
    ("unknown suites, groups and signatures among others", SERVED,
     {"hello": several(lambda it: it.cipher_suites.__setitem__(slice(0, 0), [0x0a0a, 0xfefe]),
                       replaced(GROUPS, numbers(0x0a0a, 0x4444, X25519, P256)),
                       replaced(SIGNATURES, numbers(0x0a0a, 0x0403, 0xfeff)))}),
    ("without extended_master_secret", SERVED, {"useExtendedMasterSecret": False}),
    ("empty records of application data", SERVED, {"after": sends(*[(DATA, b"")] * 20)}),
    ("user_canceled, which is only a warning", SERVED, {"after": sends((ALERT, b"\1\x5a"))}),
    ("close_notify is answered", ENDED, {"after": sends((ALERT, b"\1\0"))}),
    ("nonces of AES-GCM are not repeated", SERVED, {**AES, "after": nonces}),
    ("renegotiation is declined with a warning", "no_renegotiation", again(before=False)),

    # The ClientHello.
    ("TLS 1.1", "protocol_version", {"hello": having(client_version=(3, 2))}),
    ("SSL 3.0", "protocol_version", {"hello": having(client_version=(3, 0))}),
    ("a version beyond TLS 1.3", SERVED, {"hello": having(client_version=(3, 9))}),
    ("a fallback from a version that would have been spoken", "inappropriate_fallback",
     {"hello": lambda it: it.cipher_suites.append(FALLBACK)}),
    ("another compression as well", SERVED, {"hello": having(compression_methods=[1, 0])}),
    ("another compression only", "illegal_parameter", {"hello": having(compression_methods=[1])}),
    ("suites that nobody should speak", "handshake_failure",
     {"hello": having(cipher_suites=[0x0003, 0x0005, 0x000a, 0x002f, 0x0033, 0x009c, 0xc018])}),
    ("suites for certificates of RSA only", "handshake_failure",
     {"hello": having(cipher_suites=[0xc02f, 0xc030, 0xcca8])}),
    ("no suites", "decode_error", {"hello": having(cipher_suites=[])}),
    ("a session id of 33 bytes", "decode_error", {"hello": having(session_id=bytearray(33))}),
    ("signatures that are unknown", "handshake_failure", {"hello": replaced(SIGNATURES, numbers(0x0a0a, 0xfefe))}),
    ("signatures of RSA only", "handshake_failure", {"hello": replaced(SIGNATURES, numbers(0x0401, 0x0804))}),
    ("groups that are unknown", "handshake_failure", {"hello": replaced(GROUPS, numbers(0x4444))}),
    ("points that cannot come uncompressed", "illegal_parameter", {"hello": replaced(FORMATS, b"\1\1")}),
    ("an extension twice", "illegal_parameter", {"hello": replaced(GROUPS, numbers(X25519), numbers(X25519))}),
    ("renegotiation_info of a session before", "handshake_failure",
     {"hello": replaced(RENEGOTIATION, b"\x0c" + bytes(12))}),
    ("a hello that is a byte short", "decode_error",
     {"edit": bytes_of("hello", lambda content: message(1, content[4:-1]))}),

    # ClientKeyExchange.
    ("a point of X25519 that is a byte short", "illegal_parameter", {"hello": group_only(X25519), "edit": point(bytes(31))}),
    ("a point of X25519 of zeros", "illegal_parameter", {"hello": group_only(X25519), "edit": point(bytes(32))}),
    ("a point that is none of P-256", "illegal_parameter",
     {"hello": group_only(P256), "edit": point(b"\4" + b"\1" * 64)}),
    ("a point of P-256 that is compressed", "illegal_parameter",
     {"hello": group_only(P256), "edit": point(b"\2" + b"\1" * 32)}),
    ("an empty point", "decode_error", {"edit": point(b"")}),
    ("key exchange that is a byte short", "decode_error",
     {"edit": bytes_of("key exchange", lambda content: message(KEY_EXCHANGE, content[4:-1]))}),
    ("key exchange with a byte behind it", "decode_error",
     {"edit": bytes_of("key exchange", lambda content: message(KEY_EXCHANGE, content[4:] + b"\0"))}),
    ("key exchange of no content", "decode_error", {"edit": instead("key exchange", (HANDSHAKE, message(KEY_EXCHANGE)))}),

    # Messages left out, doubled, or in another order.
    ("key exchange is left out", "unexpected_message", {"edit": instead("key exchange")}),
    # An encrypted message is taken for one of no type that exists.
    ("CCS is left out", "decode_error", {**AES, "edit": instead(CCS)}),
    ("Finished is left out", "unexpected_message", {"edit": instead("finished", (DATA, b"GET / HTTP/1.1\r\n"))}),
    ("key exchange twice", "unexpected_message", {"edit": instead("key exchange", whole, whole)}),
    ("CCS twice", "unexpected_message", {"edit": instead(CCS, record(CCS, b"\1"), record(CCS, b"\1"))}),
    ("Finished twice", "unexpected_message", {"edit": instead("finished", whole, whole)}),
    ("a certificate that nobody asked for", "unexpected_message",
     {"edit": instead("key exchange", (HANDSHAKE, message(CERTIFICATE, b"\0\0\0")), whole)}),
    ("CertificateVerify that nobody asked for", "unexpected_message",
     {"edit": instead("key exchange", whole, (HANDSHAKE, message(VERIFY, b"\4\3\0\0")))}),
    ("HelloRequest from a client", "unexpected_message",
     {"edit": instead("key exchange", (HANDSHAKE, message(HELLO_REQUEST)), whole)}),
    ("CCS before key exchange", "unexpected_message", {"edit": instead("key exchange", record(CCS, b"\1"), whole)}),
    ("CCS before the hello", "unexpected_message", {"edit": instead("hello", record(CCS, b"\1"), whole)}),
    ("CCS of two bytes", "decode_error", {"edit": instead(CCS, record(CCS, b"\1\1"))}),
    ("CCS of another value", "decode_error", {"edit": instead(CCS, record(CCS, b"\2"))}),
    ("an empty CCS", "decode_error", {"edit": instead(CCS, record(CCS, b""))}),
    ("CCS within a message", "unexpected_message",
     {"edit": pieces("key exchange", 10, [record(CCS, b"\1")])}),
    ("an alert within a message", "unexpected_message", {"edit": pieces("key exchange", 10, [(ALERT, b"\1\x5a")])}),
    ("application data within a message", "unexpected_message", {"edit": pieces("key exchange", 10, [(DATA, b"GET")])}),
    ("an empty record within a message", "unexpected_message",
     {"edit": pieces("key exchange", 10, [record(HANDSHAKE, b"")])}),
    ("application data before Finished", "unexpected_message",
     {"edit": instead("key exchange", whole, record(DATA, b"GET / HTTP/1.1\r\n"))}),

    # Finished.
    *[(f"Finished with another bit in byte {at}", "decrypt_error", {"edit": bytes_of("finished", flipped(at))})
      for at in (4, 9, -1)],
    ("Finished that is a byte short", "decode_error",
     {"edit": bytes_of("finished", lambda content: message(FINISHED, content[4:-1]))}),
    ("Finished with a byte behind it", "decode_error",
     {"edit": bytes_of("finished", lambda content: message(FINISHED, content[4:] + b"\0"))}),
    ("Finished without encryption", "bad_record_mac",
     {"edit": instead("finished", lambda content: record(HANDSHAKE, content))}),

    # Records.
    *[(f"another bit in byte {at} of a record, {suite}", "bad_record_mac",
       {"cipherNames": [suite], "after": tampered(at)})
      for suite in ("aes128gcm", "aes256gcm", "chacha20-poly1305") for at in (5, 12, 20, -17, -16, -1)],
    ("a record of an unknown type", "unexpected_message", {"edit": instead("hello", record(99, b"x"))}),
    ("a record of an unknown type under keys", "unexpected_message", {"after": sends((99, b"x"))}),
    ("a heartbeat", "unexpected_message", {"after": sends((HEARTBEAT, b"\1\0\1x" + bytes(16)))}),
    ("an empty handshake record", "unexpected_message", {"edit": instead("hello", record(HANDSHAKE, b""), whole)}),
    ("an empty handshake record under keys", "unexpected_message", {"after": sends((HANDSHAKE, b""))}),
    ("an alert of a byte", "decode_error", {"after": sends((ALERT, b"\1"))}),
    ("an alert of three bytes", "decode_error", {"after": sends((ALERT, b"\1\0\0"))}),
    ("a record of 16,385 bytes", "record_overflow", {"after": sends((DATA, bytes(MOST + 1)))}),
    ("a record that announces 18,433 bytes", "record_overflow", {"after": sends(record(DATA, bytes(MOST + 2049)))}),
    ("a record that is too short for its tag", "bad_record_mac", {"after": sends(record(DATA, bytes(15)))}),
    ("a fatal alert is answered by nothing", CLOSED, {"after": sends((ALERT, b"\2\x28"))}),
    ("HelloRequest within the session", "unexpected_message", {"after": sends((HANDSHAKE, message(HELLO_REQUEST)))}),
    ("an unknown message", "unexpected_message", {"after": sends((HANDSHAKE, message(99, b"x")))}),
]

# Known deviations of rustls: the reason for bearing each, the answer, the checks.
KNOWN = [
    ("rustls has no notion of a fallback: it speaks nothing below TLS 1.2, and marks the random of its "
     "hello where it could have spoken TLS 1.3 (RFC 8446 §4.1.3)", SERVED,
     ["a fallback from a version that would have been spoken"]),
    ("rustls never renegotiates, and so does not look at what belongs to it", SERVED,
     ["renegotiation_info of a session before"]),
    ("rustls compares all of Finished, and does not look at its length before", "decrypt_error",
     ["Finished that is a byte short", "Finished with a byte behind it"]),
    ("rustls has no alert for what lies between the parts of a message, and decode_error is the one that "
     "it can be made to send", "decode_error",
     ["CCS within a message", "an alert within a message", "application data within a message",
      "an empty record within a message"]),
    ("rustls has decode_error for types of records that it does not know, and for empty and long ones",
     "decode_error",
     ["a record of an unknown type", "a record of an unknown type under keys", "a heartbeat",
      "an empty handshake record", "a record that announces 18,433 bytes"]),
    ("rustls keeps empty handshake records under keys; how many are kept is bounded", SERVED,
     ["an empty handshake record under keys"]),
]
