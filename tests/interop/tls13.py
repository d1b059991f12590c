"""Conversations of TLS 1.3 that go astray, and the alert that RFC 8446 has for each."""

from tls_peer import (ALERT, CCS, DATA, ENDED, HANDSHAKE, HEARTBEAT, SERVED, CLOSED, message, record)

VERSION = (3, 4)

# Types of handshake messages (RFC 8446 §4).
TICKET, END_OF_EARLY_DATA, CERTIFICATE, VERIFY, FINISHED, KEY_UPDATE = 4, 5, 11, 15, 20, 24

# Extensions (RFC 8446 §4.2).
GROUPS, SIGNATURES, VERSIONS, KEY_SHARE, RECORD_LIMIT, EARLY_DATA = 10, 13, 43, 51, 28, 42
PSK, PSK_MODES = 41, 45

# The largest plaintext of a record (RFC 8446 §5.1).
MOST = 1 << 14

LONG = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: "


def extension(kind, content=b""):
    """An extension of any content."""
    from tlslite.extensions import TLSExtension  # pylint: disable=import-outside-toplevel
    return TLSExtension(extType=kind).create(bytearray(content))


def replaced(kind, *contents):
    """A change of the ClientHello: an extension has these contents instead, none or several."""
    def hello(it):
        at = next((at for at, each in enumerate(it.extensions) if each.extType == kind), None)
        if at is None:
            at = len(it.extensions)
        else:
            del it.extensions[at]
        it.extensions[at:at] = [extension(kind, content) for content in contents]
    return hello


def added(*extensions, last=False):
    """A change of the ClientHello: more extensions, in front or behind."""
    def hello(it):
        more = [extension(*each) for each in extensions]
        it.extensions[:] = it.extensions + more if last else more + it.extensions
    return hello


def having(**fields):
    """A change of the ClientHello: its own fields."""
    def hello(it):
        for name, value in fields.items():
            setattr(it, name, value)
    return hello


def instead(name, *parts):
    """Sends these in the place of a message; in a function of its bytes, or as they are."""
    def edit(sent, content):
        if sent != name:
            return None
        return [part(content) if callable(part) else part for part in parts]
    return edit


def whole(content):
    """The message itself."""
    return HANDSHAKE, content


def pieces(name, size, between=()):
    """Cuts a message over many records, with something between them."""
    def edit(sent, content):
        if sent != name:
            return None
        cut = [(HANDSHAKE, content[at:at + size]) for at in range(0, len(content), size)]
        return [part for piece in cut for part in (piece, *between)][:len(cut) * (1 + len(between)) - len(between)]
    return edit


def bytes_of(name, change):
    """Changes the bytes of a message."""
    return instead(name, lambda content: (HANDSHAKE, change(content)))


def flipped(at):
    """Another bit at a place."""
    def change(content):
        content = bytearray(content)
        content[at] ^= 1
        return bytes(content)
    return change


def sends(*parts):
    """Records to be sent behind the handshake."""
    return lambda peer: peer.send(*parts)


def padded(count):
    """All records have as much padding, as far as there is room."""
    def after(peer):
        peer.layer.padding_cb = lambda length, kind, most: bytearray(min(count, most))
    return after


def key_update(kind):
    """Asks for other keys, and changes its own."""
    def after(peer):
        for _ in peer.tls.send_keyupdate_request(kind):
            pass
    return after


def tampered(at):
    """A record whose ciphertext has another bit at a place."""
    def after(peer):
        sock = peer.tls.sock
        send = sock.send
        sock.send = lambda data: (send(flipped(at)(data)), len(data))[1]
        peer.send((DATA, b"GET / HTTP/1.1\r\n"))
        sock.send = send
    return after


def long_request(length):
    """A record of this much plaintext, which is a request."""
    def after(peer):
        end = b"\r\n\r\n"
        peer.send((DATA, LONG + b"x" * (length - len(LONG) - len(end)) + end))
        peer.tls.read(max=1 << 16, min=1)
    return after


def share(group, key):
    """A key share extension of one entry."""
    entry = group.to_bytes(2, "big") + len(key).to_bytes(2, "big") + key
    return len(entry).to_bytes(2, "big") + entry


