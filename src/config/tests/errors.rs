//! Every mistake in a file: its line, its key, and what is said about it.

use super::super::Config;
use super::{BASE, Folder, env, error_text, swapped, with};

/// Line 0 stands for no line.
type Case = (String, usize, &'static str, &'static str);

fn check(cases: Vec<Case>) {
    for (text, line, key, message) in cases {
        let folder = Folder::new(&text);
        let Err(error) = folder.load() else { panic!("loads, but should not:\n{text}") };
        let found = error.problems().iter().any(|problem| {
            problem.line.unwrap_or(0) == line
                && problem.key == key
                && problem.message.contains(message)
        });
        let shown = folder.shown(&error);
        assert!(found, "wanted {line}: {key}: {message}\nfound {shown}\nin\n{text}");
        assert_eq!(error.problems().len(), 1, "more than one mistake:\n{shown}\nin\n{text}");
    }
}

/// The base with one more line in `[sync]`, line 11.
fn sync(line: &str) -> String {
    with(&format!("{line}\n"))
}

/// The base with a section for Customer, line 11, and one key in it, line 12.
fn customer(line: &str) -> String {
    with(&format!("[doctypes.Customer]\n{line}\n"))
}

/// The base with one more line in `[cloud]`, line 5.
fn cloud(line: &str) -> String {
    swapped("[local]", &format!("{line}\n[local]"))
}

#[test]
fn sections_and_keys() {
    check(vec![
        (with("[syn]\n"), 11, "syn", "is not a known key; known here: alerts, cloud, doctypes"),
        (sync("batchsize = 5"), 11, "sync.batchsize", "is not a known key"),
        (cloud("api-key = \"x\""), 5, "cloud.api-key", "is not a known key"),
        (customer("directon = \"x\""), 12, "doctypes.Customer.directon", "not a known key"),
        (sync("retry = { attempts = 3 }"), 11, "sync.retry.attempts", "known here: backoff_s"),
        (with("[state]\nfile = \"x\"\n"), 12, "state.file", "known here: path"),
        (sync("\"a\\nb\" = 1"), 11, "sync.\"a\\nb\"", "is not a known key"),
    ]);
    check(vec![
        (swapped("url = \"http://localhost:8000\"\n", ""), 5, "local.url", "is missing"),
        (swapped("api_key = \"${CLOUD_API_KEY}\"\n", ""), 1, "cloud.api_key", "is missing"),
        (
            swapped("doctypes = [\"Customer\", \"Sales Invoice\"]", ""),
            9,
            "sync.doctypes",
            "missing",
        ),
        (
            BASE.split("[local]").next().unwrap().to_owned() + "[sync]\ndoctypes = [\"Item\"]",
            0,
            "local",
            "is missing",
        ),
        (BASE.split("[sync]").next().unwrap().to_owned(), 0, "sync", "is missing"),
        (format!("state = 1\n{BASE}"), 1, "state", "must be a table, not a whole number"),
    ]);
}

#[test]
fn types_and_words() {
    check(vec![
        (
            sync("conflict_resolution = \"newest\""),
            11,
            "sync.conflict_resolution",
            "\"newest\" is not allowed; allowed: latest_timestamp, cloud_wins",
        ),
        (sync("conflict_resolution = 1"), 11, "sync.conflict_resolution", "must be one of latest"),
        (sync("first_meeting = \"merge\""), 11, "sync.first_meeting", "allowed: policy, manual"),
        (sync("collisions = \"cloud\""), 11, "sync.collisions", "allowed: manual, both"),
        (sync("deletes = \"yes\""), 11, "sync.deletes", "allowed: propagate, keep, recreate"),
        (
            customer("direction = \"both\""),
            12,
            "doctypes.Customer.direction",
            "allowed: bidirectional, cloud_to_local, local_to_cloud",
        ),
        (customer("submitted = \"copy\""), 12, "doctypes.Customer.submitted", "mirror, skip"),
        (customer("names = \"same\""), 12, "doctypes.Customer.names", "auto, natural, server"),
        (sync("batch_size = \"50\""), 11, "sync.batch_size", "must be a whole number from 1 to"),
        (cloud("concurrency = 1.5"), 5, "cloud.concurrency", "not a number with a fraction"),
        (cloud("headers = [\"a\"]"), 5, "cloud.headers", "must be a table, not a list"),
        (sync("retry = 3"), 11, "sync.retry", "must be a table, not a whole number"),
        (
            customer("").replace("[doctypes.Customer]", "[doctypes]\nCustomer = 1"),
            12,
            "doctypes.Customer",
            "must be a table",
        ),
        (swapped("\"${CLOUD_API_KEY}\"", "5"), 3, "cloud.api_key", "must be text in quotation"),
        (swapped("${CLOUD_API_KEY}", " "), 3, "cloud.api_key", "must not be empty"),
        (swapped("${CLOUD_API_KEY}", "a b"), 3, "cloud.api_key", "holds a blank, a colon"),
        (swapped("${CLOUD_API_KEY}", "a:b"), 3, "cloud.api_key", "holds a blank, a colon"),
    ]);
}

