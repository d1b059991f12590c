"""TLS by a peer that breaks its rules: each of some two hundred conversations ends as its RFC says, or
as is written down with the reason; and the server is there afterwards."""

import http.client
import random
import ssl

import tls12
import tls13
from harness import Server, expect, expect_equal
from tls_peer import CLOSED, DATA, HANDSHAKE, SERVED, SILENT, Peer, bare, message, record

# Mutated hellos, and records of chance behind a handshake; the long run has more of both.
HELLOS, RECORDS = 300, 200
LONG = 20


def checks(report, binary):
    """All checks of this group."""
    run(report, binary, 1)


def long_checks(report, binary):
    """With many more of what is left to chance."""
    run(report, binary, LONG)


def run(report, binary, times):
    """All checks of both groups."""
    with Server(binary) as server:
        for name, module in ("TLS 1.3", tls13), ("TLS 1.2", tls12):
            with report.check(f"{name}: what is wrong has its alert, what is right is served") as figure:
                figure.append(conversations(server, module))
            with report.check(f"{name}: sessions are resumed, and spoilt tickets are not") as figure:
                figure.append(resumption(server, module.VERSION))
            with report.check(f"{name}: {RECORDS * times} records of chance behind the handshake") as figure:
                figure.append(chance(server, module.VERSION, RECORDS * times))
        with report.check("TLS 1.3: early data that nobody agreed on is skipped"):
            early_data(server)
        with report.check(f"{HELLOS * times} hellos with bytes changed, lost and added") as figure:
            figure.append(mutated(server, HELLOS * times))
        with report.check("after all of that the server ends with exit code 0"):
            expect_equal(server.terminate(), 0, "the exit code")
            expect("panicked" not in server.output(), server.output()[-1000:])