def several(*changes):
    """One change behind the other."""
    def hello(it):
        for change in changes:
            change(it)
    return hello


def again(*, before):
    """Sends the ClientHello once more, before Finished or behind it."""
    kept = []

    def edit(sent, content):
        if sent == "hello":
            kept.append((HANDSHAKE, content))
        elif sent == "finished" and before:
            return kept
        return None
    return {"edit": edit, "after": None if before else lambda peer: peer.send(*kept)}


def half_of(peer):
    """The beginning of a message, and then other content."""
    peer.send((HANDSHAKE, message(KEY_UPDATE, b"\0")[:2]), (DATA, b"GET"))


def numbers(*values):
    """A list of 16-bit numbers behind its length."""
    body = b"".join(value.to_bytes(2, "big") for value in values)
    return len(body).to_bytes(2, "big") + body


SHA256_P256 = 0x0403
X25519 = 29


def p256(key):
    """A hello whose only group is P-256, with this share."""
    return several(replaced(GROUPS, numbers(23)), replaced(KEY_SHARE, share(23, key)))


# Each by its name, the end that it must take, and how it is made (the arguments of a `Peer`, and
# `after`, which is done behind the handshake).
CASES = [
    # Right in every form.
    *[(f"{suite} with {group}", SERVED, {"cipherNames": [suite], "keyShares": [group]})
      for suite in ("aes128gcm", "aes256gcm", "chacha20-poly1305")
      for group in ("x25519", "secp256r1", "secp384r1")],
    ("a hello without a share is asked for one", SERVED, {"keyShares": []}),
    ("a share of a group that is not supported, and a second hello", SERVED,
     {"keyShares": ["secp521r1"], "eccCurves": ["secp521r1", "secp384r1"]}),
    *[(f"a hello in records of {size} bytes", SERVED, {"edit": pieces("hello", size)})
      for size in (1, 2, 3, 5, 16, 100)],
    *[(f"Finished in records of {size} bytes", SERVED, {"edit": pieces("finished", size)})
      for size in (1, 2, 4, 35)],
    ("unknown extensions", SERVED, {"hello": added((0x0a0a,), (0xffee, b"x" * 1000))}),
    ("a thousand unknown extensions", SERVED,
     {"hello": added(*[(0x4000 + at,) for at in range(1000)])}),
    ("a hello of 15,000 bytes", SERVED, {"hello": added((0xffee, bytes(14_000)))}),
    ("a hello of 17,000 bytes", "illegal_parameter", {"hello": added((0xffee, bytes(16_700)))}),
    ("unknown groups, signatures and versions among others", SERVED,
     {"hello": several(replaced(GROUPS, numbers(0x0a0a, 0x4444, X25519, 0xfefe)),
                       replaced(SIGNATURES, numbers(0x0a0a, SHA256_P256, 0xfeff)),
                       replaced(VERSIONS, b"\x06\x0a\x0a\x03\x04\x7f\x1c"))}),
    ("unknown suites among others", SERVED,
     {"hello": lambda it: it.cipher_suites.__setitem__(slice(0, 0), [0x0a0a, 0xfefe, 0x00ff])}),
    ("record_size_limit is no obstacle", SERVED, {"hello": replaced(RECORD_LIMIT, b"\x00\x40")}),
    ("compatibility: CCS behind the hello", SERVED,
     {"edit": instead("hello", whole, record(CCS, b"\1"))}),
    ("compatibility: CCS before Finished", SERVED,
     {"edit": instead("finished", record(CCS, b"\1"), whole)}),
    ("legacy_version is not looked at", SERVED, {"hello": having(client_version=(3, 5))}),
    *[(f"records with {count} bytes of padding", SERVED, {"after": padded(count)})
      for count in (1, 255, 10_000, MOST)],
    ("empty records of application data", SERVED, {"after": sends(*[(DATA, b"")] * 20)}),
    ("user_canceled, which is only a warning", SERVED, {"after": sends((ALERT, b"\1\x5a"))}),
    *[(f"KeyUpdate {kind}", SERVED, {"after": key_update(kind)}) for kind in (0, 1)],
    ("twenty times KeyUpdate", SERVED, {"after": lambda peer: [key_update(0)(peer) for _ in range(20)]}),
    ("close_notify is answered", ENDED, {"after": sends((ALERT, b"\1\0"))}),
    ("a record of 16,384 bytes", SERVED, {"after": long_request(MOST)}),

    # The ClientHello (§4.1.2, §4.2).
    ("no version that is known", "protocol_version", {"hello": replaced(VERSIONS, b"\x04\x7f\x1c\x0a\x0a")}),
    ("TLS 1.1 in supported_versions", "protocol_version", {"hello": replaced(VERSIONS, b"\x02\x03\x02")}),
    ("an empty list of versions", "decode_error", {"hello": replaced(VERSIONS, b"\0")}),
    ("another compression as well", "illegal_parameter", {"hello": having(compression_methods=[0, 1])}),
    ("another compression only", "illegal_parameter", {"hello": having(compression_methods=[1])}),
    ("no suite that is known", "handshake_failure", {"hello": having(cipher_suites=[0x1399, 0xfefe])}),
    ("no suites", "decode_error", {"hello": having(cipher_suites=[])}),
    ("a session id of 33 bytes", "decode_error", {"hello": having(session_id=bytearray(33))}),
    ("signature_algorithms is missing", "missing_extension", {"hello": replaced(SIGNATURES)}),
    ("signature_algorithms that are unknown", "handshake_failure",
     {"hello": replaced(SIGNATURES, numbers(0x0a0a, 0xfefe))}),
    ("supported_groups is missing", "missing_extension", {"hello": replaced(GROUPS)}),
    ("key_share is missing", "missing_extension", {"hello": replaced(KEY_SHARE)}),
    ("no group that is known", "handshake_failure",
     {"hello": several(replaced(GROUPS, numbers(0x4444)), replaced(KEY_SHARE, share(0x4444, b"x")))}),
    ("an extension twice", "illegal_parameter", {"hello": replaced(VERSIONS, b"\2\3\4", b"\2\3\4")}),
    ("an extension of no content that has one", "decode_error", {"hello": replaced(GROUPS, b"")}),
    ("an extension with something behind its list", "decode_error",
     {"hello": replaced(GROUPS, numbers(X25519) + b"\0")}),
    ("a list of an odd length", "decode_error", {"hello": replaced(GROUPS, b"\0\3\0\x1d\0")}),
    ("a hello that is a byte short", "decode_error",
     {"edit": bytes_of("hello", lambda content: message(1, content[4:-1]))}),
    ("a hello with a byte behind it", "decode_error",
     {"edit": bytes_of("hello", lambda content: message(1, content[4:] + b"\0"))}),
    ("a share of 31 bytes for X25519", "illegal_parameter",
     {"hello": replaced(KEY_SHARE, share(X25519, bytes(31)))}),
    ("a share of zeros for X25519", "illegal_parameter",
     {"hello": replaced(KEY_SHARE, share(X25519, bytes(32)))}),
    ("a share that is no point of P-256", "illegal_parameter",
     {"hello": p256(b"\4" + b"\1" * 64)}),
    ("a share of P-256 that is compressed", "illegal_parameter",
     {"hello": p256(b"\2" + b"\1" * 32)}),
    ("pre_shared_key without its modes", "missing_extension",
     {"hello": several(replaced(PSK_MODES), added((PSK, b"\0\7\0\1a\0\0\0\0\0\x21\x20" + bytes(32)),
                                                  last=True))}),
    ("pre_shared_key that is not the last", "illegal_parameter",
     {"hello": added((PSK, b"\0\7\0\1a\0\0\0\0\0\x21\x20" + bytes(32)))}),
    ("a key that is unknown", SERVED,
     {"hello": added((PSK, b"\0\7\0\1a\0\0\0\0\0\x21\x20" + bytes(32)), last=True)}),
    ("a second hello that asks for something else", "illegal_parameter",
     {"keyShares": [], "hello": lambda it, seen=[]: seen.append(1) or len(seen) > 1
      and having(cipher_suites=[0x1303])(it)}),
    ("a second hello without the share that was asked for", "illegal_parameter",
     {"keyShares": [], "hello": lambda it, seen=[]: seen.append(1) or len(seen) % 2 == 0
      and replaced(KEY_SHARE, b"\0\0")(it)}),

    # Messages in the wrong order, doubled, or cut (§4, §5.1).
    ("Finished as the first message", "unexpected_message",
     {"edit": instead("hello", (HANDSHAKE, message(FINISHED, bytes(32))))}),
    ("application data as the first record", "unexpected_message",
     {"edit": instead("hello", (DATA, b"GET / HTTP/1.1\r\n"))}),
    ("a second hello that nobody asked for", "unexpected_message",
     again(before=True)),
    ("Finished of other content", "decrypt_error", {"edit": bytes_of("finished", flipped(-1))}),
    ("Finished of other content at its begin", "decrypt_error", {"edit": bytes_of("finished", flipped(4))}),
    ("Finished that is a byte short", "decode_error",
     {"edit": bytes_of("finished", lambda content: message(FINISHED, content[4:-1]))}),
    ("Finished with a byte behind it", "decode_error",
     {"edit": bytes_of("finished", lambda content: message(FINISHED, content[4:] + b"\0"))}),
    ("an empty Finished", "decode_error", {"edit": instead("finished", (HANDSHAKE, message(FINISHED)))}),
    # The keys have changed between the two.
    ("Finished twice", "bad_record_mac", {"edit": instead("finished", whole, whole)}),
    ("Finished without encryption", "unexpected_message",
     {"edit": instead("finished", lambda content: record(HANDSHAKE, content))}),
    ("a certificate that nobody asked for", "unexpected_message",
     {"edit": instead("finished", (HANDSHAKE, message(CERTIFICATE, b"\0\0\0\0")), whole)}),
    ("CertificateVerify that nobody asked for", "unexpected_message",
     {"edit": instead("finished", (HANDSHAKE, message(VERIFY, b"\4\3\0\0")), whole)}),
    ("EndOfEarlyData without early data", "unexpected_message",
     {"edit": instead("finished", (HANDSHAKE, message(END_OF_EARLY_DATA)), whole)}),
    ("application data in the place of Finished", "unexpected_message",
     {"edit": instead("finished", (DATA, b"GET / HTTP/1.1\r\n"))}),
    ("KeyUpdate in the place of Finished", "unexpected_message",
     {"edit": instead("finished", (HANDSHAKE, message(KEY_UPDATE, b"\0")))}),
    ("application data within the hello", "unexpected_message",
     {"edit": pieces("hello", 100, [(DATA, b"GET")])}),
    ("an alert within the hello", "unexpected_message",
     {"edit": pieces("hello", 100, [(ALERT, b"\1\x5a")])}),
    ("an empty record within the hello", "unexpected_message",
     {"edit": pieces("hello", 100, [record(HANDSHAKE, b"")])}),
    ("application data within Finished", "unexpected_message",
     {"edit": pieces("finished", 10, [(DATA, b"GET")])}),
    ("application data within KeyUpdate", "unexpected_message", {"after": half_of}),

    # change_cipher_spec (§5).
    ("CCS before the hello", "unexpected_message",
     {"edit": instead("hello", record(CCS, b"\1"), whole)}),
    ("CCS of two bytes", "unexpected_message",
     {"edit": instead("finished", record(CCS, b"\1\1"), whole)}),
    ("CCS of another value", "unexpected_message",
     {"edit": instead("finished", record(CCS, b"\2"), whole)}),
    ("CCS behind Finished", "unexpected_message", {"after": sends(record(CCS, b"\1"))}),

    # Records (§5.1, §5.2, §5.4).
    ("a record of an unknown type", "unexpected_message", {"edit": instead("hello", record(99, b"x"))}),
    ("a record of an unknown type under keys", "unexpected_message", {"after": sends((99, b"x"))}),
    ("a heartbeat", "unexpected_message", {"after": sends((HEARTBEAT, b"\1\0\1x" + bytes(16)))}),
    ("a record of no type under keys", "unexpected_message", {"after": sends((0, b""))}),
    ("an empty handshake record", "unexpected_message", {"edit": instead("hello", record(HANDSHAKE, b""), whole)}),
    ("an empty handshake record under keys", "unexpected_message", {"after": sends((HANDSHAKE, b""))}),
    ("an empty alert", "unexpected_message", {"after": sends((ALERT, b""))}),
    ("an alert of a byte", "decode_error", {"after": sends((ALERT, b"\1"))}),
    ("an alert of three bytes", "decode_error", {"after": sends((ALERT, b"\1\0\0"))}),
    ("a record of 16,385 bytes", "record_overflow", {"after": long_request(MOST + 1)}),
    ("a record that announces 16,641 bytes", "record_overflow",
     {"after": sends(record(DATA, bytes(MOST + 257)))}),
    ("a first record that announces 16,385 bytes", "record_overflow",
     {"edit": instead("hello", record(HANDSHAKE, bytes(MOST + 1)))}),
    ("a record without encryption behind the handshake", "unexpected_message",
     {"after": sends(record(HANDSHAKE, message(KEY_UPDATE, b"\0")))}),
    ("an alert without encryption behind the handshake", "unexpected_message",
     {"after": sends(record(ALERT, b"\2\x28"))}),
    *[(f"another bit in byte {at} of a record", "bad_record_mac", {"after": tampered(at)})
      for at in (5, 12, 20, -17, -16, -1)],
    ("a record that is too short for its tag", "bad_record_mac", {"after": sends(record(DATA, bytes(15)))}),
    ("an empty record without encryption", "bad_record_mac", {"after": sends(record(DATA, b""))}),

    # Messages behind the handshake (§4.6).
    ("KeyUpdate of another value", "illegal_parameter", {"after": sends((HANDSHAKE, message(KEY_UPDATE, b"\2")))}),
    ("KeyUpdate of no content", "decode_error", {"after": sends((HANDSHAKE, message(KEY_UPDATE)))}),
    ("KeyUpdate of two bytes", "decode_error", {"after": sends((HANDSHAKE, message(KEY_UPDATE, b"\0\0")))}),
    ("KeyUpdate with more behind it in its record", "unexpected_message",
     {"after": sends((HANDSHAKE, message(KEY_UPDATE, b"\0") * 2))}),
    ("a hello within the session", "unexpected_message", again(before=False)),
    ("a ticket from a client", "unexpected_message", {"after": sends((HANDSHAKE, message(TICKET, bytes(8) + b"\1\0\0\1x\0\0")))}),
    ("an unknown message", "unexpected_message", {"after": sends((HANDSHAKE, message(99, b"x")))}),
    ("a fatal alert is answered by nothing", CLOSED, {"after": sends((ALERT, b"\2\x28"))}),
]

