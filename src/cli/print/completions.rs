//! Completions for shells, made of the table of settings: names of options, behind them the words or files that
//! their values can be, and the subcommands with the documents of `calmd print`.

use super::Document;
use crate::config::settings::{self, Arity, Position, Setting, ValueForm};

/// Words that stand in the place of the directory.
const SUBCOMMANDS: &str = "check config get print";

/// Completions for bash: names of options, and behind them files where the value is a path.
pub(super) fn bash() -> String {
    let names: Vec<String> = options()
        .map(|setting| format!("--{}", setting.name))
        .collect();
    let takes = |is_wanted: fn(&ValueForm) -> bool| {
        let wanted = settings::all().filter(|setting| is_wanted(&setting.form));
        let names = wanted.map(|setting| format!("--{}", setting.name));
        names.collect::<Vec<_>>().join("|")
    };
    let paths = takes(|form| matches!(form, ValueForm::Path(_)));
    let texts = takes(|form| matches!(form, ValueForm::Text(_)));
    format!(
        "# calmd print completions bash > /usr/share/bash-completion/completions/calmd\n\
         _calmd() {{\n    \
             local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}\n    \
             case $before in\n        \
                 {paths}) mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return ;;\n        \
                 {texts}) COMPREPLY=(); return ;;\n    \
             esac\n    \
             if [[ $word == -* ]]; then\n        \
                 mapfile -t COMPREPLY < <(compgen -W \"{} --help --version\" -- \"$word\")\n    \
             elif ((COMP_CWORD == 1)); then\n        \
                 mapfile -t COMPREPLY < <(compgen -W \"{SUBCOMMANDS}\" -- \"$word\"; compgen -d -- \"$word\")\n    \
             else\n        \
                 mapfile -t COMPREPLY < <(compgen -d -- \"$word\")\n    \
             fi\n\
         }}\n\
         complete -o filenames -F _calmd calmd\n",
        names.join(" ")
    )
}

/// Completions for zsh, with the help of each option.
pub(super) fn zsh() -> String {
    let mut specs = String::new();
    for setting in options() {
        let repeated = match setting.arity {
            Arity::One => "",
            Arity::Lines => "*",
        };
        let help = zsh_text(setting.help);
        let action = match (&setting.form, words(setting)) {
            (ValueForm::Switch(_), _) => String::new(),
            (_, Some(words)) => format!(":{}:({words})", zsh_text(setting.value)),
            (ValueForm::Path(_), None) => format!(":{}:_files", zsh_text(setting.value)),
            (ValueForm::Text(_), None) => format!(":{}: ", zsh_text(setting.value)),
        };
        let names = match setting.short {
            Some(short) => vec![format!("-{short}+"), format!("--{}=", setting.name)],
            None if action.is_empty() => vec![format!("--{}", setting.name)],
            None => vec![format!("--{}=", setting.name)],
        };
        for name in names {
            specs.push_str(&format!("    '{repeated}{name}[{help}]{action}'\n"));
        }
    }
    let (documents, shells) = documents();
    format!(
        "#compdef calmd\n\
         # calmd print completions zsh > /usr/share/zsh/site-functions/_calmd\n\
         local -a options=(\n{specs}    '--help[Help]'\n    '--version[The version]'\n)\n\
         case $words[2] in\n    \
             print) _arguments '2: :({documents})' '3: :({shells})' ;;\n    \
             get) _arguments '*: :_urls' ;;\n    \
             check|config) _arguments $options '--show[Print the settings]' '2: :_directories' ;;\n    \
             *) _arguments $options '1: :_alternative \"commands\\:subcommand\\:({SUBCOMMANDS})\" \
                \"directories\\:directory\\:_directories\"' ;;\n\
         esac\n"
    )
}

/// Completions for fish, with the help of each option.
pub(super) fn fish() -> String {
    let (documents, shells) = documents();
    let mut text = format!(
        "# calmd print completions fish > /usr/share/fish/vendor_completions.d/calmd.fish\n\
         complete -c calmd -f\n\
         complete -c calmd -n 'not __fish_seen_subcommand_from print get' -a '(__fish_complete_directories)'\n\
         complete -c calmd -n __fish_use_subcommand -a '{SUBCOMMANDS}'\n\
         complete -c calmd -n '__fish_seen_subcommand_from print; and not __fish_seen_subcommand_from completions' -a '{documents}'\n\
         complete -c calmd -n '__fish_seen_subcommand_from completions' -a '{shells}'\n\
         complete -c calmd -n '__fish_seen_subcommand_from config' -l show -d 'Print the settings'\n\
         complete -c calmd -l help -d 'Help'\n\
         complete -c calmd -l version -d 'The version'\n"
    );
    for setting in options() {
        let short = setting
            .short
            .map_or(String::new(), |letter| format!(" -s {letter}"));
        let value = match (&setting.form, words(setting)) {
            (ValueForm::Switch(_), _) => String::new(),
            (_, Some(words)) => format!(" -x -a '{words}'"),
            (ValueForm::Path(_), None) => " -r -F".into(),
            (ValueForm::Text(_), None) => " -x".into(),
        };
        let help = setting.help.replace('\\', "\\\\").replace('\'', "\\'");
        text.push_str(&format!(
            "complete -c calmd{short} -l {}{value} -d '{help}'\n",
            setting.name
        ));
    }
    text
}

/// Settings that have a name on the command line.
fn options() -> impl Iterator<Item = &'static Setting> {
    settings::all().filter(|setting| setting.position == Position::Option)
}

/// The words that a value can be, where it is one of a few: `on off`.
fn words(setting: &Setting) -> Option<String> {
    let is_word = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_choice = setting.value.contains('|') && setting.value.split('|').all(is_word);
    is_choice.then(|| setting.value.replace('|', " "))
}

/// First words of documents' names, and the shells behind `completions`.
fn documents() -> (String, String) {
    let shell = |document: Document| document.name().strip_prefix("completions ");
    let shells: Vec<&str> = Document::ALL.into_iter().filter_map(shell).collect();
    let others = Document::ALL.into_iter().filter(|it| shell(*it).is_none());
    let mut firsts: Vec<&str> = others.map(Document::name).collect();
    firsts.push("completions");
    (firsts.join(" "), shells.join(" "))
}

/// A text within quotes and brackets of a specification of zsh.
fn zsh_text(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '\'' => safe.push_str("'\\''"),
            '[' | ']' | ':' | '\\' => safe.extend(['\\', c]),
            c => safe.push(c),
        }
    }
    safe
}
