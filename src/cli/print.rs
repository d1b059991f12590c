//! Documents that the program prints: settings of other programs that go with a calmd, its manual page, and
//! completions.
//!
//! To add one: a variant of `Document`, its name, its line of help, and its text, which is a file in
//! `src/cli/print/` or is made of the table of settings. The program that it is for reads it in
//! `tests/interop`.

mod completions;
mod manual;

use std::borrow::Cow;
use std::ffi::OsString;

/// A document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Document {
    /// Units of systemd: the service with its two sockets.
    Systemd,
    /// Units of systemd for several processes on the same ports.
    SystemdSeveral,
    /// A deployment for Kubernetes.
    Kubernetes,
    /// A recipe for an image of a container.
    Containerfile,
    /// Alert rules for Prometheus.
    Alerts,
    /// A dashboard for Grafana.
    Grafana,
    /// The manual page.
    Man,
    /// Completions for bash.
    Bash,
    /// Completions for fish.
    Fish,
    /// Completions for zsh.
    Zsh,
}

impl Document {
    const ALL: [Document; 10] = [
        Document::Systemd,
        Document::SystemdSeveral,
        Document::Kubernetes,
        Document::Containerfile,
        Document::Alerts,
        Document::Grafana,
        Document::Man,
        Document::Bash,
        Document::Fish,
        Document::Zsh,
    ];

    /// The words that name it on the command line.
    fn name(self) -> &'static str {
        match self {
            Document::Systemd => "systemd",
            Document::SystemdSeveral => "systemd-several",
            Document::Kubernetes => "kubernetes",
            Document::Containerfile => "containerfile",
            Document::Alerts => "alerts",
            Document::Grafana => "grafana",
            Document::Man => "man",
            Document::Bash => "completions bash",
            Document::Fish => "completions fish",
            Document::Zsh => "completions zsh",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Document::Systemd => {
                "Units for systemd: a service with few rights, and its two sockets"
            }
            Document::SystemdSeveral => {
                "These units as templates, for several processes on the same ports"
            }
            Document::Kubernetes => {
                "Manifests for Kubernetes: a deployment with probes, its service"
            }
            Document::Containerfile => {
                "A recipe for the image of a container: the binary and a site"
            }
            Document::Alerts => {
                "Alert rules for Prometheus, which scrapes --metrics as the job calmd"
            }
            Document::Grafana => "A dashboard for Grafana over that Prometheus, to be imported",
            Document::Man => "The manual page",
            Document::Bash => "Completions for bash, to be sourced",
            Document::Fish => "Completions for fish, to be sourced",
            Document::Zsh => "Completions for zsh, a function _calmd in a directory of fpath",
        }
    }

    fn text(self) -> Cow<'static, str> {
        match self {
            Document::Systemd => UNITS.into(),
            Document::SystemdSeveral => several(UNITS).into(),
            Document::Kubernetes => include_str!("print/kubernetes.yaml").into(),
            Document::Containerfile => include_str!("print/Containerfile").into(),
            Document::Alerts => include_str!("print/alerts.yml").into(),
            Document::Grafana => include_str!("print/grafana.json").into(),
            Document::Man => manual::page().into(),
            Document::Bash => completions::bash().into(),
            Document::Fish => completions::fish().into(),
            Document::Zsh => completions::zsh().into(),
        }
    }
}

/// The service, and its sockets.
const UNITS: &str = concat!(
    include_str!("print/calmd.service"),
    "\n",
    include_str!("print/calmd.socket"),
    "\n",
    include_str!("print/calmd-tls.socket"),
);

