//! Documents that the program prints: settings of other programs that go with a calmd.

use std::ffi::OsString;

/// A document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Document {
    /// Alert rules for Prometheus.
    Alerts,
    /// A dashboard for Grafana.
    Grafana,
}

impl Document {
    const ALL: [Document; 2] = [Document::Alerts, Document::Grafana];

    fn name(self) -> &'static str {
        match self {
            Document::Alerts => "alerts",
            Document::Grafana => "grafana",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Document::Alerts => {
                "Alert rules for Prometheus, which scrapes --metrics as the job calmd"
            }
            Document::Grafana => "A dashboard for Grafana over that Prometheus, to be imported",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Document::Alerts => include_str!("print/alerts.yml"),
            Document::Grafana => include_str!("print/grafana.json"),
        }
    }
}

/// The text that `calmd print` with these arguments, behind that word, prints. The error is a sentence.
pub(super) fn text(args: &[OsString]) -> Result<String, String> {
    let is_help = |arg: &OsString| arg == "-h" || arg == "--help";
    match args {
        [] => Err(format!("the document is missing: {}", usage())),
        [help, ..] if is_help(help) => Ok(help_text()),
        [name] => {
            let found = Document::ALL.into_iter().find(|it| name == it.name());
            let found = found.map(|document| document.text().to_owned());
            found.ok_or_else(|| {
                let name = name.to_string_lossy().replace(char::is_control, " ");
                format!("there is no document '{name}': {}", usage())
            })
        }
        [_, ..] => Err(format!("one document at a time: {}", usage())),
    }
}

fn usage() -> String {
    let names = Document::ALL.map(Document::name).join(" or ");
    format!("write calmd print {names}")
}

fn help_text() -> String {
    let mut text = String::from("Usage: calmd print DOCUMENT\n\nDocuments:\n");
    for document in Document::ALL {
        text.push_str(&format!("  {:<9} {}\n", document.name(), document.about()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(args: &[&str]) -> Result<String, String> {
        text(&args.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn documents_are_printed_by_their_names() {
        for document in Document::ALL {
            assert_eq!(print(&[document.name()]).as_deref(), Ok(document.text()));
            let help = print(&["--help"]).unwrap();
            assert!(help.contains(document.name()), "{help}");
        }
        assert!(print(&["alerts"]).unwrap().contains("alert: CalmdDown"));
        let dashboard = print(&["grafana"]).unwrap();
        let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
        assert_eq!(dashboard["title"], "calmd");
        let panels = dashboard["panels"].as_array().unwrap();
        assert!(
            panels
                .iter()
                .all(|panel| panel["targets"][0]["expr"].is_string())
        );
    }

    #[test]
    fn a_wrong_name_is_told_what_would_be_right() {
        for (args, part) in [
            (&[][..], "the document is missing"),
            (&["alarms"], "there is no document 'alarms'"),
            (&["alerts", "grafana"], "one document at a time"),
        ] {
            let problem = print(args).unwrap_err();
            assert!(problem.contains(part), "{problem}");
            assert!(
                problem.ends_with("write calmd print alerts or grafana"),
                "{problem}"
            );
        }
    }
}
