//! The rule of one directory for uploads, as `--upload` says it.

use std::path::PathBuf;

/// A path that takes uploads, and the directory that they go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRule {
    /// The path, without a slash at the end.
    pub path: String,
    /// The directory.
    pub directory: PathBuf,
    /// The rule for a name that is taken; `None` replaces by PUT and numbers by POST.
    pub existing: Option<ExistingName>,
    /// The use of the uploads.
    pub purpose: UploadPurpose,
}

/// The use of the uploads of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadPurpose {
    /// They are kept.
    Keep,
    /// They show that uploading works: a name is not needed, and each answer tells size and digest.
    Show,
}

/// The rule for an upload whose name a file has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExistingName {
    /// The upload is refused with 409.
    Refuse,
    /// The upload gets a name with a number.
    Number,
    /// The upload takes the file's place.
    Replace,
}

impl UploadRule {
    /// Reads `PATH=DIR`, with `,existing=refuse`, `number` or `replace` behind it. The error says what would
    /// be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (path, rest) = text
            .split_once('=')
            .ok_or("there is no '='; write PATH=DIR, such as /incoming=/srv/incoming")?;
        let path = path.trim_end_matches('/');
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
        if !path.starts_with('/') || !path.bytes().all(is_plain) || path.contains("//") {
            return Err("the path begins with a slash and has letters, digits and -_.~".into());
        }
        let (directory, existing) = match rest.rsplit_once(",existing=") {
            None => (rest, None),
            Some((directory, "refuse")) => (directory, Some(ExistingName::Refuse)),
            Some((directory, "number")) => (directory, Some(ExistingName::Number)),
            Some((directory, "replace")) => (directory, Some(ExistingName::Replace)),
            Some(_) => return Err("existing is refuse, number or replace".into()),
        };
        if directory.is_empty() {
            return Err("the directory is missing; write PATH=DIR".into());
        }
        Ok(UploadRule {
            path: path.into(),
            directory: directory.into(),
            existing,
            purpose: UploadPurpose::Keep,
        })
    }

    /// The rule of the demo: `/upload` into this directory, where each file replaces the one before it.
    pub fn demo(directory: PathBuf) -> Self {
        UploadRule {
            path: "/upload".into(),
            directory,
            existing: Some(ExistingName::Replace),
            purpose: UploadPurpose::Show,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_has_a_path_a_directory_and_perhaps_a_policy() {
        let rule = UploadRule::parse("/a/in/=/srv/x=y,existing=refuse").unwrap();
        assert_eq!(rule.path, "/a/in");
        assert_eq!(rule.directory, PathBuf::from("/srv/x=y"));
        assert_eq!(rule.existing, Some(ExistingName::Refuse));
        assert_eq!(UploadRule::parse("/in=d").unwrap().existing, None);
        for text in [
            "",
            "/in",
            "in=d",
            "/=d",
            "/in=",
            "/a b=d",
            "/a//b=d",
            "/in=d,existing=no",
        ] {
            assert!(UploadRule::parse(text).is_err(), "{text}");
        }
    }
}
