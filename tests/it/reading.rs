//! The commands that only read, through the program: every form of output shows the same
//! rows, nothing in them is obeyed by a terminal or a spreadsheet, and no site is asked.

mod texts;

use std::io::Read as _;
use std::process::{Command, Stdio};

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match, Refusal};
use serde_json::{Value, json};

use crate::bench::{Bench, Ran, unpacked};

const MANUAL: &str = "[sync]\ndoctypes = [\"Probe\", \"N Series\"]\nconflict_resolution = \"manual\"\n\
    [sync.retry]\nbackoff_seconds = 0.01\n";

/// A name that a terminal, a spreadsheet and a CSV reader could each stumble over.
const EVIL: &str = "=cmd|' /C calc'!A0, \"x\" ünï 漢字";
const EVIL_TEXT: &str =
    "\n=HYPERLINK(\"http://x\",\"y\")\u{1b}[2J\u{9b}31m\u{202e};\t@x, 'q'\r\nend";

const HEADER: &str = "id,doctype,docname,cloud_name,local_name,kind,fields,cloud_modified,\
    local_modified,cloud_modified_by,local_modified_by,created_at,resolved,resolution,\
    resolved_at,cloud_data,local_data";

/// Three open conflicts: two edits of one field, an edit against a deletion, and a first
/// meeting; and one that was settled.
fn bench() -> Bench {
    let bench = Bench::default();
    bench.configure(MANUAL);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(bench.path("sync.toml"), private).unwrap();
    }
    let rows = json!([{"item": "A", "qty": 1}, {"item": "B", "qty": 2}]);
    for name in [EVIL, "Gone", "Moot"] {
        bench.insert(
            Side::Cloud,
            "Probe",
            &json!({"title": name, "stxt": "base", "rows": rows, "tm": "10:00:00"}),
        );
    }
    bench.insert(Side::Cloud, "N Series", &json!({"title": "numbered"}));
    bench.sync().expect(0);
    for side in Side::BOTH {
        let value = format!("{EVIL_TEXT} {side}");
        bench.edit(side, "Probe", EVIL, &json!({"stxt": value, "phone": "+91-5"}));
        bench.edit(side, "Probe", "Moot", &json!({"stxt": format!("by {side}")}));
        let met = json!({"title": "Met", "stxt": format!("on {side}"), "tm": "10:00:00"});
        bench.insert(side, "Probe", &met);
    }
    let row = bench.doc(Side::Local, "Probe", EVIL).unwrap()["rows"][1]["name"].clone();
    let rows = json!([{"name": row, "item": "B", "qty": 7}, {"item": "C", "qty": 3}]);
    bench.edit(Side::Local, "Probe", EVIL, &json!({"rows": rows}));
    bench.sync().expect(3);
    for side in Side::BOTH {
        bench.edit(side, "Probe", "Moot", &json!({"stxt": "the same now"}));
    }
    bench.sync().expect(3);
    record_deletion(&bench);
    bench.clear_logs();
    bench
}

/// Records that the document `Gone` was edited on cloud and deleted on local.
fn record_deletion(bench: &Bench) {
    let state = rusqlite::Connection::open(bench.path("sync_state.db")).unwrap();
    let base = "SELECT cloud_base FROM sync_records WHERE docname = 'Gone'";
    let base: Vec<u8> = state.query_row(base, [], |row| row.get(0)).unwrap();
    let base = unpacked(&base).unwrap();
    let changed = state.execute(
        "INSERT INTO conflict_records (doctype, docname, record, kind, fields, cloud_data,
            local_data, cloud_modified, local_modified, created_at)
         SELECT doctype, docname, id, 'edit_delete', '[\"rows\",\"stxt\",\"tm\"]',
            json_set(?1, '$.stxt', 'edited', '$.rows[0].qty', 8), 'null',
            cloud_modified, '2026-11-22T12:00:00.000Z', '2026-11-22T12:00:00.000Z'
         FROM sync_records WHERE docname = 'Gone'",
        [base],
    );
    changed.unwrap();
    let waits = "UPDATE sync_records SET sync_status = 'conflict' WHERE docname = 'Gone'";
    state.execute(waits, []).unwrap();
}

fn column<'a>(rows: &'a Value, key: &str) -> Vec<&'a str> {
    rows.as_array().unwrap().iter().map(|row| row[key].as_str().unwrap()).collect()
}

