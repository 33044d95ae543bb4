//! Who may do what: the core does no I/O and reads no clock and no environment; one place each
//! names the HTTP client, the database, the environment and the terminal.
//!
//! Read off the source text, tests left out. Comments and texts may say what they like.

use std::fs;
use std::path::{Path, PathBuf};

/// Words that no file of the pure core may contain.
const IMPURE: [&str; 17] = [
    "fs",
    "net",
    "env",
    "process",
    "thread",
    "stdin",
    "stdout",
    "stderr",
    "SystemTime",
    "Instant",
    "OnceLock",
    "reqwest",
    "rusqlite",
    "rand",
    "rayon",
    "tempfile",
    "indicatif",
];

/// A file's code as words and signs, without comments, texts and tests.
struct Code(Vec<String>);

impl Code {
    fn of(source: &str) -> Self {
        Self(without_tests(&tokens(source)))
    }

    fn has(&self, word: &str) -> bool {
        self.0.iter().any(|token| token == word)
    }

    /// Whether these tokens stand one after the other.
    fn says(&self, words: &[&str]) -> bool {
        self.0.windows(words.len()).any(|window| window == words)
    }

    fn prints(&self) -> bool {
        ["print", "println", "eprint", "eprintln", "dbg"].iter().any(|name| self.says(&[name, "!"]))
            || ["stdout", "stderr"].iter().any(|name| self.says(&[name, "("]))
    }

    /// `std::env`, also in `use std::{env, ...}`; `env!` is the compiler's own.
    fn reads_environment(&self) -> bool {
        self.says(&["env", ":", ":"])
            || (0..self.0.len()).any(|at| {
                self.0[at] == "use"
                    && self.0.get(at + 1).is_some_and(|word| word == "std")
                    && self.0[at..].iter().take_while(|token| *token != ";").any(|t| t == "env")
            })
    }

    fn impurities(&self) -> Vec<&'static str> {
        let mut found: Vec<&str> = IMPURE.into_iter().filter(|word| self.has(word)).collect();
        if self.says(&[":", ":", "now"]) {
            found.push("now()");
        }
        if self.prints() {
            found.push("a print macro");
        }
        found
    }
}

/// Words and signs of a source text; comments, texts and blanks are left out.
fn tokens(source: &str) -> Vec<String> {
    let chars: Vec<char> = source.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        at += match rest {
            ['/', '/', ..] => line_end(rest),
            ['/', '*', ..] => find(rest, &['*', '/']),
            ['"', ..] => text_end(rest),
            ['r', '"', ..] => 1 + find(&rest[1..], &['"']),
            ['r', '#', '"', ..] => find(rest, &['"', '#']),
            ['\'', '\\', _, ..] => 3 + find(&rest[3..], &['\'']),
            ['\'', _, '\'', ..] => 3,
            [c, ..] if c.is_alphanumeric() || *c == '_' => {
                let word: String =
                    rest.iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
                tokens.push(word.clone());
                word.chars().count()
            }
            [c, ..] => {
                if !c.is_whitespace() {
                    tokens.push(c.to_string());
                }
                1
            }
            [] => 1,
        };
    }
    tokens
}

fn line_end(rest: &[char]) -> usize {
    rest.iter().position(|c| *c == '\n').unwrap_or(rest.len())
}

/// Past the next `end`, which does not begin at the first character.
fn find(rest: &[char], end: &[char]) -> usize {
    (1..rest.len()).find(|at| rest[*at..].starts_with(end)).map_or(rest.len(), |at| at + end.len())
}

/// The length of a text in quotes.
fn text_end(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Leaves out every item under `#[cfg(test)]`.
fn without_tests(tokens: &[String]) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].len() < MARK.len() || tokens[at..at + MARK.len()] != MARK {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0;
        loop {
            let token = tokens.get(at).map(String::as_str);
            depth += i32::from(token == Some("{")) - i32::from(token == Some("}"));
            at += 1;
            if token.is_none() || (depth == 0 && matches!(token, Some(";" | "}"))) {
                break;
            }
        }
    }
    kept
}

/// All source files below `src`, as (path from there, code), in order; files of tests are
/// left out.
fn sources() -> Vec<(String, Code)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut open: Vec<PathBuf> = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        let is_test = name.ends_with("tests.rs") || name.contains("tests/");
        if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
            found.push((name, Code::of(&fs::read_to_string(&path).unwrap())));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn is_below(name: &str, places: &[&str]) -> bool {
    places.iter().any(|place| {
        name.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            || name == format!("{place}.rs")
    })
}

#[test]
fn the_core_is_pure() {
    let mut files = 0;
    for (name, code) in sources() {
        if is_below(&name, &["model", "identity", "recon"]) {
            files += 1;
            assert_eq!(code.impurities(), Vec::<&str>::new(), "src/{name} is of the pure core");
        }
    }
    assert!(files >= 15, "only {files} files were found");
}

#[test]
fn each_outside_has_one_place() {
    for (name, code) in sources() {
        let only_in = |what: &str, is_named: bool, places: &[&str]| {
            assert!(!is_named || is_below(&name, places), "src/{name} names {what}");
        };
        only_in("reqwest", code.has("reqwest"), &["site/http"]);
        only_in("rusqlite", code.has("rusqlite"), &["state"]);
        only_in("the environment", code.reads_environment(), &["config", "main"]);
        only_in("the terminal", code.prints(), &["report"]);
    }
}

/// The test itself: what must be found and what must not.
#[test]
fn impure_lines_are_seen() {
    for line in [
        "use std::fs;",
        "use std::{collections::BTreeMap, env};",
        "let x = std::net::TcpStream::connect(y);",
        "use std::time::{Duration, SystemTime};",
        "let t = Instant::now();",
        "let t = Timestamp::now();",
        "let t = jiff::Zoned::now();",
        "std::thread::sleep(d);",
        "let c = reqwest::blocking::Client::new();",
        "use rusqlite::Connection;",
        "let n: u8 = rand::random();",
        "println!(\"{x}\");",
        "eprint!(\"{x}\");",
        "let c = 'x'; dbg!(c);",
        "#[cfg(test)]\nmod tests;\nuse std::fs;",
        "#[cfg(test)] mod tests { fn f() { g(\"}\"); } } use std::fs;",
        "let a = \"//\"; use std::fs;",
    ] {
        assert!(!Code::of(line).impurities().is_empty(), "not seen: {line}");
    }
    for line in [
        "// use std::fs;",
        "/// Timestamp::now() is not read here.",
        "let text = \"std::fs and println!(...)\";",
        "let text = r#\"std::env \"quoted\" rand\"#;",
        "let (a, b) = ('\"', '\\''); let now = situation.now;",
        "fn f<'a>(x: &'a str) -> &'a str { x }",
        "#[cfg(test)]\nmod tests { use std::fs; fn f() { println!(); } }",
        "/* rand */ let strand = 1;",
    ] {
        assert_eq!(Code::of(line).impurities(), Vec::<&str>::new(), "seen: {line}");
    }
    assert!(Code::of("use std::{env, fs};").reads_environment());
    assert!(Code::of("std::env::var(x)").reads_environment());
    assert!(!Code::of("env!(\"CARGO_PKG_VERSION\"); #[arg(env = \"X\")]").reads_environment());
}
