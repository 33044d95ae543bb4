//! Which lines are taken.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::{Duration, Instant};

use erpsync::model::Side;
use serde_json::{Value, json};

use super::*;

#[test]
fn bad_lines_are_named_kept_and_in_nobodys_way() {
    let bench = bench();
    probe(&bench, Side::Cloud, "C1", "cloud");
    probe(&bench, Side::Cloud, "C2", "cloud");
    let body = json!({"doctype": "Probe", "name": "C1"}).to_string();
    let plain = |source: &str, signature: Value| {
        json!({"source": source, "signature": signature, "body": body}).to_string()
    };
    let bad = [
        ("not json \u{1b}[2J".to_owned(), "not JSON"),
        ("[1, 2, 3]".to_owned(), "not a JSON object"),
        (plain("moon", json!(sign("of cloud", &body))), "unknown source"),
        (json!({"signature": "x", "body": body}).to_string(), "no source"),
        (plain("cloud", Value::Null), "no signature"),
        (plain("cloud", json!(sign("of local", &body))), "wrong signature"),
        (json!({"source": "cloud", "signature": "x"}).to_string(), "no body"),
        (signed(Side::Cloud, &json!({"doctype": "Probe"})), "no name"),
        (signed(Side::Cloud, &json!({"name": "C1"})), "no doctype"),
        (signed(Side::Cloud, &json!(["Probe", "C1"])), "body is not a JSON object"),
        ("x".repeat(10_000_000), "longer than"),
    ];
    let mut lines = vec![tells(Side::Cloud, "C1", 1)];
    lines.extend(bad.iter().map(|(line, _)| line.clone()));
    lines.push(tells(Side::Cloud, "C2", 1));
    write(&bench, &lines);
    let mut file = OpenOptions::new().append(true).open(bench.path("queue.jsonl")).unwrap();
    file.write_all(b"\n{\"source\": \"\xff\xfe\"}\n").unwrap();
    let ran = ingest(&bench).expect(4);
    assert_eq!(queue(&ran), [14, 2, 12, 0, 0, 0]);
    for (i, (_, reason)) in bad.iter().enumerate() {
        let place = format!("queue.jsonl:{}: ", i + 2);
        let told = ran.err.lines().find(|line| line.contains(&place)).unwrap();
        assert!(told.contains(reason), "{told}");
    }
    assert!(ran.err.contains("queue.jsonl:15: not UTF-8"), "{}", ran.err);
    assert!(!ran.err.contains('\u{1b}'));
    assert!(text(&bench, Side::Local, "C1").is_some() && text(&bench, Side::Local, "C2").is_some());
    assert_eq!(rows(&bench, "processed = TRUE AND error_message LIKE 'rejected: _%'"), 12);
    assert_eq!(rows(&bench, "length(CAST(payload AS BLOB)) > 4096"), 0);
    assert_eq!(rows(&bench, "processed = FALSE"), 0);
    let again = ingest(&bench).expect(0);
    assert_eq!(queue(&again), [14, 0, 0, 0, 14, 0]);
}

#[test]
fn many_bad_lines_are_counted_and_not_all_named() {
    let bench = bench();
    write(&bench, &(0..50).map(|n| format!("bad {n}")).collect::<Vec<_>>());
    let ran = ingest(&bench).expect(4);
    assert_eq!(ran.err.lines().filter(|line| line.contains("not JSON")).count(), 20);
    assert!(ran.err.contains("30 more lines rejected"), "{}", ran.err);
    assert_eq!(requests(&bench), 0, "nothing to look at");
}

#[test]
fn the_same_file_twice_does_nothing() {
    let bench = bench();
    probe(&bench, Side::Cloud, "C1", "cloud");
    let twice = tells(Side::Cloud, "C1", 1);
    write(&bench, &[twice.clone(), twice, tells(Side::Cloud, "C1", 2)]);
    assert_eq!(queue(&ingest(&bench).expect(0)), [3, 2, 0, 0, 1, 0]);
    bench.clear_logs();
    let again = ingest(&bench).expect(0);
    assert_eq!(queue(&again), [3, 0, 0, 0, 3, 0]);
    assert_eq!(requests(&bench), 0);
    assert_eq!(rows(&bench, "TRUE"), 2);
}

#[test]
fn a_line_that_is_still_being_written_is_left_for_the_next_run() {
    let bench = bench();
    probe(&bench, Side::Cloud, "C1", "cloud");
    probe(&bench, Side::Cloud, "Ü2", "cloud");
    let (first, second) = (tells(Side::Cloud, "C1", 1), tells(Side::Cloud, "Ü2", 1));
    let whole = format!("{first}\n{second}");
    for cut in [first.len() + 2, whole.len() - 20, whole.len() - 1] {
        std::fs::write(bench.path("queue.jsonl"), &whole.as_bytes()[..cut]).unwrap();
        let ran = ingest(&bench).expect(0);
        assert_eq!(queue(&ran)[0], 1);
        assert!(ran.err.contains("queue.jsonl:2: the last line is not finished"), "{}", ran.err);
    }
    assert_eq!(text(&bench, Side::Local, "Ü2"), None);
    // Whole, but for the newline.
    std::fs::write(bench.path("queue.jsonl"), &whole).unwrap();
    assert_eq!(queue(&ingest(&bench).expect(0)), [2, 1, 0, 0, 1, 0]);
    assert!(text(&bench, Side::Local, "Ü2").is_some());
    std::fs::write(bench.path("queue.jsonl"), whole + "\n").unwrap();
    assert_eq!(queue(&ingest(&bench).expect(0)), [2, 0, 0, 0, 2, 0]);
}