fn read_csv(text: &str) -> (Vec<String>, Vec<Vec<String>>) {
    assert!(text.ends_with("\r\n"));
    let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let of = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
    let header = of(reader.headers().unwrap());
    (header, reader.records().map(|record| of(&record.unwrap())).collect())
}

/// What a terminal would obey.
fn is_obeyed(c: char) -> bool {
    (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c)
}

/// The text of a run in which nothing drives a terminal.
fn harmless(ran: Ran) -> String {
    let ran = ran.expect(0);
    assert!(!ran.out.contains(is_obeyed) && !ran.err.contains(is_obeyed), "{ran:?}");
    ran.out
}

#[test]
fn conflicts_are_listed_with_every_choice() {
    let bench = bench();
    let list = harmless(bench.run(&["conflicts"]));
    assert!(list.starts_with("Unresolved Conflicts: 3\n"), "{list}");
    assert!(list.contains("Kind: edit_delete") && !list.contains("Probe/Moot"), "{list}");
    assert!(list.contains("Local: no document"), "{list}");
    let all = harmless(bench.run(&["conflicts", "--all"]));
    assert!(all.starts_with("Unresolved Conflicts: 3\nResolved Conflicts: 1\n"), "{all}");
    assert!(all.contains("Probe/Moot") && all.contains("Resolved: superseded at "), "{all}");
    let none = harmless(bench.run(&["conflicts", "--doctype", "N Series"]));
    assert_eq!(none, "Unresolved Conflicts: 0\n");
    let found = bench.run(&["conflicts", "--json", "--doctype", "Probe"]).expect(0).json();
    let mut kinds = column(&found["conflicts"], "kind");
    kinds.sort_unstable();
    assert_eq!(kinds, ["edit_delete", "edit_edit", "first_meeting"]);
    // Nothing was asked of a site, nothing was written to one.
    assert_eq!(bench.requests(Side::Cloud) + bench.requests(Side::Local), 0);
    // What the command was run for is shown although only errors are wanted.
    assert_eq!(harmless(bench.run(&["-q", "conflicts"])), list);
}

fn evil_id(bench: &Bench) -> String {
    bench.query("SELECT id FROM conflict_records WHERE kind = 'edit_edit' AND resolved = FALSE")
}

#[test]
fn one_conflict_is_shown_field_by_field() {
    let bench = bench();
    let id = evil_id(&bench);
    let text = harmless(bench.run(&["conflicts", "show", &id]));
    assert!(text.contains("stxt (both changed)\n"), "{text}");
    assert!(text.contains("\\u{1b}[2J\\u{9b}31m\\u{202e}"), "{text}");
    assert!(text.contains("rows (local changed)\n"), "{text}");
    assert!(text.contains("row 2 on cloud, 1 on local\n    qty\n"), "{text}");
    assert!(text.contains("row 1 on cloud: removed on local\n    item: A\n"), "{text}");
    assert!(text.contains("row 2: added on local\n    item: C\n"), "{text}");
    // Both sides agree in it.
    assert!(!text.contains("phone"), "{text}");
    let shown = harmless(bench.run(&["conflicts", "show", &id, "--json"]));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let one = &shown["conflicts"][0];
    assert_eq!(one["docname"], EVIL);
    assert_eq!(one["base_cloud"]["stxt"], "base");
    assert_eq!(one["base_local"]["name"], EVIL);
    assert_eq!(one["cloud_data"]["stxt"], format!("{EVIL_TEXT} cloud"));
    let fields = one["differences"].as_array().unwrap();
    let text = fields.iter().find(|field| field["field"] == "stxt").unwrap();
    assert_eq!(text["local"], format!("{EVIL_TEXT} local"));
    let rows = fields.iter().find(|field| field["field"] == "rows").unwrap();
    let changes = column(&rows["rows"], "change");
    assert_eq!(changes, ["removed_on_local", "changed", "added_on_local"]);
    let colored = bench.run(&["--color", "always", "conflicts", "show", &id]).expect(0);
    assert!(colored.out.contains("\u{1b}[31m[-"), "{}", colored.out);
    assert!(!colored.out.contains("\u{1b}[2J") && !colored.out.contains('\u{9b}'));
}

