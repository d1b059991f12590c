//! Malformed responses, and field blocks that cannot be decoded.

use super::*;

fn malformed(section: &'static str, sentence: &'static str) -> ServerCase {
    case(section, sentence, Stream(1, PROTOCOL_ERROR))
}

/// A response of the given fields alone.
fn of(fields: &[(&str, &str)]) -> Vec<u8> {
    headers(1, END, &block(fields))
}

/// Cases of §8.
pub fn cases() -> Vec<ServerCase> {
    [framing(), fields(), pseudo()]
        .into_iter()
        .flatten()
        .collect()
}

/// Cases of §8.1, §8.1.1 and §8.6.
fn framing() -> Vec<ServerCase> {
    let early = |status| headers(1, END_HEADERS, &block(&[(":status", status), ("x", "y")]));
    let promising = |length| headers(1, END_HEADERS, &response(&[("content-length", length)]));
    let trailers = |flags, fields: &[(&str, &str)]| headers(1, flags, &block(fields));
    vec![
        malformed("8.1", "DATA before HEADERS").send(data(1, 0, b"x")),
        malformed("8.1", "trailers that do not end the stream")
            .send(head(1))
            .send(trailers(END_HEADERS, &[("x", "y")])),
        malformed("8.1", "a second response")
            .send(head(1))
            .send(head(1)),
        malformed("8.1", "an informational response that ends the stream")
            .send(of(&[(":status", "103")])),
        malformed("8.1", "an informational response behind the final one")
            .send(head(1))
            .send(early("103")),
        malformed("8.1", "a pseudo-header field among trailers")
            .send(head(1))
            .send(trailers(END, &[(":status", "200")])),
        case("8.1", "three informational responses and trailers", Taken)
            .send(early("100"))
            .send(early("103"))
            .send(early("103"))
            .send(head(1))
            .send(data(1, 0, CONTENT))
            .send(trailers(END, &[("x-checksum", "ok")])),
        case("8.1", "RST_STREAM NO_ERROR behind a whole response", Taken)
            .answer()
            .send(rst_stream(1, 0)),
        malformed("8.1.1", "more content than content-length")
            .send(promising("4"))
            .send(data(1, END_STREAM, CONTENT)),
        malformed("8.1.1", "less content than content-length")
            .send(promising("6"))
            .send(data(1, END_STREAM, CONTENT)),
        malformed("8.1.1", "no content although content-length promises some")
            .send(of(&[(":status", "200"), ("content-length", "1")])),
        malformed("8.1.1", "a content-length that is no number").send(promising("five")),
        malformed("8.1.1", "two values of content-length").send(headers(
            1,
            END_HEADERS,
            &response(&[("content-length", "5"), ("content-length", "6")]),
        )),
        case("8.1.1", "content as long as content-length", Taken)
            .send(promising("5"))
            .send(data(1, 0, b"hel"))
            .send(data(1, END_STREAM, b"lo")),
        malformed("8.6", "101").send(early("101")),
    ]
}

/// Cases of §8.2.
fn fields() -> Vec<ServerCase> {
    let with = |section, sentence, name: &str, value: &str| {
        malformed(section, sentence).send(headers(1, END, &response(&[(name, value)])))
    };
    vec![
        with("8.2", "a field name in uppercase", "X-Test", "ok"),
        with("8.2.1", "a field name with a space", "x y", "ok"),
        with("8.2.1", "an empty field name", "", "ok"),
        with("8.2.1", "a field value with NUL", "x", "a\0b"),
        with("8.2.1", "a field value with CR LF", "x", "a\r\nb: c"),
        case(
            "8.2.1",
            "field values within blanks, as curl takes them",
            Taken,
        )
        .send(headers(
            1,
            END_HEADERS,
            &response(&[("x", " a"), ("content-length", "5 "), ("y", "\t\t")]),
        ))
        .send(data(1, END_STREAM, b"hello")),
        with("8.2.2", "connection", "connection", "close"),
        with("8.2.2", "keep-alive", "keep-alive", "timeout=5"),
        with("8.2.2", "proxy-connection", "proxy-connection", "close"),
        with("8.2.2", "transfer-encoding", "transfer-encoding", "chunked"),
        with("8.2.2", "upgrade", "upgrade", "h2c"),
        malformed("8.2.2", "connection among trailers")
            .send(head(1))
            .send(headers(1, END, &block(&[("connection", "close")]))),
    ]
}

