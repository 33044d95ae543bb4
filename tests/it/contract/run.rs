//! Replaying a case file and comparing every answer.

use serde_json::Value;

use super::case::{Case, CaseFile, Expect, Ground};
use super::client::{Answer, Client};
use super::pattern::Context;
use super::same;
use super::sums;
use super::vars::{Vars, at, plain};
use super::world::{World, get};

/// What came of one case file.
#[derive(Debug, Default)]
pub struct Report {
    /// Recorded exchanges that were replayed.
    pub replayed: usize,
    /// Recorded exchanges that these sites cannot show.
    pub left_out: usize,
    /// `title: difference`.
    pub differences: Vec<String>,
}

/// One run of one file.
struct Run<'a> {
    world: &'a World,
    client: &'a Client,
    ground: &'a Ground,
    vars: Vars,
    report: Report,
}

/// Replays a case file.
pub fn replay(world: &World, ground: &Ground, file: &CaseFile) -> Report {
    let client = Client::new();
    let mut run =
        Run { world, client: &client, ground, vars: Vars::default(), report: Report::default() };
    if file.sandbox_only.is_some() && world.is_live() {
        run.report.left_out = file.titles().len();
        return run.report;
    }
    run.introduce();
    world.prepare(&client, ground, file);
    for case in file.setup.iter().chain(&file.cases) {
        run.every(case);
    }
    if world.is_live() {
        let cleanup = file.cleanup.iter().cloned();
        cleanup.for_each(|case| run.every(&Case { may_fail: true, ..case }));
    }
    run.report
}