def serves(server):
    """Sees that the server serves others."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", server.tls_port, timeout=10, context=context)
    try:
        connection.request("GET", "/")
        expect_equal(connection.getresponse().status, 200, "the status for another client")
    finally:
        connection.close()


def conversations(server, module):
    """All conversations of a version."""
    known = {name: (what, reason) for reason, what, names in module.KNOWN for name in names}
    named = {name for name, *_ in module.CASES}
    expect_equal(len(named), len(module.CASES), "the number of names")
    expect_equal(set(known) - named, set(), "what is known of no conversation")
    wrong = []
    for name, expected, options in module.CASES:
        how = dict(options)
        after = how.pop("after", None)
        try:
            with Peer(server.tls_port, module.VERSION, **how) as peer:
                got = peer.outcome(after)
        except Exception as error:  # whatever it is, the conversation went another way
            got = repr(error)
        what, _ = known.get(name, (expected, None))
        if got != what:
            wrong.append(f"{name}: {got}, not {what}")
            if got == expected:
                wrong[-1] = f"{name}: as it should be now: take it from the list of what is known"
        serves(server)
    expect(not wrong, f"{len(wrong)} of {len(named)}: {'; '.join(wrong)}")
    return f"{len(named)} conversations, {len(known)} of them known to end otherwise"


def resumption(server, version):
    """Tickets: as they came, and in TLS 1.3 with another bit: tlslite-ng takes a ServerHello that promises
    a ticket for a resumption in TLS 1.2."""
    def session():
        with Peer(server.tls_port, version) as peer:
            expect_equal(peer.outcome(), SERVED, "the first connection")
            return peer.tls.session

    def tickets(of):
        return of.tickets if version > (3, 3) else of.tls_1_0_tickets

    first = session()
    expect_equal(len(tickets(first)), 1, "the number of tickets")
    with Peer(server.tls_port, version, session=first) as peer:
        expect_equal(peer.outcome(), SERVED, "the second connection")
        expect(peer.tls.resumed, "it was not resumed")
    if version == (3, 3):
        return "a ticket"
    spoilt = session()
    for ticket in tickets(spoilt):
        ticket.ticket[20] ^= 1
    with Peer(server.tls_port, version, session=spoilt) as peer:
        expect_equal(peer.outcome(), SERVED, "a connection with a spoilt ticket")
        expect(not peer.tls.resumed, "it was resumed")
    # The binder is what shows that the client has the key of its ticket (RFC 8446 §4.2.11.2).
    edit = tls13.bytes_of("hello", tls13.flipped(-1))
    with Peer(server.tls_port, version, session=session(), edit=edit) as peer:
        expect_equal(peer.outcome(), "decrypt_error", "what a wrong binder gets")
    return "a ticket, a spoilt one, a wrong binder"


def early_data(server):
    """Records under keys that the server cannot have (RFC 8446 §4.2.10). Few of them: rustls 0.23.46 looks at
    them anew whenever more comes, and counts them each time, up to 16 KiB."""
    psk = b"\0\7\0\1a\0\0\0\0\0\x21\x20" + bytes(32)
    garbage = [record(DATA, random.Random(at).randbytes(100 + at)) for at in range(3)]
    hello = tls13.added((tls13.EARLY_DATA,), (tls13.PSK, psk), last=True)
    edit = tls13.instead("hello", lambda content: (HANDSHAKE, content), *garbage)
    with Peer(server.tls_port, tls13.VERSION, hello=hello, edit=edit) as peer:
        expect_equal(peer.outcome(), SERVED, "what comes of it")


def chance(server, version, count):
    """Records of any type and content under the keys of a session: an alert, or nothing at all."""
    outcomes = {}
    for seed in range(count):
        dice = random.Random(seed)
        kind = dice.choice([0, 20, 21, 22, 22, 22, 23, 24, dice.randrange(256)])
        content = dice.randbytes(dice.choice([0, 1, 2, 4, 10, 100, 1000, 16_000]))
        if kind == HANDSHAKE and dice.random() < 0.7:
            content = message(dice.choice([0, 1, 2, 4, 5, 8, 11, 15, 16, 20, 24, 254]), content)
        with Peer(server.tls_port, version) as peer:
            got = peer.outcome(tls13.sends((kind, content)))
        # What begins a message that does not end is waited for.
        expect(got != SILENT or kind == HANDSHAKE, f"seed {seed}: type {kind}, {len(content)} bytes: {got}")
        outcomes[got] = outcomes.get(got, 0) + 1
        if seed % 20 == 0:
            serves(server)
    serves(server)
    return told(outcomes)


def mutated(server, count):
    """Hellos with bytes changed: all have an answer, an alert, or the end of the connection."""
    hellos = []
    for module in tls13, tls12:
        with Peer(server.tls_port, module.VERSION,
                  edit=tls13.instead("hello", lambda content: hellos.append(content))) as peer:
            try:
                peer.handshake()
            except TypeError:
                pass  # nothing was sent
    outcomes = {}
    for seed in range(count):
        dice = random.Random(seed)
        hello = bytearray(hellos[seed % 2])
        for _ in range(dice.choice([1, 1, 2, 5, 20])):
            at = dice.randrange(len(hello))
            kind = dice.randrange(4)
            if kind == 0:
                hello[at] ^= 1 << dice.randrange(8)
            elif kind == 1:
                hello[at:at + 1] = dice.randbytes(dice.choice([1, 2, 100]))
            elif kind == 2:
                del hello[at:at + dice.choice([1, 2, 50])]
            else:
                hello[at] = dice.choice([0, 1, 0x7f, 0x80, 0xff])
        if dice.random() < 0.7:
            # Its length is right, so that what lies deeper is reached.
            hello[:4] = b"\1" + (len(hello) - 4).to_bytes(3, "big")
        size = dice.choice([len(hello), len(hello), 1, 7, 100])
        data = b"".join(record(HANDSHAKE, hello[at:at + size]) for at in range(0, len(hello), size))
        got = bare(server.tls_port, data)
        expect(got != SILENT, f"seed {seed}: neither an answer nor the end of the connection")
        outcomes[got] = outcomes.get(got, 0) + 1
        if seed % 20 == 0:
            serves(server)
    serves(server)
    expect(outcomes.get("decode_error", 0) > count / 20 and outcomes.get("an answer", 0) > count / 20,
           told(outcomes))
    return told(outcomes)


def told(outcomes):
    """The outcomes by their numbers."""
    return ", ".join(f"{count} {what}" for what, count in sorted(outcomes.items(), key=lambda it: -it[1]))