/// Cases of §8.3.
fn pseudo() -> Vec<ServerCase> {
    vec![
        malformed("8.3", "a pseudo-header field that nobody knows")
            .send(of(&[(":status", "200"), (":test", "ok")])),
        malformed("8.3", "a pseudo-header field of requests")
            .send(of(&[(":status", "200"), (":path", "/")])),
        malformed("8.3", "a pseudo-header field behind a field")
            .send(of(&[("x", "y"), (":status", "200")])),
        malformed("8.3.2", "no :status").send(of(&[("x", "y")])),
        malformed("8.3.2", "a response without any field").send(headers(1, END, b"")),
        malformed("8.3.2", ":status twice").send(of(&[(":status", "200"), (":status", "200")])),
        malformed("8.3.2", ":status of two digits").send(of(&[(":status", "20")])),
        malformed("8.3.2", ":status of four digits").send(of(&[(":status", "2000")])),
        malformed("8.3.2", ":status that is no number").send(of(&[(":status", "2xx")])),
        malformed("8.3.2", ":status below 100").send(of(&[(":status", "099")])),
    ]
}

/// Cases of RFC 7541, and blocks that are legal by its letter but abusive (RFC 9113 §10.5).
pub fn blocks() -> Vec<ServerCase> {
    let wrong = |section, sentence, bytes: &[u8]| {
        let block = [&response(&[])[..], bytes].concat();
        case(section, sentence, Connection(COMPRESSION_ERROR)).send(headers(1, END, &block))
    };
    let in_front = |bytes: &[u8]| headers(1, END_HEADERS, &[bytes, &response(&[])].concat());
    let calm = |sentence| case("9113 10.5", sentence, Connection(ENHANCE_YOUR_CALM));
    vec![
        wrong("2.3.3", "an index beyond both tables", &[0xc6]),
        wrong("4.2", "a table size update behind a field", &[0x20]),
        wrong(
            "5.1",
            "an integer beyond 32 bits",
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        ),
        wrong(
            "5.2",
            "a string that is cut short",
            &[0x00, 1, b'x', 5, b'a'],
        ),
        wrong(
            "5.2",
            "Huffman padding of more than seven bits",
            &[0x00, 0x84, 0x49, 0x50, 0x9f, 0xff, 1, b'y'],
        ),
        wrong("6.1", "index 0", &[0x80]),
        case(
            "6.3",
            "a table size beyond SETTINGS_HEADER_TABLE_SIZE",
            Connection(COMPRESSION_ERROR),
        )
        .send(in_front(&[0x3f, 0xe2, 0x1f])),
        case("6.3", "two table size updates in front", Taken)
            .send(in_front(&[0x20, 0x3f, 0xe1, 0x1f]))
            .send(data(1, END_STREAM, CONTENT)),
        calm("300 PINGs at once").send(ping(0, b"floodfld").repeat(300)),
        calm("300 SETTINGS at once").send(settings(&[]).repeat(300)),
        calm("200 empty DATA frames")
            .send(head(1))
            .send(data(1, 0, b"").repeat(200)),
        calm("100 KiB of frames of unknown types")
            .send(raw_h2::frame(0xbb, 0, 0, &[0; 1_015]).repeat(100)),
        calm("CONTINUATION without end")
            .send(headers(1, 0, &response(&[])))
            .send(continuation(1, 0, &block(&[("x", "y")])).repeat(40)),
    ]
}