#[test]
fn numbers_and_intervals() {
    check(vec![
        (sync("batch_size = 0"), 11, "sync.batch_size", "0 is not allowed; allowed: a whole"),
        (sync("batch_size = -1"), 11, "sync.batch_size", "-1 is not allowed"),
        (sync("page_size = 99999999999"), 11, "sync.page_size", "from 1 to 1000000"),
        (sync("page_size = 99999999999999999999"), 11, "sync.page_size", "number is too large"),
        (sync("batch_pause_seconds = -0.5"), 11, "sync.batch_pause_seconds", "-0.5 is not"),
        (sync("batch_pause_seconds = nan"), 11, "sync.batch_pause_seconds", "finite"),
        (sync("retry.max_attempts = 0"), 11, "sync.retry.max_attempts", "0 is not allowed"),
        (sync("retry.backoff_seconds = 0"), 11, "sync.retry.backoff_seconds", "more than 0"),
        (cloud("concurrency = 65"), 5, "cloud.concurrency", "a whole number from 1 to 64"),
        (cloud("timeout_seconds = 0"), 5, "cloud.timeout_seconds", "more than 0"),
        (cloud("timeout_seconds = \"30s\""), 5, "cloud.timeout_seconds", "must be a number"),
        (cloud("max_response_bytes = -5"), 5, "cloud.max_response_bytes", "-5 is not allowed"),
        (sync("list_every = \"24\""), 11, "sync.list_every", "\"24\" is not allowed; allowed: a"),
        (sync("list_every = 24"), 11, "sync.list_every", "must be a whole number above 0 with"),
        (sync("full_every = \"0d\""), 11, "sync.full_every", "\"0d\" is not allowed"),
        (sync("full_every = \"99999999999999999999d\""), 11, "sync.full_every", "at most 3650d"),
        (sync("settle_after = \"-1m\""), 11, "sync.settle_after", "\"-1m\" is not allowed"),
        (sync("settle_after = \"ä\""), 11, "sync.settle_after", "\"ä\" is not allowed"),
        (sync("max_deletes = 0"), 11, "sync.max_deletes", "0 is not allowed; allowed: a count"),
        (sync("max_deletes = \"0%\""), 11, "sync.max_deletes", "\"0%\" is not allowed"),
        (sync("max_deletes = \"101%\""), 11, "sync.max_deletes", "\"101%\" is not allowed"),
        (sync("max_deletes = \"ten\""), 11, "sync.max_deletes", "\"ten\" is not allowed"),
        (sync("max_deletes = 0.1"), 11, "sync.max_deletes", "not a number with a fraction"),
    ]);
}

#[test]
fn urls_and_sites() {
    let url = |url: &str| swapped("https://erp.example.com", url);
    check(vec![
        (url("erp.example.com"), 2, "cloud.url", "is not an address that begins with https://"),
        (url("localhost:8000"), 2, "cloud.url", "is not an address that begins with https://"),
        (url("ftp://erp.example.com"), 2, "cloud.url", "must begin with https:// or http://"),
        (url("https://"), 2, "cloud.url", "is not an address"),
        (url("https://me:pw@erp.example.com"), 2, "cloud.url", "must not hold a user or a passw"),
        (url("https://me@erp.example.com"), 2, "cloud.url", "must not hold a user or a password"),
        (url("https://erp.example.com?x=1"), 2, "cloud.url", "must not hold a query"),
        (url("https://erp.example.com/#x"), 2, "cloud.url", "must not hold a query"),
        (url("https://erp.example.com/app/"), 2, "cloud.url", "ends in /app"),
        (url(""), 2, "cloud.url", "must not be empty"),
        (url("http://LOCALHOST:8000/"), 6, "local.url", "is the same site as cloud.url"),
        (
            BASE.replace("http://localhost:8000", "https://Erp.example.com:443/"),
            6,
            "local.url",
            "is the same site as cloud.url",
        ),
        (cloud("time_zone = \"Mars/Base\""), 5, "cloud.time_zone", "\"Mars/Base\" is not a time"),
        (cloud("ca_file = \"none.pem\""), 5, "cloud.ca_file", "there is no file \"none.pem\""),
        (cloud("ca_file = true"), 5, "cloud.ca_file", "the path of a PEM file, not true or false"),
        (cloud("headers = { \"a b\" = \"x\" }"), 5, "cloud.headers.\"a b\"", "name of a header"),
        (cloud("headers = { AUTHORIZATION = \"x\" }"), 5, "cloud.headers.AUTHORIZATION", "itself"),
        (cloud("headers = { X = \"a\\nb\" }"), 5, "cloud.headers.X", "a header cannot hold"),
        (cloud("headers = { X = \"a\", x = \"b\" }"), 5, "cloud.headers.x", "is there twice"),
        (format!("[state]\npath = \"/\"\n{BASE}"), 2, "state.path", "is a directory"),
        (format!("[state]\npath = \"sync.toml\"\n{BASE}"), 2, "state.path", "configuration file"),
        (format!("[state]\npath = \"\"\n{BASE}"), 2, "state.path", "must not be empty"),
    ]);
}