impl Run<'_> {
    /// The users' names, the company that both sites have, and a mark of this run.
    fn introduce(&mut self) {
        let companies = Case {
            query: [("fields".to_owned(), serde_json::json!(["name", "abbr"]))].into(),
            ..get("/api/resource/Company")
        };
        match self.client.send(self.world.site(None), &companies, &self.vars) {
            Ok(answer) => {
                self.vars.set("company", answer.json["data"][0]["name"].clone());
                self.vars.set("abbr", answer.json["data"][0]["abbr"].clone());
            }
            Err(error) => self.differ(&companies, &error),
        }
        for (variable, user) in [("user", "full"), ("weak", "weak")] {
            let case = Case {
                user: Some(user.to_owned()),
                method: "GET".to_owned(),
                path: "/api/method/frappe.auth.get_logged_user".to_owned(),
                ..Case::default()
            };
            match self.client.send(self.world.site(None), &case, &self.vars) {
                Ok(answer) => self.vars.set(variable, answer.json["message"].clone()),
                Err(error) => self.differ(&case, &error),
            }
        }
        self.vars.set("run", Value::String(self.world.mark()));
    }

    fn differ(&mut self, case: &Case, difference: &str) {
        let name = self.vars.text(case.name());
        self.report.differences.push(format!("{name}: {difference}"));
    }

    /// A case, once or for each of its values.
    fn every(&mut self, case: &Case) {
        if self.world.leaves_out(case) {
            self.report.left_out += case.titles().len();
            return;
        }
        if case.each.is_empty() {
            return self.once(case);
        }
        for value in &case.each {
            self.vars.set("each", value.clone());
            self.once(case);
        }
    }

    fn once(&mut self, case: &Case) {
        if case.cases.is_empty() {
            self.report.replayed += usize::from(case.title.is_some());
            return self.one(case);
        }
        for inner in &case.cases {
            self.every(inner);
        }
    }

    fn one(&mut self, case: &Case) {
        if let Some(seconds) = &case.wait_seconds {
            let seconds: f64 = self.vars.text(seconds).parse().unwrap_or(0.0);
            std::thread::sleep(std::time::Duration::from_secs_f64(seconds));
        }
        if let Some(expected) = &case.deliveries {
            return self.judge_deliveries(case, expected);
        }
        if case.method.is_empty() {
            return self.world.act(case);
        }
        let site = self.world.site(case.site.as_deref());
        match self.client.send(site, case, &self.vars) {
            Err(error) => self.differ(case, &error),
            Ok(answer) => self.judge(case, &answer),
        }
    }

    fn judge(&mut self, case: &Case, answer: &Answer) {
        for (variable, path) in &case.save {
            match saved(answer, path) {
                Some(value) => self.vars.set(&self.vars.text(variable), value),
                None => self.differ(case, &format!("the answer has no {path} to keep")),
            }
        }
        for (name, path) in &case.keep {
            let rows = at(&answer.json, path).and_then(Value::as_array).cloned();
            self.vars.kept.insert(name.clone(), rows.unwrap_or_default());
        }
        if let Some(stamp) = &case.stamp {
            self.world.stamp(case, &answer.json, &self.vars.text(stamp));
        }
        if case.may_fail {
            return;
        }
        let expected = case.expected(self.world.flavour());
        let mut differences = self.compare(expected, answer);
        if !differences.is_empty() && answer.status >= 400 {
            differences
                .push(format!("answer: {}", answer.text.chars().take(400).collect::<String>()));
        }
        for difference in differences {
            self.differ(case, &difference);
        }
    }

    fn judge_deliveries(&mut self, case: &Case, expected: &[Value]) {
        let found = Value::Array(self.world.deliveries(case, expected.len()));
        let expected = self.vars.expand(&Value::Array(expected.to_vec()));
        let context = self.context(&Answer::default());
        for difference in context.compare("deliveries", &expected, &found) {
            self.differ(case, &difference);
        }
    }

    fn compare(&self, expected: &Expect, answer: &Answer) -> Vec<String> {
        let mut out = Vec::new();
        let mut check = |what: &str, wanted: String, found: String| {
            if wanted != found {
                out.push(format!("{what}: expected {wanted}, found {found}"));
            }
        };
        if let Some(status) = expected.status {
            check("status", status.to_string(), answer.status.to_string());
        }
        if let Some(kind) = &expected.exc_type {
            check("exc_type", kind.clone(), error_type(&answer.json));
        }
        if let Some(top) = &expected.top {
            check("keys of the answer", top.join(" "), top_keys(&answer.json));
        }
        if let Some(length) = expected.length {
            check("number of rows", length.to_string(), rows(answer).len().to_string());
        }
        if let Some(names) = &expected.names {
            check("names", names.join(" | "), texts_of(answer, "name").join(" | "));
        }
        out.extend(self.compare_messages(expected, answer));
        out.extend(self.compare_rows(expected, answer));
        out.extend(compare_headers(expected, answer));
        let text = expected.text.as_ref().filter(|t| !answer.text.contains(t.as_str()));
        out.extend(text.map(|t| format!("expected the text {t:?}")));
        if let Some(other) = &expected.same_as {
            let but = self.vars.expand(&expected.but.clone().unwrap_or_default());
            let but: Vec<String> = but.as_array().into_iter().flatten().map(plain).collect();
            let found = &answer.json["data"];
            out.extend(same::differences(&self.vars.expand(other), found, &but));
        }
        if let Some(body) = &expected.body {
            out.extend(self.context(answer).compare("body", &self.vars.expand(body), &answer.json));
        }
        out
    }

    fn context(&self, answer: &Answer) -> Context {
        let date = answer.headers.get("date").map(String::as_str).unwrap_or_default();
        Context {
            bases: self
                .ground
                .bases
                .iter()
                .map(|(k, v)| (k.clone(), self.vars.expand(v)))
                .collect(),
            live: self.world.is_live(),
            date: jiff::fmt::rfc2822::parse(date).ok().map(|z| z.timestamp()),
        }
    }

    fn compare_messages(&self, expected: &Expect, answer: &Answer) -> Vec<String> {
        let fragments = match &expected.message {
            None => return Vec::new(),
            Some(Value::Array(list)) => list.clone(),
            Some(one) => vec![one.clone()],
        };
        let found = messages(&answer.json);
        let missing = fragments
            .iter()
            .map(|f| self.vars.text(&plain(f)))
            .filter(|f| !found.contains(f.as_str()));
        missing.map(|f| format!("no message has {f:?} in {found:?}")).collect()
    }

    fn compare_rows(&self, expected: &Expect, answer: &Answer) -> Vec<String> {
        let mut out = Vec::new();
        if let Some(keys) = &expected.keys {
            let wanted = sorted(keys.clone());
            let other = rows(answer).iter().map(keys_of).find(|found| *found != wanted);
            out.extend(
                other.map(|found| format!("keys of a row: expected {wanted:?}, found {found:?}")),
            );
        }
        if let Some(field) = &expected.sorted_by {
            let found = texts_of(answer, field);
            if !found.is_sorted() {
                out.push(format!("expected to be sorted by {field}: {found:?}"));
            }
        }
        if let Some(rule) = expected.names_of.as_ref().map(|r| self.vars.expand(r)) {
            let wanted =
                sorted(sums::texts("name", &sums::chosen(self.kept(&rule), rule.get("where"))));
            out.extend(unequal("names", &wanted, &sorted(texts_of(answer, "name"))));
        }
        if let Some(rule) = expected.set_of.as_ref().map(|r| self.vars.expand(r)) {
            let all: Vec<&Value> = self.kept(&rule).iter().collect();
            let wanted = sorted(sums::texts(&plain(&rule["how"]), &all));
            let found = texts_of(answer, &plain(&rule["field"]));
            let separator = rule.get("split").map(plain);
            let found = separator.map_or(found.clone(), |s| {
                found.iter().flat_map(|t| t.split(&s)).map(str::to_owned).collect()
            });
            out.extend(unequal("texts", &wanted, &sorted(found)));
        }
        if let Some(rule) = expected.fold.as_ref().map(|r| self.vars.expand(r)) {
            let wanted = serde_json::json!({"$any_order": sums::fold(&rule, self.kept(&rule))});
            out.extend(self.context(answer).compare(
                "sums",
                &wanted,
                &Value::Array(rows(answer).to_vec()),
            ));
        }
        out
    }

    fn kept(&self, rule: &Value) -> &[Value] {
        self.vars.kept.get(&plain(&rule["rows"])).map_or(&[], Vec::as_slice)
    }
}

