//! The answer to plain HTTP on a port that speaks TLS, as an operator or a visitor sees it who wrote
//! `http://` for `https://`.

/// Bytes that a link is made of as they are: none of them means anything in HTML (RFC 3986 §2).
const LINK: &[u8] = b"-._~:/?@!$()*+,;=%[]";

/// The answer to bytes that begin a request of HTTP/1; none if they do not. A client that begins with
/// HTTP/2 could not read it. Behind it the length of its content.
pub(super) fn answer(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    // A record of TLS begins with a number below 32 (RFC 8446 §5.1).
    let method = bytes.split(|byte| *byte == b' ').next()?;
    let is_request = method.len() >= 3
        && method != b"PRI"
        && method.len() < bytes.len()
        && method
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || *byte == b'-');
    if !is_request {
        return None;
    }
    let link = link(bytes).map(|link| format!(" Try <a href=\"{link}\">{link}</a>."));
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>400 Bad Request</title>\n\
         <h1>400 Bad Request</h1>\n<p>Plain HTTP was sent to a port that speaks HTTPS.{}</p>\n</html>\n",
        link.unwrap_or_default()
    );
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/html; charset=utf-8\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        page.len()
    );
    let content = if method == b"HEAD" { "" } else { &page };
    let answer = [head.as_bytes(), content.as_bytes()].concat();
    Some((answer, content.len()))
}

/// The address that was meant, if the request says so far what it is, and in harmless bytes.
fn link(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let target = words.nth(1).filter(|target| target.starts_with('/'))?;
    words
        .next()
        .filter(|version| version.starts_with("HTTP/1"))?;
    let host = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("host"))?;
    let host = host.1.trim();
    let is_harmless = |text: &str| {
        let mut bytes = text.bytes();
        bytes.all(|byte| byte.is_ascii_alphanumeric() || LINK.contains(&byte))
    };
    let is_host = !host.is_empty() && !host.contains(['/', '?', '@']);
    (is_host && is_harmless(host) && is_harmless(target)).then(|| format!("https://{host}{target}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(request: &str) -> String {
        let (answer, _) = answer(request.as_bytes()).unwrap_or_default();
        String::from_utf8(answer).unwrap()
    }

    #[test]
    fn a_request_is_told_from_a_record_and_answered_with_the_address_that_was_meant() {
        let text = said("GET /a?b=c HTTP/1.1\r\nUser-Agent: x\r\nhOsT:  a.test:8443 \r\n\r\n");
        assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
        assert!(
            text.contains("<a href=\"https://a.test:8443/a?b=c\">"),
            "{text}"
        );
        let (head, page) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", page.len())));
        for request in ["GET /", "POST /a HTTP/1.1\r\nHos"] {
            let text = said(request);
            assert!(
                text.starts_with("HTTP/1.1 400 ") && !text.contains("href"),
                "{text}"
            );
        }
        assert!(said("HEAD / HTTP/1.1\r\n").ends_with("\r\n\r\n"));
        for other in [
            "",
            "GET",
            "GE",
            "\x16\x03\x01 ",
            "SSH-2.0-x\r\n",
            "lower case",
            "PRI * HTTP/2.0\r\n",
        ] {
            assert_eq!(said(other), "", "{other:?}");
        }
    }

    #[test]
    fn what_could_mean_something_in_html_is_not_repeated() {
        for request in [
            "GET /<script> HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET /\" HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET /& HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test/evil\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x@evil\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: <b>\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        ] {
            let text = said(request);
            assert!(
                text.starts_with("HTTP/1.1 400 ") && !text.contains("href"),
                "{text}"
            );
        }
    }
}