#[test]
fn doctypes() {
    let list = |list: &str| swapped("[\"Customer\", \"Sales Invoice\"]", list);
    check(vec![
        (list("[]"), 10, "sync.doctypes", "must name at least one doctype"),
        (list("\"Customer\""), 10, "sync.doctypes", "must be a list of texts"),
        (list("[\"Customer\", 5]"), 10, "sync.doctypes", "must be text in quotation marks, not"),
        (list("[\"Customer\", \"\"]"), 10, "sync.doctypes", "must not be empty"),
        (list("[\"Customer \"]"), 10, "sync.doctypes", "\"Customer \" has blanks around it"),
        (list("[\"Item\",\n \"Customer\",\n \"Item\"]"), 12, "sync.doctypes", "\"Item\" is in the"),
        (list("[\"Item\", \"ITEM\"]"), 10, "sync.doctypes", "\"ITEM\" is in the list twice"),
        (with("[doctypes.Custmer]\n"), 11, "doctypes.Custmer", "not in sync.doctypes"),
        (with("[doctypes.Item]\ndirection = \"bidirectional\"\n"), 11, "doctypes.Item", "not in"),
        (
            list("[\"Item\",\n\"GL Entry\"]"),
            11,
            "sync.doctypes",
            "\"GL Entry\" must not be synced: e",
        ),
        (list("[\"Stock Ledger Entry\"]"), 10, "sync.doctypes", "must not be synced: each site w"),
        (list("[\"Bin\"]"), 10, "sync.doctypes", "must not be synced: each site counts its own"),
        (list("[\"System Settings\"]"), 10, "sync.doctypes", "a site's own settings (a single)"),
        (list("[\"User\"]"), 10, "sync.doctypes", "users, roles and permissions"),
        (list("[\"DocType\"]"), 10, "sync.doctypes", "it decides how a site works"),
        (list("[\"Version\"]"), 10, "sync.doctypes", "each site keeps its own history"),
        (list("[\"File\"]"), 10, "sync.doctypes", "a file's content is not part"),
    ]);
}

