//! A kill at any moment of a first pass, then a clean run: as if nothing had happened
//! (invariants 3 and 7).

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use erpsync::model::{Side, Sides};
use frappe_sandbox::Flavour;
use frappe_sandbox::faults::{Action, Match};
use frappe_sandbox::http::Options;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::bench::Bench;

/// How often the program is killed, each time in a first pass of its own.
const KILLS: usize = 30;

/// The doctypes and the fields that a user enters; rows less what each site counts for itself.
const DOCTYPES: [(&str, &[&str]); 3] = [
    ("N Prompt", &["name", "title"]),
    ("Probe", &["name", "title", "stxt", "i"]),
    ("Item", &["name", "item_name", "description", "stock_uom", "weight_per_unit"]),
];

const RULES: &str = "[sync]\ndoctypes = [\"N Prompt\", \"Probe\", \"Item\"]\nbatch_size = 8\n\
     [sync.retry]\nmax_attempts = 2\nbackoff_seconds = 0.01\n";

/// Two sites with sixty documents each: some on one side only, some equal, some different.
fn furnished() -> Bench {
    let options = Options { latency: Duration::from_millis(5), ..Options::default() };
    let bench = Bench::new(Flavour::V15_105, options);
    bench.configure(RULES);
    let born = Timestamp::now().checked_sub(SignedDuration::from_hours(3)).unwrap();
    for side in Side::BOTH {
        for number in 0..20 {
            // Later on the one side for the one half, on the other for the other.
            let is_later = (number % 2 == 0) == (side == Side::Cloud);
            let minutes = SignedDuration::from_mins(number + i64::from(is_later) * 60);
            let at = born.checked_add(minutes).unwrap();
            for (doctype, _) in DOCTYPES {
                bench.insert_at(side, doctype, &document(doctype, side, number), at);
            }
        }
    }
    bench.clear_logs();
    bench
}

fn document(doctype: &str, side: Side, number: i64) -> Value {
    // A quarter on this side only, a quarter with another text, the others equal.
    let own = if number % 4 == 3 { format!(" {side}") } else { String::new() };
    let name = format!("{doctype} {number:02}{own}");
    let text = if number % 4 == 2 { format!("of {side}") } else { "the same".to_owned() };
    let rows: Vec<Value> = (0..number % 3)
        .map(|row| json!({"item": format!("row {row}"), "qty": row + number, "note": text}))
        .collect();
    match doctype {
        "N Prompt" => json!({"name": name, "title": text, "rows": rows}),
        "Probe" => json!({"title": name, "stxt": text, "i": number, "rows": rows}),
        _ => json!({"item_code": name, "item_name": name, "item_group": "Products",
            "stock_uom": "Nos", "weight_per_unit": number, "description": text,
            "uoms": [{"uom": "Nos", "conversion_factor": 1}, {"uom": "Box", "conversion_factor": number + 2}]}),
    }
}

/// Everything that a user sees of a side, without stamps and row names.
fn contents(bench: &Bench, side: Side) -> Vec<String> {
    let mut contents = Vec::new();
    for (doctype, fields) in DOCTYPES {
        for doc in bench.site(side).all_docs(doctype) {
            let mut line = doctype.to_owned();
            for field in fields {
                line = format!("{line} {field}={}", doc[*field]);
            }
            for row in doc["rows"].as_array().or(doc["uoms"].as_array()).into_iter().flatten() {
                let of = ["idx", "item", "qty", "note", "uom", "conversion_factor"];
                line.push_str(&of.map(|field| format!(" {}", row[field])).concat());
            }
            contents.push(line);
        }
    }
    contents
}

/// A small generator of numbers that look random and are the same every time.
struct Moments(u64);

impl Moments {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// When a run is killed: so long after the n-th request arrives at a side.
#[derive(Debug, Clone, Copy)]
struct Moment {
    side: Side,
    request: usize,
    after: Duration,
}

#[test]
fn a_kill_at_any_moment_changes_nothing_in_the_end() {
    let undisturbed = furnished();
    undisturbed.sync().expect(0);
    let wanted = contents(&undisturbed, Side::Cloud);
    assert_eq!(wanted, contents(&undisturbed, Side::Local));
    assert_eq!(wanted.len(), 3 * 25, "60 a side, of which 45 are the same documents");
    let requests = Sides::from_fn(|side| undisturbed.requests(side));
    drop(undisturbed);

    let mut random = Moments(20_261_122);
    let moments: Vec<Moment> = (0..KILLS)
        .map(|_| {
            let side = Side::BOTH[random.below(2)];
            let request = 1 + random.below(requests[side]);
            let after = Duration::from_micros(random.below(6_000) as u64);
            Moment { side, request, after }
        })
        .collect();
    let (next, open) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(moment) = moments.get(next.fetch_add(1, Ordering::SeqCst)) {
                    open.fetch_add(killed(*moment, &wanted), Ordering::SeqCst);
                }
            });
        }
    });
    assert!(open.load(Ordering::SeqCst) > 10, "some kills must fall on writes in flight");
}

/// Kills a first pass and looks at what later runs make of it; gives the number of writes that
/// nobody had an answer for, or had not yet stored what came of.
fn killed(moment: Moment, wanted: &[String]) -> usize {
    let bench = furnished();
    let (sender, arrived) = channel();
    tell(&bench, moment, sender);
    let mut child = bench
        .command(&["sync-all", "--new-state"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Under another order of requests there may be fewer on this side: then the kill is late.
    while arrived.recv_timeout(Duration::from_millis(50)).is_err() {
        if child.try_wait().unwrap().is_some() {
            break;
        }
    }
    std::thread::sleep(moment.after);
    child.kill().unwrap();
    child.wait().unwrap();
    let left = "SELECT count(*) FROM journal WHERE state IN ('open', 'answered')";
    let open = if bench.path("sync_state.db").exists() { bench.query(left) } else { "0".into() };

    let ran = bench.sync();
    assert_eq!(ran.code, 0, "{moment:?}: {ran:?}");
    for side in Side::BOTH {
        assert_eq!(contents(&bench, side), wanted, "{moment:?} on {side}");
    }
    assert_eq!(bench.query(left), "0", "{moment:?}");
    bench.clear_logs();
    let ran = bench.sync();
    assert_eq!((ran.code, bench.writes()), (0, 0), "{moment:?}: {ran:?}");
    open.parse().unwrap()
}

/// Sends a word when the request arrives, before it is carried out.
fn tell(bench: &Bench, moment: Moment, sender: Sender<()>) {
    let action = Action::Before(Box::new(move |_, _| {
        sender.send(()).ok();
    }));
    bench.site(moment.side).faults.once(Match::any().nth(moment.request), action);
}
