//! Two sites come into step before your eyes: `make demo`.
//!
//! Two sandbox sites are started on free ports of this machine, a folder is made with a
//! `sync.toml`, and then the real `erpsync` is run as a person would run it. At the end both
//! sites are read over REST, without erpsync, and compared field by field.
//!
//! The exit code is 0 if everything happened as told, 1 if it did not. With `--meddle`
//! somebody edits a site right before the comparison, which must then fail: the proof that it
//! looks.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a demonstration is to be seen")]

mod compare;
mod queue;
mod stage;
mod voice;

use std::process::ExitCode;

use anyhow::ensure;
use serde_json::json;

use compare::differences_of;
use stage::{Stage, customer, item};
use voice::{bullet, say, title};

/// What is kept in step here. What others link to comes first.
const DOCTYPES: [&str; 4] = ["Brand", "Customer Group", "Customer", "Item"];

fn main() -> ExitCode {
    let meddle = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--meddle") => true,
        Some(_) => {
            eprintln!("usage: demo [--meddle]");
            return ExitCode::from(2);
        }
    };
    match tell(meddle) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nThe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The story.
fn tell(meddle: bool) -> anyhow::Result<()> {
    let stage = Stage::set()?;
    begin(&stage)?;
    meet_for_the_first_time(&stage)?;
    have_nothing_to_do(&stage)?;
    work_on_both_sides(&stage)?;
    see_what_waits(&stage)?;
    settle_the_conflict(&stage)?;
    bring_in_a_queue(&stage)?;
    if meddle {
        say("--meddle: now somebody edits an item on local behind erpsync's back.");
        stage.local.edit("Item", "DRILL-7", &json!({"description": "meddled with"}))?;
    }
    compare_the_sites(&stage)
}

fn begin(stage: &Stage) -> anyhow::Result<()> {
    title("A new folder");
    say("Maria works in the office, on the site \"cloud\". Tom works in the warehouse, on the \
         site \"local\". Both have customers and items that the other does not have.");
    stage.run(&["init"], 0)?;
    say("The two sites and the doctypes are entered in sync.toml, the keys in .env:");
    stage.write_configuration()
}

fn meet_for_the_first_time(stage: &Stage) -> anyhow::Result<()> {
    title("The first run");
    say("What only one site has is created on the other, child rows included. The customer \
         groups that every new site has are equal already.");
    stage.run(&["sync-all"], 0)
}

fn have_nothing_to_do(stage: &Stage) -> anyhow::Result<()> {
    title("A second run");
    say("Nothing has changed, so nothing is written. The sites' own request logs prove it.");
    stage.clear_request_logs();
    stage.run(&["sync-all"], 0)?;
    for site in [&stage.cloud, &stage.local] {
        let (requests, writes) = site.requests();
        println!("{}: {requests} requests answered, {writes} of them writes", site.name);
        ensure!(writes == 0, "the second run wrote to {}", site.name);
    }
    println!();
    Ok(())
}

fn work_on_both_sides(stage: &Stage) -> anyhow::Result<()> {
    title("People work");
    let maria = &stage.cloud;
    say("Maria, on cloud:");
    bullet("changes a row of item SAW-12 and adds one: a box is 12 now, a kilo is 2");
    maria.edit_rows("Item", "SAW-12", "uoms", |rows| {
        rows[1]["conversion_factor"] = json!(12);
        rows.push(json!({"uom": "Kg", "conversion_factor": 2}));
    })?;
    bullet("enters a new customer, Café Zürich");
    maria.insert("Customer", &customer("Café Zürich", "Hardware Stores"))?;
    bullet("gives Nordlicht Ltd 30 days to pay\n");
    maria.edit("Customer", "Nordlicht Ltd", &json!({"payment_terms": "30 days"}))?;

    let tom = &stage.local;
    say("Tom, on local:");
    bullet("takes a row out of the sales team of Miller & Sons, and notes their website");
    tom.edit_rows("Customer", "Miller & Sons", "sales_team", |rows| drop(rows.remove(0)))?;
    tom.edit("Customer", "Miller & Sons", &json!({"website": "https://miller.example.com"}))?;
    bullet("enters a new item, GLOVE-3, of a new brand");
    tom.insert("Brand", &json!({"brand": "Tatze", "description": "Warm hands"}))?;
    tom.insert("Item", &item("GLOVE-3", "Tatze"))?;
    bullet("gives Nordlicht Ltd 14 days to pay: he has not seen what Maria did\n");
    tom.edit("Customer", "Nordlicht Ltd", &json!({"payment_terms": "14 days"}))?;

    say("Every edit is carried over but the last. Two people changed one field, and sync.toml \
         says that a person decides (conflict_resolution = \"manual\").");
    stage.run(&["sync-all"], 3)
}

fn see_what_waits(stage: &Stage) -> anyhow::Result<()> {
    title("What waits");
    say("Both versions of the conflict are kept. Each site tells the time in its own zone.");
    stage.run(&["conflicts"], 0)?;
    say("Where everything stands:");
    stage.run(&["status"], 0)
}

fn settle_the_conflict(stage: &Stage) -> anyhow::Result<()> {
    title("The conflict is settled");
    say("Field by field, and as a table for a colleague's spreadsheet:");
    stage.run(&["conflicts", "show", "1"], 0)?;
    stage.run(&["conflicts", "--csv", "conflicts.csv"], 0)?;
    say("Maria and Tom agree on Maria's 30 days:");
    stage.run(&["resolve", "1", "--take", "cloud"], 0)?;
    stage.run(&["conflicts"], 0)?;
    say("The audit trail knows the whole story, newest first:");
    stage.run(&["log", "--name", "Nordlicht Ltd"], 0)
}

fn bring_in_a_queue(stage: &Stage) -> anyhow::Result<()> {
    title("A queue of webhooks");
    say("Each site can tell of what was saved, signed with a secret that both know. Something \
         that listens wrote these into a file, one line each: two tell of a customer that Tom has \
         just edited, one has a wrong signature, one is no delivery at all.");
    stage.local.edit(
        "Customer",
        "Harbour Office",
        &json!({"website": "https://harbour.example.com"}),
    )?;
    queue::write(&stage.folder.path().join("queue.jsonl"))?;
    stage.run(&["ingest-webhooks", "queue.jsonl"], 4)?;
    say("What was signed was taken as a hint: the customer was read from both sites and synced \
         once. The other lines are told, kept, and stopped nothing.");
    Ok(())
}

/// Reads every document of both sites over REST and compares them.
fn compare_the_sites(stage: &Stage) -> anyhow::Result<()> {
    title("Is it true?");
    say("Every document of both sites, read over REST without erpsync, field by field:");
    let mut differences = Vec::new();
    for doctype in DOCTYPES {
        let (cloud, local) = (stage.cloud.read_all(doctype)?, stage.local.read_all(doctype)?);
        let found = differences_of(doctype, &cloud, &local);
        let verdict = match found.len() {
            0 => "equal".to_owned(),
            1 => "1 DIFFERENCE".to_owned(),
            many => format!("{many} DIFFERENCES"),
        };
        println!("{doctype}: {} on cloud, {} on local; {verdict}", cloud.len(), local.len());
        differences.extend(found);
    }
    println!();
    for difference in &differences {
        println!("{difference}");
    }
    ensure!(differences.is_empty(), "the two sites differ");
    println!("The two sites are equal.");
    Ok(())
}