# Known deviations of rustls: the reason for bearing each, the answer, the checks.
KNOWN = [
    ("rustls has handshake_failure for every extension that the hello lacks", "handshake_failure",
     ["signature_algorithms is missing", "supported_groups is missing", "key_share is missing"]),
    ("rustls compares all of Finished, and does not look at its length before", "decrypt_error",
     ["Finished that is a byte short", "Finished with a byte behind it", "an empty Finished"]),
    ("once there are keys, rustls takes every record for an encrypted one", "bad_record_mac",
     ["Finished without encryption", "a record without encryption behind the handshake",
      "an alert without encryption behind the handshake"]),
    ("rustls has no alert for what lies between the parts of a message, and decode_error is the one that "
     "it can be made to send", "decode_error",
     ["application data within the hello", "an alert within the hello", "an empty record within the hello",
      "application data within Finished", "application data within KeyUpdate"]),
    ("rustls has decode_error for types of records that it does not know, and for empty ones", "decode_error",
     ["a record of an unknown type", "a record of an unknown type under keys", "a heartbeat",
      "an empty handshake record", "an empty alert"]),
    ("rustls keeps empty handshake records under keys; how many are kept is bounded", SERVED,
     ["an empty handshake record under keys"]),
    ("rustls waits for records of the length that TLS 1.2 allows", "bad_record_mac",
     ["a record that announces 16,641 bytes"]),
]