fn compare_headers(expected: &Expect, answer: &Answer) -> Vec<String> {
    let differs = |name: &str, wanted: &str| {
        let found = answer.headers.get(name);
        let right = match (wanted, found) {
            ("$absent", found) => found.is_none(),
            (_, None) => false,
            ("$text", Some(_)) => true,
            ("$digits", Some(found)) => {
                !found.is_empty() && found.bytes().all(|b| b.is_ascii_digit())
            }
            (wanted, Some(found)) => found.contains(wanted),
        };
        (!right).then(|| format!("header {name}: expected {wanted}, found {found:?}"))
    };
    expected.headers.iter().filter_map(|(name, wanted)| differs(name, wanted)).collect()
}

fn unequal(what: &str, wanted: &[String], found: &[String]) -> Option<String> {
    (wanted != found).then(|| format!("{what}: expected {wanted:?}, found {found:?}"))
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list
}

/// A value out of the answer: `header.x`, or a path in its body.
fn saved(answer: &Answer, path: &str) -> Option<Value> {
    match path.strip_prefix("header.") {
        Some(name) => answer.headers.get(name).map(|v| Value::String(v.clone())),
        None => at(&answer.json, path).cloned(),
    }
}

/// The rows of a list answer (`data`, or `message` of a method).
fn rows(answer: &Answer) -> &[Value] {
    let main = answer.json.get("data").or_else(|| answer.json.get("message"));
    main.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn texts_of(answer: &Answer, field: &str) -> Vec<String> {
    rows(answer).iter().filter_map(|r| r.get(field)).map(plain).collect()
}

fn keys_of(row: &Value) -> Vec<String> {
    sorted(row.as_object().into_iter().flatten().map(|(k, _)| k.clone()).collect())
}

fn top_keys(body: &Value) -> String {
    keys_of(body).into_iter().filter(|k| k != "exc").collect::<Vec<_>>().join(" ")
}

fn error_type(body: &Value) -> String {
    let second = || body["errors"][0].get("type");
    body.get("exc_type").or_else(second).map_or_else(|| "none".to_owned(), plain)
}

/// Every text in which Frappe says what is the matter.
fn messages(body: &Value) -> String {
    let mut all: Vec<String> =
        ["exception", "_error_message"].iter().filter_map(|k| body.get(*k)).map(plain).collect();
    let listed: Vec<String> = body
        .get("_server_messages")
        .and_then(|text| serde_json::from_str(&plain(text)).ok())
        .unwrap_or_default();
    for message in listed {
        let inner: Value = serde_json::from_str(&message).unwrap_or(Value::Null);
        all.push(inner.get("message").map_or(message, plain));
    }
    let errors = body.get("errors").and_then(Value::as_array).into_iter().flatten();
    all.extend(errors.filter_map(|e| e.get("message")).map(plain));
    all.join("\n")
}