#[test]
fn fields_and_filters() {
    let key = "doctypes.Customer.filters";
    check(vec![
        (sync("exclude_fields = [\"\"]"), 11, "sync.exclude_fields", "must not be empty"),
        (sync("exclude_fields = \"a\""), 11, "sync.exclude_fields", "must be a list of texts"),
        (sync("exclude_fields = [\"a b\"]"), 11, "sync.exclude_fields", "\"a b\" is not the name"),
        (sync("exclude_fields = [\"a.b.c\"]"), 11, "sync.exclude_fields", "is not the name of"),
        (sync("exclude_fields = [\".a\"]"), 11, "sync.exclude_fields", "is not the name of"),
        (
            customer("include_fields = [\"modified\"]"),
            12,
            "doctypes.Customer.include_fields",
            "\"modified\" is a field that a site keeps for itself",
        ),
        (
            customer("include_fields = [\"a\"]\nexclude_fields = [\"a\"]"),
            12,
            "doctypes.Customer.include_fields",
            "\"a\" is in exclude_fields too",
        ),
        (customer("filters = { a = 1 }"), 12, key, "must be a list of [field, operator, value]"),
        (customer("filters = [\"a\", \"=\", 1]"), 12, key, "must be a list of [field, operator"),
        (
            customer("filters = [\n[\"a\", \"=\", 1],\n[\"a\", 1]]"),
            14,
            key,
            "filter 2: has 2 parts",
        ),
        (customer("filters = [[\"a\", \"~\", 1]]"), 12, key, "filter 1: \"~\" is not an operator"),
        (customer("filters = [[\"a\", 1, 1]]"), 12, key, "filter 1: the operator must be text"),
        (customer("filters = [[\"a b\", \"=\", 1]]"), 12, key, "\"a b\" is not a field's name"),
        (customer("filters = [[1, \"=\", 1]]"), 12, key, "the field must be text, not a whole"),
        (customer("filters = [[\"\", \"a\", \"=\", 1]]"), 12, key, "the doctype must be a text"),
        (
            customer("filters = [[\"a\", \"in\", 1]]"),
            12,
            key,
            "\"in\" takes a list that is not empty",
        ),
        (customer("filters = [[\"a\", \"in\", []]]"), 12, key, "\"in\" takes a list that is not"),
        (customer("filters = [[\"a\", \"between\", [1]]]"), 12, key, "takes a list of two"),
        (
            customer("filters = [[\"a\", \"is\", \"empty\"]]"),
            12,
            key,
            "takes \"set\" or \"not set\"",
        ),
        (customer("filters = [[\"a\", \"=\", [1]]]"), 12, key, "\"=\" takes a text, a number"),
        (customer("filters = [[\"a\", \"=\", {}]]"), 12, key, "\"=\" takes a text, a number"),
        (customer("filters = [5]"), 12, key, "filter 1: must be [field, operator, value] or"),
    ]);
}

#[test]
fn replacements() {
    let key = |text: &str| swapped("${CLOUD_API_KEY}", text);
    check(vec![
        (key("${NONE}"), 3, "cloud.api_key", "the variable NONE is not set"),
        (key("${NONE"), 3, "cloud.api_key", "${ is not closed with }"),
        (key("${}"), 3, "cloud.api_key", "\"${}\" is not the name of a variable"),
        (key("${A B}"), 3, "cloud.api_key", "\"${A B}\" is not the name of a variable"),
        (key("${file:}"), 3, "cloud.api_key", "${file:} names no file"),
        (key("${file:/dev/zero}"), 3, "cloud.api_key", "is longer than 64 KiB"),
        (key("${file:none}"), 3, "cloud.api_key", "the file \"none\" cannot be read: no such file"),
        (key("${file:.}"), 3, "cloud.api_key", "the file \".\" cannot be read: is a directory"),
        (
            customer("filters = [[\"a\", \"=\", \"${NONE}\"]]"),
            12,
            "doctypes.Customer.filters",
            "the variable NONE is not set",
        ),
    ]);
    let folder = Folder::new(key("${file:empty}"));
    folder.put("empty", "\n", 0o600);
    assert!(folder.load().unwrap_err().to_string().ends_with("the file \"empty\" is empty"));
    let mut vars = env();
    vars.insert("LOCAL_API_KEY".to_owned(), String::new());
    let folder = Folder::new(BASE);
    let error = Config::load(&folder.path().join("sync.toml"), &vars).unwrap_err();
    assert_eq!(
        folder.shown(&error),
        "sync.toml:7: local.api_key: the variable LOCAL_API_KEY is set, but empty\n\
         hint: export LOCAL_API_KEY, or write LOCAL_API_KEY=... into .env beside this file"
    );
}

#[test]
fn files_that_are_none() {
    check(vec![
        ("[cloud\n".to_owned(), 1, "", "is not TOML: "),
        (with("batch_size = 5\nbatch_size = 6\n"), 12, "", "is not TOML: duplicate key"),
        (with("batch_size = five\n"), 11, "", "is not TOML: "),
    ]);
    let folder = Folder::new(b"[cloud]\n\nurl = \"\xff\"\n");
    let error = folder.load().unwrap_err();
    let text = "sync.toml:3: is not UTF-8 text\nhint: save the file as UTF-8";
    assert_eq!(folder.shown(&error), text);
    let error = Config::load(&folder.path().join("none.toml"), &env()).unwrap_err();
    assert_eq!(
        folder.shown(&error),
        "none.toml: no such file\nhint: `erpsync init` writes one; --config FILE names another"
    );
    let error = Config::load(folder.path(), &env()).unwrap_err();
    assert!(error.to_string().ends_with(": is a directory, not a file"), "{error}");
    let error = Config::load(std::path::Path::new("./no/such.toml"), &env()).unwrap_err();
    assert_eq!(error.to_string(), "no/such.toml: no such file");
}