#[test]
fn a_deletion_and_a_settled_conflict_are_shown_for_what_they_are() {
    let bench = bench();
    let id = |kind: &str| {
        bench.query(&format!("SELECT id FROM conflict_records WHERE kind = '{kind}' ORDER BY id"))
    };
    let text = harmless(bench.run(&["conflicts", "show", &id("edit_delete")]));
    assert!(text.contains("no document") && text.contains("  cloud  edited\n"), "{text}");
    assert!(text.contains("rows (cloud changed)\n  row 1\n    qty: [-1.0-]{+8+}\n"), "{text}");
    assert!(!text.contains("  local  ") && !text.contains("tm ("), "{text}");
    let text = harmless(bench.run(&["conflicts", "show", &id("first_meeting")]));
    assert!(text.contains("never in step") && text.contains("  local  on local\n"), "{text}");
    let settled = bench.query("SELECT id FROM conflict_records WHERE resolved = TRUE");
    let text = harmless(bench.run(&["conflicts", "show", &settled]));
    assert!(text.contains("Settled: superseded"), "{text}");
    let found = bench.run(&["conflicts", "show", &settled, "--json"]).expect(0).json();
    assert_eq!(found["conflicts"][0]["base_cloud"], Value::Null);
}

#[test]
fn a_conflict_that_is_not_there_and_options_that_do_not_go_together() {
    let bench = Bench::default();
    bench.configure(MANUAL);
    bench.sync().expect(0);
    let ran = bench.run(&["conflicts", "show", "99"]).expect(2);
    assert!(ran.err.contains("there is no conflict 99") && ran.out.is_empty(), "{ran:?}");
    let ran = bench.run(&["conflicts", "show", "99", "--json"]).expect(2);
    assert_eq!(ran.json()["exit_code"], 2);
    bench.run(&["conflicts", "show", "x"]).expect(2);
    bench.run(&["conflicts", "show"]).expect(2);
    bench.run(&["conflicts", "--all", "show", "1"]).expect(2);
    assert_eq!(bench.run(&["conflicts"]).expect(0).out, "Unresolved Conflicts: 0\n");
    assert_eq!(bench.run(&["conflicts", "--csv", "-"]).expect(0).out, format!("{HEADER}\r\n"));
    for command in [&["sync-all"][..], &["hash", "Probe", "x", "--side", "cloud"], &["init"]] {
        let ran = bench.run(&[command, &["--csv", "x.csv"]].concat()).expect(2);
        assert!(ran.err.contains("--csv: not for this command"), "{ran:?}");
        assert!(!bench.path("x.csv").exists());
    }
    bench.run(&["status", "--csv", "-", "--json"]).expect(2);
    let ran = bench.run(&["status", "--live"]).expect(2);
    assert!(ran.err.contains("not in this version"), "{ran:?}");
}

#[test]
fn csv_has_the_columns_of_the_contract_and_reads_back() {
    let bench = bench();
    let text = bench.run(&["conflicts", "--all", "--csv", "-"]).expect(0).out;
    assert!(text.starts_with(&format!("{HEADER}\r\n")), "{text}");
    let (header, rows) = read_csv(&text);
    let found = bench.run(&["conflicts", "--all", "--json"]).expect(0).json();
    let found = found["conflicts"].as_array().unwrap();
    assert_eq!((rows.len(), found.len()), (4, 4));
    for (cells, object) in rows.iter().zip(found) {
        for (key, cell) in header.iter().zip(cells) {
            if key.ends_with("_data") {
                assert_eq!(serde_json::from_str::<Value>(cell).unwrap(), object[key]);
            } else {
                assert_eq!(*cell, expected_cell(&object[key]), "{key}");
            }
        }
    }
    let data = header.iter().position(|key| key == "cloud_data").unwrap();
    let evil = rows.iter().find(|cells| cells[2] == format!("'{EVIL}")).unwrap();
    let read: Value = serde_json::from_str(&evil[data]).unwrap();
    assert_eq!(read["stxt"], format!("{EVIL_TEXT} cloud"));
}

/// The cell that a value of the JSON form stands for, harmless to a spreadsheet.
fn expected_cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(fields) => {
            fields.iter().map(|field| field.as_str().unwrap()).collect::<Vec<_>>().join(",")
        }
        other => other.to_string(),
    };
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

