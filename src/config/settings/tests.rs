//! The table as a whole.

use super::*;

#[test]
fn names_are_words_and_nobody_has_two() {
    let mut names: Vec<&str> = all().map(|setting| setting.name).collect();
    for name in &names {
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(name.chars().all(is_word), "{name}");
        assert_eq!(&named(name).name, name);
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn the_defaults_that_are_shown_are_the_defaults_of_the_rooms() {
    let mut settings = GivenSettings::default();
    for setting in all() {
        if let Some(default) = setting.default {
            settings.give(setting, vec![(SettingOrigin::CommandLine, default.into())]);
        }
    }
    let shown = settings.resolve(Config::default()).unwrap();
    assert_eq!(format!("{shown:?}"), format!("{:?}", Config::default()));
}

#[test]
fn every_setting_but_a_path_refuses_nonsense() {
    for setting in all() {
        let nonsense = "\u{1}";
        let set = setting.set(
            &mut ConfigDraft::new(Config::default()),
            OsStr::new(nonsense),
        );
        assert_eq!(
            set.is_ok(),
            matches!(setting.form, ValueForm::Path(_)),
            "{}",
            setting.name
        );
    }
}

#[test]
fn a_draft_is_complete_only_with_what_belongs_together() {
    let incomplete = |names: &[&str]| {
        let mut settings = GivenSettings::default();
        for name in names {
            settings.give(named(name), vec![(SettingOrigin::Environment, ":1".into())]);
        }
        match settings.resolve(Config::default()) {
            Ok(_) => None,
            Err(Mistake::Incomplete { settings, needs }) => {
                let names = settings.iter().map(|(setting, _)| setting.name);
                Some((names.collect::<Vec<_>>(), needs))
            }
            Err(other) => panic!("{other:?}"),
        }
    };
    assert_eq!(incomplete(&["cert", "key"]), None);
    let (names, needs) = incomplete(&["cert"]).unwrap();
    assert_eq!(names, ["cert"]);
    assert!(needs.contains("--key FILE"));
    let (names, _) = incomplete(&["listen", "cert", "key"]).unwrap();
    assert_eq!(names, ["cert", "key"]);
}

#[test]
fn the_readme_tells_of_every_setting() {
    let readme = include_str!("../../../README.md");
    for setting in all() {
        if setting.position == Position::Operand {
            assert!(readme.contains(&format!("`calmd [{}]", setting.value)));
            continue;
        }
        // The certificate's row tells of its key, too.
        let row_of = if setting.name == "key" {
            "cert"
        } else {
            setting.name
        };
        let row = readme.lines().find(|line| {
            let rest = line.strip_prefix(&format!("| `--{row_of}"));
            rest.is_some_and(|rest| rest.starts_with(['`', ' ']))
        });
        let row = row.unwrap_or_else(|| panic!("no row tells of --{}", setting.name));
        let columns: Vec<&str> = row.split(" | ").collect();
        assert!(
            columns[0].contains(&format!("`--{}", setting.name)),
            "{row}"
        );
        let is_list = setting.arity == Arity::Lines;
        assert_eq!(row.contains("Repeatable."), is_list, "{row}");
        let default = match (setting.form, setting.default) {
            (ValueForm::Switch(_), _) => "off".to_owned(),
            (_, Some(default)) => format!("`{default}`"),
            // Words for nothing, such as none.
            (_, None) => continue,
        };
        assert_eq!(columns[1], default, "{row}");
    }
}

#[test]
fn a_control_socket_has_no_options() {
    let control = |text: &str| ConfigDraft::new(Config::default()).control(text);
    assert_eq!(control("unix:/run/c"), Ok("/run/c".into()));
    for (text, part) in [
        ("unix:/run/c,proxy=unix", "without 'proxy'"),
        ("unix:/run/c,mode=0660", "its mode is 0600"),
        (":8080", "write unix:PATH alone"),
        ("unix:/run/c,:8080", "write unix:PATH alone"),
    ] {
        let error = control(text).expect_err(text);
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[cfg(feature = "panel")]
#[test]
fn a_listener_of_the_panel_takes_no_header_of_a_balancer() {
    let panel = |text: &str| ConfigDraft::new(Config::default()).panel_addresses(text);
    assert!(panel("127.0.0.1:9000,unix:/run/panel").is_ok_and(|found| found.len() == 2));
    for text in [
        "127.0.0.1:9000,proxy=10.0.0.0/8",
        "unix:/run/panel,proxy=unix",
    ] {
        let error = panel(text).expect_err(text);
        assert!(error.contains("without 'proxy'"), "{text}: {error}");
    }
}