/// Somebody appends, in pieces that end anywhere, while run after run reads.
#[test]
fn a_file_that_grows_while_it_is_read_is_read_whole_in_the_end() {
    let bench = bench();
    let lines: Vec<String> =
        (0..400).map(|n| tells(Side::Cloud, &format!("N{}", n % 3), n)).collect();
    let all = lines.join("\n") + "\n";
    write(&bench, &[]);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut file = OpenOptions::new().append(true).open(bench.path("queue.jsonl")).unwrap();
            for piece in all.as_bytes().chunks(997) {
                file.write_all(piece).unwrap();
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        while !writer.is_finished() {
            let ran = ingest(&bench).expect(0);
            assert_eq!(queue(&ran)[2], 0, "{}", ran.err);
        }
    });
    ingest(&bench).expect(0);
    assert_eq!(rows(&bench, "processed = TRUE"), 400);
}

#[test]
fn standard_input_is_read_to_its_end() {
    let bench = bench();
    probe(&bench, Side::Cloud, "C1", "cloud");
    let mut child = spawn(&bench, &["ingest-webhooks", "-", "--json"]);
    let mut pipe = child.stdin.take().unwrap();
    // Nobody will finish the last line: it is a bad one.
    writeln!(pipe, "{}\n{{\"source\": \"cl", tells(Side::Cloud, "C1", 1)).unwrap();
    drop(pipe);
    let ran = Ran::from(child.wait_with_output().unwrap()).expect(4);
    assert_eq!(queue(&ran), [2, 1, 1, 0, 0, 0]);
    assert!(ran.err.contains("standard input:2: not JSON"), "{}", ran.err);
    assert!(text(&bench, Side::Local, "C1").is_some());
}

#[test]
fn a_hundred_thousand_lines_are_quick() {
    let bench = bench();
    for n in 0..10 {
        probe(&bench, Side::Cloud, &format!("C{n}"), "cloud");
    }
    bench.clear_logs();
    let lines: Vec<String> =
        (0..100_000).map(|n| tells(Side::Cloud, &format!("C{}", n % 10), n)).collect();
    write(&bench, &lines);
    let started = Instant::now();
    let ran = ingest(&bench).expect(0);
    assert!(started.elapsed() < Duration::from_secs(120), "{:?}", started.elapsed());
    assert_eq!(queue(&ran), [100_000, 100_000, 0, 0, 0, 0]);
    assert_eq!(bench.writes(), 10);
    assert_eq!(rows(&bench, "processed = TRUE"), 100_000);
}

#[test]
fn without_the_right_secret_nothing_is_believed() {
    let bench = bench();
    probe(&bench, Side::Cloud, "C1", "cloud");
    bench.clear_logs();
    write(&bench, &[tells(Side::Cloud, "C1", 1)]);
    for (section, told) in [
        ("", "sync.toml: webhooks: the section is missing"),
        ("[webhooks]\nsecret = \"\"\n", "webhooks.secret"),
        ("[webhooks]\ncloud_secret = \"x\"\n", "webhooks.local_secret: is missing"),
        ("[webhooks]\nsecret = \"${NO_SUCH_SECRET}\"\n", "NO_SUCH_SECRET"),
    ] {
        bench.configure(&format!("{SYNC}{section}"));
        let ran = ingest(&bench).expect(2);
        assert!(ran.err.contains(told), "{told}: {}", ran.err);
        assert!(!section.is_empty() || ran.err.contains("hint: "), "{}", ran.err);
    }
    bench.configure(&format!("{SYNC}[webhooks]\nsecret = \"wrong-one\"\n"));
    let ran = ingest(&bench).expect(4);
    assert_eq!(queue(&ran), [1, 0, 1, 0, 0, 0]);
    assert!(!ran.err.contains("wrong-one") && !ran.out.contains("wrong-one"));
    assert_eq!(requests(&bench), 0);
    // The right secret at last: what was rejected is judged anew.
    bench.configure(&format!("{SYNC}{SECRETS}"));
    assert_eq!(queue(&ingest(&bench).expect(0)), [1, 1, 0, 0, 0, 0]);
    assert!(text(&bench, Side::Local, "C1").is_some());
}

#[test]
fn a_file_that_cannot_be_read_is_a_mistake_on_the_command_line() {
    let bench = bench();
    let ran = bench.run(&["ingest-webhooks", "nowhere.jsonl"]).expect(2);
    assert!(ran.err.contains("nowhere.jsonl: ") && ran.err.contains("hint: "), "{}", ran.err);
    bench.run(&["ingest-webhooks", "."]).expect(2);
    assert_eq!(requests(&bench), 0);
}