#[test]
fn python_reads_the_same_csv() {
    if Command::new("python3").arg("--version").output().is_err() {
        return;
    }
    let bench = bench();
    let ran = bench.run(&["conflicts", "--all", "--csv", "out.csv"]).expect(0);
    assert!(ran.out.is_empty() && ran.err.contains("4 rows written to out.csv"), "{ran:?}");
    let script = "import csv, json, sys\n\
        with open('out.csv', newline='', encoding='utf-8') as file:\n    \
        rows = list(csv.reader(file, strict=True))\n\
        json.dump(rows, sys.stdout)\n";
    let mut python = Command::new("python3");
    let read = python.args(["-c", script]).current_dir(bench.dir.path()).output().unwrap();
    assert!(read.status.success(), "{read:?}");
    let read: Vec<Vec<String>> = serde_json::from_slice(&read.stdout).unwrap();
    let text = std::fs::read_to_string(bench.path("out.csv")).unwrap();
    let (header, rows) = read_csv(&text);
    assert_eq!(read[0], header);
    assert_eq!(read[1..], rows);
}

/// Runs the program on a terminal of so many columns; gives what the terminal got.
fn on_a_terminal(bench: &Bench, columns: u16, arguments: &[&str]) -> Option<String> {
    let script = "import fcntl, os, pty, struct, sys, termios\n\
        pid, fd = pty.fork()\n\
        if pid == 0:\n    \
        size = struct.pack('HHHH', 40, int(sys.argv[1]), 0, 0)\n    \
        fcntl.ioctl(1, termios.TIOCSWINSZ, size)\n    \
        os.execv(sys.argv[2], sys.argv[2:])\n\
        while True:\n    \
        try:\n        \
        data = os.read(fd, 65536)\n    \
        except OSError:\n        \
        break\n    \
        if not data:\n        \
        break\n    \
        sys.stdout.buffer.write(data)\n\
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";
    let mut python = Command::new("python3");
    python.args(["-c", script, &columns.to_string(), env!("CARGO_BIN_EXE_erpsync")]);
    python.args(arguments).current_dir(bench.dir.path());
    python.env_remove("NO_COLOR").env_remove("ERPSYNC_CONFIG");
    let ran = python.output().ok()?;
    assert!(ran.status.success(), "{ran:?}");
    Some(String::from_utf8(ran.stdout).unwrap().replace("\r\n", "\n").replace("\r\n", "\n"))
}

