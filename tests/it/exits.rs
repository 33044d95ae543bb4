//! What a user, a cron line and a script see of the program: exit codes, error texts, and what
//! is left behind, all through the binary.

mod codes;
mod faults;
mod files;
mod init;
mod options;
mod outages;
mod output;
mod refusals;
pub mod stub;
mod usage;

use erpsync::model::{Side, Sides};
use serde_json::{Value, json};

use crate::bench::{Bench, Ran};

/// Few attempts and short pauses, so that a failure is final soon.
const FAST: &str = "[sync.retry]\nmax_attempts = 2\nbackoff_seconds = 0.01\n";

/// A bench that syncs these doctypes.
fn bench(doctypes: &[&str]) -> Bench {
    let bench = Bench::default();
    bench.configure(&rules(doctypes, ""));
    bench
}

/// `[sync]` with these doctypes and some more keys, and the fast retry.
fn rules(doctypes: &[&str], keys: &str) -> String {
    format!("[sync]\ndoctypes = {doctypes:?}\n{keys}\n{FAST}")
}

/// Changes the configuration's text.
fn reconfigure(bench: &Bench, from: &str, to: &str) {
    let path = bench.path("sync.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

/// A whole pass with its texts, creating the state where there is none.
fn sync(bench: &Bench) -> Ran {
    bench.run(&["sync-all", "--new-state"])
}

/// A new brand.
fn brand(bench: &Bench, side: Side, name: &str, description: &str) {
    bench.insert(side, "Brand", &json!({"brand": name, "description": description}));
}

/// A new unit.
fn unit(bench: &Bench, side: Side, name: &str, code: &str) {
    bench.insert(side, "UOM", &json!({"uom_name": name, "common_code": code}));
}

/// One field of a document, as text.
fn field(bench: &Bench, side: Side, doctype: &str, name: &str, field: &str) -> Option<String> {
    let doc = bench.doc(side, doctype, name)?;
    Some(doc[field].as_str().unwrap_or_default().to_owned())
}

/// How many requests of a method with this in their path a side has received.
fn count(bench: &Bench, side: Side, method: &str, path: &str) -> usize {
    bench.site(side).log.count(method, path)
}

/// The counts of one doctype in the JSON document.
fn doctype<'a>(document: &'a Value, name: &str) -> &'a Value {
    let doctypes = document["doctypes"].as_array().unwrap();
    doctypes.iter().find(|entry| entry["doctype"] == name).unwrap()
}

/// The bench writes its secrets into a file that everybody may read, and is told so.
const READABLE: &str = "warning: sync.toml holds an API key or secret and can be read by every \
     user of this machine; chmod 600 sync.toml\n";

/// What a run said, with what differs from run to run taken out.
fn shown(bench: &Bench, ran: &Ran) -> String {
    let mut text = format!("exit code {}\n", ran.code);
    for (title, stream) in [("out", &ran.out), ("err", &ran.err)] {
        let stream = stream.replace(READABLE, "");
        if !stream.is_empty() {
            text = format!("{text}--- {title}\n{stream}");
        }
    }
    redacted(bench, &text)
}

/// Takes addresses, paths and times out of a text.
fn redacted(bench: &Bench, text: &str) -> String {
    let mut text = text.to_owned();
    let urls = Sides::from_fn(|side| bench.servers[side].url());
    for (side, url) in urls.iter() {
        text = text.replace(url, &format!("http://{}.example", side.as_str().to_uppercase()));
    }
    // macOS shows the real path of a temporary folder.
    let folder = bench.dir.path();
    for path in [folder.canonicalize().unwrap(), folder.to_owned()] {
        text = text.replace(path.to_str().unwrap(), "DIR");
    }
    without_times(&text)
}

/// Puts TIME for every instant, whether ours or a site's.
fn without_times(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = time_at(rest);
        if length > 0 {
            shown.push_str("TIME");
            rest = &rest[length..];
        } else {
            shown.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    shown
}

/// How long the instant is that a text begins with; 0 where it begins with something else.
fn time_at(text: &str) -> usize {
    let bytes = text.as_bytes();
    let fits = |pattern: &[u8], at: usize| {
        bytes.len() >= at + pattern.len()
            && pattern.iter().zip(&bytes[at..]).all(|(pattern, byte)| match pattern {
                b'0' => byte.is_ascii_digit(),
                b'T' => matches!(byte, b'T' | b' '),
                other => other == byte,
            })
    };
    if !fits(b"0000-00-00T00:00:00", 0) {
        return 0;
    }
    let tail = bytes[19..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.');
    let length = 19 + tail.count();
    length + usize::from(bytes.get(length) == Some(&b'Z'))
}