/// Lines of these units that differ where they are templates. The sockets of all processes have the same ports
/// (`ReusePort=`); one user keeps the state of all; certificate and keys are passed by systemd, since the user, who
/// exists while they run alone, owns nothing.
const DIFFERENCES: [(&str, &str); 8] = [
    (
        "# /etc/systemd/system/calmd.service\n#\n",
        "# /etc/systemd/system/calmd@.service\n#\n\
         # One of several processes: systemctl enable --now calmd@{1..4}.service. Certificate and keys are read at the\n\
         # start: systemctl restart calmd@1.service, then the next; connections wait meanwhile in their sockets.\n#\n",
    ),
    ("system/calmd.socket\n", "system/calmd@.socket\n"),
    ("system/calmd-tls.socket\n", "system/calmd-tls@.socket\n"),
    (
        "calmd.socket calmd-tls.socket\n",
        "calmd@%i.socket calmd-tls@%i.socket\n",
    ),
    (
        "Service=calmd.service\n",
        "Service=calmd@%i.service\nReusePort=yes\n",
    ),
    ("DynamicUser=yes\n", "DynamicUser=yes\nUser=calmd\n"),
    (
        "calmd /srv/www --access-log -\n",
        "calmd /srv/www --access-log - --etag content \\\n    \
         --cert %d/chain.pem --key %d/key.pem --ticket-key %d/ticket.key\n\
         LoadCredential=chain.pem:/etc/calmd/chain.pem\nLoadCredential=key.pem:/etc/calmd/key.pem\n\
         LoadCredential=ticket.key:/etc/calmd/ticket.key\n",
    ),
    ("Description=calmd, ", "Description=calmd %i, "),
];

/// Units of one process as templates for several.
fn several(units: &str) -> String {
    let start = units.to_owned();
    DIFFERENCES
        .iter()
        .fold(start, |units, (from, to)| units.replace(from, to))
}

/// The text that `calmd print` with these arguments, behind that word, prints. The error is a sentence.
pub(super) fn text(args: &[OsString]) -> Result<String, String> {
    let is_help = |arg: &OsString| arg == "-h" || arg == "--help";
    if args.iter().any(is_help) {
        return Ok(help_text());
    }
    if args.is_empty() {
        return Err(format!("the document is missing: {}", usage()));
    }
    let words: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    let name = words.join(" ").replace(char::is_control, " ");
    let found = Document::ALL.into_iter().find(|it| name == it.name());
    let found = found.map(|document| document.text().into_owned());
    found.ok_or_else(|| format!("there is no document '{name}': {}", usage()))
}

fn usage() -> String {
    let names = Document::ALL.map(Document::name).join(" or ");
    format!("write calmd print {names}")
}

fn help_text() -> String {
    let mut text = String::from("Usage: calmd print DOCUMENT\n\nDocuments:\n");
    for document in Document::ALL {
        text.push_str(&format!("  {:<17} {}\n", document.name(), document.about()));
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
            let words: Vec<&str> = document.name().split(' ').collect();
            assert_eq!(print(&words), Ok(document.text().into_owned()));
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
    fn each_difference_of_the_units_for_several_processes_is_in_them() {
        let mut units = UNITS.to_owned();
        for (from, to) in DIFFERENCES {
            assert!(units.contains(from), "{from}");
            units = units.replace(from, to);
        }
        assert_eq!(several(UNITS), units);
        let left = units.lines().find(|line| line.contains("calmd.socket"));
        assert_eq!(left.filter(|line| !line.starts_with('#')), None);
    }

    #[test]
    fn a_wrong_name_is_told_what_would_be_right() {
        for (args, part) in [
            (&[][..], "the document is missing"),
            (&["alarms"], "there is no document 'alarms'"),
            (&["alerts", "grafana"], "no document 'alerts grafana'"),
            (&["completions"], "there is no document 'completions'"),
        ] {
            let problem = print(args).unwrap_err();
            assert!(problem.contains(part), "{problem}");
            assert!(
                problem.ends_with("completions bash or completions fish or completions zsh"),
                "{problem}"
            );
        }
    }

    #[test]
    fn variables_in_documents_are_those_of_settings() {
        let settings = crate::config::settings::all();
        let known: Vec<String> = settings.map(|setting| setting.variable()).collect();
        let documents = [
            Document::Systemd,
            Document::Kubernetes,
            Document::Containerfile,
        ];
        for text in documents.map(Document::text) {
            let is_part = |c: char| !(c.is_ascii_uppercase() || c == '_');
            let words = text.split(is_part);
            for name in words.filter(|word| word.starts_with("CALMD_")) {
                assert!(known.iter().any(|known| known == name), "{name}");
            }
        }
    }
}
