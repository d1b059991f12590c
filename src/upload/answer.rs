//! The answer to an upload that was stored: a page for a person, JSON for a program.

use serde_json::{Value, json};

use super::digest::UploadDigest;
use super::page;
use crate::http::Fields;

/// A file that was stored.
#[derive(Clone, Debug)]
pub(super) struct StoredFile {
    pub(super) name: String,
    pub(super) len: u64,
    pub(super) digest: Option<UploadDigest>,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerForm {
    /// A page.
    Page,
    /// JSON.
    Json,
}

impl AnswerForm {
    /// The form that the sender of these fields reads. Browsers name HTML, programs do not.
    pub(super) fn wanted(fields: &Fields) -> Self {
        let accepted = fields.value("accept").unwrap_or_default();
        if accepted.windows(9).any(|window| window == b"text/html") {
            AnswerForm::Page
        } else {
            AnswerForm::Json
        }
    }
}

/// The fields and the content of the answer to files that were stored beneath this path.
pub(super) fn stored(
    form: AnswerForm,
    status: u16,
    path: &str,
    files: &[StoredFile],
) -> (Fields, Vec<u8>) {
    let mut fields = Fields::new();
    fields.push(b"cache-control", b"no-store");
    fields.push(b"vary", b"accept");
    if let [file] = files {
        fields.push(b"location", location(path, file).as_bytes());
    }
    if status == 204 {
        // Without content, the field is about the file (RFC 9530 §3.2).
        if let [
            StoredFile {
                digest: Some(digest),
                ..
            },
        ] = files
        {
            fields.push(b"repr-digest", digest.field().as_bytes());
        }
        return (fields, Vec::new());
    }
    let (content_type, content) = match form {
        AnswerForm::Page => {
            let names = files.iter().map(|file| file.name.as_str());
            ("text/html; charset=utf-8", page::stored(path, names))
        }
        AnswerForm::Json => ("application/json", json_of(path, files)),
    };
    fields.push(b"content-type", content_type.as_bytes());
    fields.push(b"content-length", content.len().to_string().as_bytes());
    (fields, content.into_bytes())
}

fn location(path: &str, file: &StoredFile) -> String {
    format!("{path}/{}", page::encode(&file.name))
}

fn json_of(path: &str, files: &[StoredFile]) -> String {
    let files = files.iter().map(|file| {
        let mut shown = json!({
            "name": file.name,
            "location": location(path, file),
            "size": file.len,
        });
        if let (Some(digest), Value::Object(members)) = (&file.digest, &mut shown) {
            members.insert("sha-256".into(), digest.hexadecimal().into());
        }
        shown
    });
    let files: Vec<_> = files.collect();
    format!("{:#}\n", json!({ "files": files }))
}

#[cfg(test)]
mod tests {
    use super::super::digest::DigestState;
    use super::*;

    fn file(digest: Option<UploadDigest>) -> StoredFile {
        StoredFile {
            name: "a b".into(),
            len: 5,
            digest,
        }
    }

    #[test]
    fn a_program_reads_json_and_a_browser_a_page() {
        let mut fields = Fields::new();
        fields.push(b"accept", b"*/*");
        assert_eq!(AnswerForm::wanted(&fields), AnswerForm::Json);
        let mut fields = Fields::new();
        fields.push(b"accept", b"text/html,application/xhtml+xml,*/*;q=0.8");
        assert_eq!(AnswerForm::wanted(&fields), AnswerForm::Page);
        let digest = Some(DigestState::default().finish());
        let (fields, content) = stored(AnswerForm::Json, 201, "/in", &[file(digest)]);
        assert_eq!(fields.value("location"), Some(&b"/in/a%20b"[..]));
        let shown: Value = serde_json::from_slice(&content).unwrap();
        let shown = &shown["files"][0];
        assert_eq!(shown["name"], "a b");
        assert_eq!(shown["size"], 5);
        assert_eq!(shown["sha-256"].as_str().map(str::len), Some(64));
    }

    #[test]
    fn an_answer_without_content_has_the_digest_of_the_file() {
        let digest = DigestState::default().finish();
        let (fields, content) = stored(AnswerForm::Json, 204, "/in", &[file(Some(digest))]);
        assert!(content.is_empty());
        assert_eq!(fields.value("repr-digest"), Some(digest.field().as_bytes()));
        let (fields, _) = stored(AnswerForm::Json, 204, "/in", &[file(None)]);
        assert_eq!(fields.value("repr-digest"), None);
    }
}