#[test]
fn what_is_not_in_this_version() {
    let policy = "\"merge\" is not in this version";
    check(vec![
        (sync("conflict_resolution = \"merge\""), 11, "sync.conflict_resolution", policy),
        (
            customer("conflict_resolution = \"merge\""),
            12,
            "doctypes.Customer.conflict_resolution",
            policy,
        ),
        (customer("child_keys = { items = 5 }"), 12, "doctypes.Customer.child_keys", "is not in"),
        (with("[alerts]\nunknown = 1\n"), 11, "alerts", "is not in this version"),
        (with("[metrics]\ntextfile = \"x\"\n"), 11, "metrics", "is not in this version"),
    ]);
}

#[test]
fn sections_of_later_versions_are_checked() {
    let problem = |more: &str| {
        let folder = Folder::new(with(more));
        let error = folder.load_all().unwrap_err();
        folder.shown(&error).lines().next().unwrap().to_owned()
    };
    assert_eq!(problem("[webhooks]\n"), "sync.toml:11: webhooks.cloud_secret: is missing");
    assert_eq!(
        problem("[webhooks]\nsecret = \"s\"\nlisten = \"5000\"\n"),
        "sync.toml:13: webhooks.listen: \"5000\" is not an address and port"
    );
    assert_eq!(
        problem("[alerts]\ncommand = []\n"),
        "sync.toml:12: alerts.command: must name a program"
    );
    assert_eq!(
        problem("[alerts]\nping_url = \"x\"\n"),
        "sync.toml:12: alerts.ping_url: is not an address that begins with https:// or http://"
    );
    assert_eq!(problem("[metrics]\n"), "sync.toml:11: metrics.textfile: is missing");
    assert_eq!(
        problem("[doctypes.Customer]\nchild_keys = { items = [] }\n"),
        "sync.toml:12: doctypes.Customer.child_keys.items: must be a list of fields that is not \
         empty, not a list"
    );
}

#[test]
fn texts_in_full() {
    assert_eq!(
        error_text(&sync("conflict_resolution = \"newest\"")),
        "sync.toml:11: sync.conflict_resolution: \"newest\" is not allowed; allowed: \
         latest_timestamp, cloud_wins, local_wins, manual, merge"
    );
    assert_eq!(
        error_text(&sync("conflict_resolution = \"cloud-wins\"")),
        "sync.toml:11: sync.conflict_resolution: \"cloud-wins\" is not allowed; allowed: \
         latest_timestamp, cloud_wins, local_wins, manual, merge\n\
         hint: did you mean \"cloud_wins\"?"
    );
    assert_eq!(
        error_text(&with("[doctypes.\"Sales Invoices\"]\n")),
        "sync.toml:11: doctypes.\"Sales Invoices\": is a section for a doctype that is not in \
         sync.doctypes\nhint: did you mean \"Sales Invoice\"?"
    );
    assert_eq!(
        error_text(&sync("direction = \"cloud_to_local\"")).lines().last(),
        Some("hint: direction belongs in [doctypes.\"NAME\"]")
    );
    assert_eq!(
        error_text(&with("[alerts]\ncommand = [\"x\"]\n")),
        "sync.toml:11: alerts: is not in this version\nhint: leave the section out"
    );
}

#[test]
fn all_mistakes_are_found_in_one_go_in_the_order_of_their_lines() {
    let text = swapped("url = \"http://localhost:8000\"\n", "url = \"x\"\n")
        .replace("${CLOUD_API_KEY}", "${NONE}")
        + "batch_size = 0\nbatch_siz = 1\n[doctypes.Item]\n";
    assert_eq!(
        error_text(&text),
        "sync.toml:3: cloud.api_key: the variable NONE is not set\n\
         sync.toml:6: local.url: is not an address that begins with https:// or http://\n\
         sync.toml:11: sync.batch_size: 0 is not allowed; allowed: a whole number from 1 to 10000\n\
         sync.toml:12: sync.batch_siz: is not a known key; known here: batch_pause_seconds, \
         batch_size, collisions, conflict_resolution, deletes, doctypes, exclude_fields, first_meeting, \
         full_every, list_every, max_deletes, page_size, retry, settle_after\n\
         sync.toml:13: doctypes.Item: is a section for a doctype that is not in sync.doctypes\n\
         hint: export NONE, or write NONE=... into .env beside this file"
    );
}