#[cfg(unix)]
#[test]
fn on_a_terminal_there_is_colour_and_every_line_fits() {
    let bench = bench();
    // What is for another program is not for a terminal as it is.
    let Some(csv) = on_a_terminal(&bench, 80, &["conflicts", "--all", "--csv", "-"]) else {
        return;
    };
    assert!(csv.contains("\\u001b[2J\\u009b31m") && !csv.contains(is_obeyed), "{csv}");
    let long = "a sentence of seven words, and more ".repeat(12);
    for side in Side::BOTH {
        let text = format!("{long}{side} {long}");
        bench.edit(side, "Probe", EVIL, &json!({"stxt": text}));
    }
    bench.sync().expect(3);
    let id = evil_id(&bench);
    for columns in [80, 120] {
        let text = on_a_terminal(&bench, columns, &["conflicts", "show", &id]).unwrap();
        assert!(text.contains("\u{1b}[31m[-") && text.contains("\u{1b}[1mstxt\u{1b}[0m"), "{text}");
        let mut bare = text;
        for code in ["0", "1", "2", "31", "32"] {
            bare = bare.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert!(!bare.contains(is_obeyed), "{bare}");
        let lengths = bare.lines().map(|line| line.chars().count());
        assert!(lengths.clone().max() <= Some(usize::from(columns)), "{bare}");
        assert!(lengths.max() > Some(usize::from(columns) - 20), "{bare}");
    }
}

#[test]
fn a_csv_file_is_private_and_never_half() {
    let bench = bench();
    let path = bench.path("out.csv");
    std::fs::write(&path, "old").unwrap();
    let ran = bench.run(&["-q", "conflicts", "--csv", "out.csv", "--json"]).expect(0);
    assert!(ran.err.is_empty(), "{}", ran.err);
    assert_eq!(ran.json()["conflicts"].as_array().unwrap().len(), 3);
    let (_, rows) = read_csv(&std::fs::read_to_string(&path).unwrap());
    assert_eq!(rows.len(), 3);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let ran = bench.run(&["conflicts", "--csv", "no/where.csv"]).expect(1);
    assert!(ran.err.contains("cannot write no/where.csv"), "{}", ran.err);
    let drafts = std::fs::read_dir(bench.dir.path()).unwrap();
    let drafts = drafts.filter(|file| {
        file.as_ref().unwrap().file_name().to_string_lossy().starts_with(".erpsync-")
    });
    assert_eq!(drafts.count(), 0);
}

#[test]
fn names_of_documents() {
    let bench = bench();
    let text = harmless(bench.run(&["names", "Probe"]));
    assert!(
        text.contains("Gone") && text.lines().count() == 5 && text.contains("ON CLOUD"),
        "{text}"
    );
    let name = bench.site(Side::Cloud).names("N Series")[0].clone();
    let found = bench.run(&["names", "N Series", &name, "--json"]).expect(0).json();
    let one = &found["names"][0];
    assert_eq!(one["cloud_name"], name);
    assert!(one["status"].is_string() && one["local_creation"].is_string(), "{one}");
    assert!(one["cloud_creation"].is_string() && one["doctype"] == "N Series", "{one}");
    let (header, rows) =
        read_csv(&bench.run(&["names", "Probe", EVIL, "--csv", "-"]).expect(0).out);
    let columns = [
        "doctype",
        "docname",
        "cloud_name",
        "local_name",
        "cloud_creation",
        "local_creation",
        "status",
    ];
    assert_eq!(header, columns);
    assert_eq!(rows[0][1..4], [format!("'{EVIL}"), format!("'{EVIL}"), format!("'{EVIL}")]);
    let ran = bench.run(&["names", "Probe", "Nobody"]).expect(0);
    assert!(ran.out.is_empty() && ran.err.contains("no Probe Nobody is known yet"), "{ran:?}");
    assert!(bench.run(&["-q", "names", "Probe", "Nobody"]).expect(0).err.is_empty());
}

#[test]
fn status_and_log_in_every_form() {
    let bench = bench();
    bench
        .site(Side::Local)
        .faults
        .always(Match::on("POST", "/api/resource/Probe"), || Action::Refuse(Refusal::Internal));
    bench.insert(Side::Cloud, "Probe", &json!({"title": "Refused", "stxt": "x"}));
    bench.sync().expect(4);
    let text = harmless(bench.run(&["status"]));
    assert!(text.contains("Open conflicts: 3\n  Probe  3\n"), "{text}");
    assert!(
        text.contains("Failed documents: 1\n  Probe/Refused  error x1  next try in "),
        "{text}"
    );
    assert!(text.contains("exit code 4") && text.contains("Recent operations\n"), "{text}");
    let status = bench.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["open_conflicts"], 3);
    assert_eq!(status["failed"][0]["name"], "Refused");
    let probe = &status["doctypes"].as_array().unwrap()[1];
    assert_eq!((&probe["doctype"], &probe["conflict"]), (&json!("Probe"), &json!(3)));
    let (header, rows) = read_csv(&bench.run(&["status", "--csv", "-"]).expect(0).out);
    assert_eq!(
        header.join(","),
        "doctype,pending,synced,conflict,error,failed,skipped,gone,open_conflicts"
    );
    assert_eq!(rows[1], ["Probe", "0", "1", "3", "1", "0", "0", "0", "3"]);
    log_in_every_form(&bench);
}

fn log_in_every_form(bench: &Bench) {
    let text = harmless(bench.run(&["log", "--doctype", "Probe", "--name", "Refused"]));
    assert!(text.contains("failed") && text.contains("cloud -> local"), "{text}");
    let few = bench.run(&["log", "--limit", "2"]).expect(0);
    assert_eq!(few.out.lines().count(), 2);
    assert!(few.err.contains("--limit N shows more"), "{}", few.err);
    let log = bench.run(&["log", "--json"]).expect(0).json();
    let (header, rows) = read_csv(&bench.run(&["log", "--csv", "-"]).expect(0).out);
    assert_eq!(
        header.join(","),
        "id,timestamp,run,doctype,docname,action,direction,status,message,changes"
    );
    assert_eq!(rows.len(), log["log"].as_array().unwrap().len());
    let run: i64 = rows[0][2].parse().unwrap();
    let of_run = bench.run(&["log", "--run", &run.to_string(), "--json"]).expect(0).json();
    assert!(of_run["log"].as_array().unwrap().iter().all(|row| row["run"] == run));
    assert_eq!(bench.run(&["log", "--since", "2099-01-01"]).expect(0).out, "");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let bench = bench();
    let id = evil_id(&bench);
    let commands: [&[&str]; 5] = [
        &["conflicts"],
        &["conflicts", "show", &id],
        &["conflicts", "--json"],
        &["conflicts", "--csv", "-"],
        &["names", "Probe"],
    ];
    for command in commands {
        let mut child =
            bench.command(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{command:?}: {said}");
        assert_eq!(said, "", "{command:?}");
    }
}
