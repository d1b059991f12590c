//! The manual page, made of the table of settings.

use crate::config::settings::{Position, Setting, TABLE};

/// The manual page, in roff (groff_man(7)).
pub(super) fn page() -> String {
    let mut page = format!(
        ".TH CALMD 1 \"\" \"calmd {}\" \"User Commands\"\n\
         .SH NAME\ncalmd \\- serve a directory over HTTP/2 and HTTP/1.1\n\
         .SH SYNOPSIS\n.B calmd\n[\\fIOPTIONS\\fR] [\\fIDIR\\fR]\n.br\n\
         .B calmd check\n[\\fIOPTIONS\\fR] [\\fIDIR\\fR]\n.br\n\
         .B calmd config \\-\\-show\n[\\fIOPTIONS\\fR] [\\fIDIR\\fR]\n.br\n\
         .B calmd print\n\\fIDOCUMENT\\fR\n\
         .SH DESCRIPTION\nServes the directory \\fIDIR\\fR. Every option can be given by an environment \
         variable too, \\fB\\-\\-cache\\-memory\\fR by \\fBCALMD_CACHE_MEMORY\\fR, and by the settings file that \
         \\fB\\-\\-config\\fR names. An option precedes the variable, the variable the file.\n\
         .SH OPTIONS\n",
        env!("CARGO_PKG_VERSION")
    );
    for group in TABLE {
        if let Some(heading) = group.heading {
            page.push_str(&format!(".SS {}\n", roff(heading)));
        }
        for setting in group.settings {
            page.push_str(&entry(setting));
        }
    }
    page.push_str(
        ".SH SIGNALS\n.TP\n.B SIGTERM, SIGINT\nFinish what is open and end; a second one ends at once.\n\
         .TP\n.B SIGHUP\nRead the settings file and certificates again.\n\
         .TP\n.B SIGUSR1\nOpen the access log again.\n\
         .SH EXIT STATUS\n0 after a signal, 1 if it cannot start, 2 for a wrong option or settings file, 101 for \
         a bug of its own.\n",
    );
    page
}

/// The entry of a setting in the manual page.
fn entry(setting: &Setting) -> String {
    let value = roff(setting.value);
    let short = setting
        .short
        .map_or(String::new(), |letter| format!("\\fB\\-{letter}\\fR, "));
    let term = match setting.position {
        Position::Operand => format!("\\fI{value}\\fR"),
        Position::Option => format!(
            "{short}\\fB\\-\\-{}\\fR \\fI{value}\\fR",
            roff(setting.name)
        ),
    };
    let default = setting.default.map_or(String::new(), |default| {
        format!(" [default: {}]", roff(default))
    });
    format!(".TP\n{term}\n{}{default}.\n", roff(setting.help))
}

/// A text in which roff sees no requests and no hyphens.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    // A point or a quote at the beginning of a line is a request.
    if text.starts_with(['.', '\'']) {
        return format!("\\&{text}");
    }
    text
}
