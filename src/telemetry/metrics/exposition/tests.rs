//! The text, read back by rules of its own.

use super::*;

fn written(format: TextFormat) -> String {
    let mut text = Exposition::new(format);
    text.family(
        FamilyKind::Counter,
        "calmd_things",
        "Things that were counted.",
    );
    text.add(&[("name", "a \"b\"\\\n"), ("kind", "x")], 3_u64);
    text.add(&[("name", "c"), ("kind", "x")], 4_u64);
    text.single(
        FamilyKind::Gauge,
        "calmd_age_seconds",
        "Age.",
        Duration::from_millis(1_500),
    );
    text.family(FamilyKind::Histogram, "calmd_wait_seconds", "Waits.");
    let mut histogram = Histogram::new(&[500, 1_000_000, 2_500_000]);
    histogram.add(Duration::from_micros(400));
    histogram.add(Duration::from_secs(3));
    text.histogram(&[("protocol", "h2")], &histogram);
    text.finish()
}

const SERIES: &str = r#"calmd_things_total{name="a \"b\"\\\n",kind="x"} 3
calmd_things_total{name="c",kind="x"} 4
calmd_age_seconds 1.500000000
calmd_wait_seconds_bucket{protocol="h2",le="0.0005"} 1
calmd_wait_seconds_bucket{protocol="h2",le="1.0"} 1
calmd_wait_seconds_bucket{protocol="h2",le="2.5"} 1
calmd_wait_seconds_bucket{protocol="h2",le="+Inf"} 2
calmd_wait_seconds_sum{protocol="h2"} 3.000400000
calmd_wait_seconds_count{protocol="h2"} 2
"#;

fn without_comments(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn both_forms_have_the_same_series_and_their_own_comments() {
    let plain = written(TextFormat::Prometheus);
    let open = written(TextFormat::OpenMetrics);
    assert_eq!(without_comments(&plain), SERIES);
    assert_eq!(without_comments(&open), SERIES);
    assert!(
        plain.contains("# TYPE calmd_things_total counter\n"),
        "{plain}"
    );
    assert!(open.contains("# TYPE calmd_things counter\n"), "{open}");
    assert!(open.contains("# HELP calmd_things Things that were counted.\n"));
    assert!(!plain.contains("# EOF"), "{plain}");
    assert!(open.ends_with("\n# EOF\n"), "{open}");
    assert!(!plain.contains('\r') && !open.contains('\r'));
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "is there twice")]
fn a_series_is_not_there_twice() {
    let mut text = Exposition::new(TextFormat::Prometheus);
    text.family(FamilyKind::Gauge, "calmd_things", "Things.");
    text.add(&[("name", "a")], 1_u64);
    text.add(&[("name", "a")], 2_u64);
}

#[test]
fn openmetrics_is_for_those_who_prefer_it() {
    for (accept, wanted) in [
        ("", TextFormat::Prometheus),
        ("*/*", TextFormat::Prometheus),
        ("text/plain;version=0.0.4", TextFormat::Prometheus),
        ("application/openmetrics-text", TextFormat::OpenMetrics),
        (
            // Prometheus 2.42
            "application/openmetrics-text;version=1.0.0,\
             application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            TextFormat::OpenMetrics,
        ),
        (
            "text/plain, application/openmetrics-text; version=\"1.0.0\"; q=0.9",
            TextFormat::Prometheus,
        ),
        (
            "application/openmetrics-text; version=0.0.1",
            TextFormat::Prometheus,
        ),
        (
            "application/openmetrics-text;q=0, text/plain;q=0",
            TextFormat::Prometheus,
        ),
        ("application/openmetrics-text;q=x", TextFormat::Prometheus),
    ] {
        assert_eq!(TextFormat::preferred(accept.as_bytes()), wanted, "{accept}");
    }
}
