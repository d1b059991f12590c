//! The pages of a directory for uploads.

use super::{names, send, server};

/// The value of a field of an answer.
fn field<'a>(answer: &'a str, name: &str) -> &'a str {
    let line = answer.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|rest| rest.strip_prefix(": "));
    value.unwrap_or_else(|| panic!("no {name}: {answer}"))
}

#[test]
fn the_page_and_its_files_come_under_a_policy_that_runs_nothing_else() {
    let (server, _directory) = server(&["--header", "Content-Security-Policy: default-src *"]);
    let page = server.request("GET /in/ HTTP/1.1");
    assert_eq!(field(&page, "content-type"), "text/html; charset=utf-8");
    let policy = field(&page, "content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
        "{policy}"
    );
    assert!(
        !policy.contains("unsafe") && !policy.contains('*'),
        "{policy}"
    );
    assert!(!page.contains("content-disposition"), "{page}");
    let addresses: Vec<_> = page
        .split('"')
        .filter(|part| part.starts_with("/in/?"))
        .collect();
    assert_eq!(addresses.len(), 2, "{page}");
    for (address, media_type) in addresses.iter().zip(["text/css", "text/javascript"]) {
        let file = server.request(&format!("GET {address} HTTP/1.1"));
        assert!(file.starts_with("HTTP/1.1 200 "), "{file}");
        assert_eq!(
            field(&file, "content-type"),
            format!("{media_type}; charset=utf-8")
        );
        assert_eq!(field(&file, "x-content-type-options"), "nosniff");
        assert!(field(&file, "cache-control").contains("immutable"));
    }
}

#[test]
fn a_browser_is_answered_with_a_page_and_not_with_a_download() {
    let (server, directory) = server(&[]);
    let form =
        "--b\r\nContent-Disposition: form-data; name=f; filename=\"<b>.txt\"\r\n\r\nx\r\n--b--\r\n";
    let head = "POST /in/ HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\n\
                Accept: text/html,*/*;q=0.8\r\nSec-Fetch-Site: same-origin";
    let answer = send(&server, head, form.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert!(!answer.contains("content-disposition"), "{answer}");
    assert!(
        answer.contains("<a href=\"/in/_b_.txt\">_b_.txt</a>"),
        "{answer}"
    );
    assert_eq!(names(&directory), ["_b_.txt"]);
    let file = server.request("GET /in/_b_.txt HTTP/1.1");
    assert_eq!(field(&file, "content-disposition"), "attachment");
    assert!(field(&file, "content-security-policy").starts_with("sandbox"));
}
