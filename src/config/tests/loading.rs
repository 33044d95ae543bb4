//! What a good file comes to: defaults, precedence, paths, replacements, warnings.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::super::{Config, EXAMPLE};
use super::{BASE, Folder, SECRETS, env, error_text, good, swapped, with};
use crate::model::{
    Collisions, Deletes, Direction, FirstMeeting, MaxDeletes, NamesRule, Policy, Side, Submitted,
};

#[test]
fn the_example_loads_as_it_is() {
    let config = good(EXAMPLE);
    assert_eq!(config.warnings, Vec::<String>::new());
    let names: Vec<_> = config.doctypes.iter().map(|config| config.doctype.as_str()).collect();
    assert_eq!(names, ["Customer", "Item", "Sales Invoice"]);
    let variables: Vec<_> = config.variables.iter().map(String::as_str).collect();
    let expected = ["CLOUD_API_KEY", "CLOUD_API_SECRET", "LOCAL_API_KEY", "LOCAL_API_SECRET"];
    assert_eq!(variables, expected);
}

#[test]
fn what_the_example_says_are_the_defaults() {
    let (example, base) = (good(EXAMPLE), good(BASE));
    assert_eq!(example.doctypes[0], base.doctypes[0]);
    assert_eq!(example.batch_size, base.batch_size);
    assert_eq!(example.batch_pause, base.batch_pause);
    assert_eq!(example.page_size, base.page_size);
    assert_eq!(example.list_every, base.list_every);
    assert_eq!(example.full_every, base.full_every);
    assert_eq!(example.settle_after, base.settle_after);
    assert_eq!(example.retry, base.retry);
    let commented = "# concurrency = 4                   #";
    let all = EXAMPLE.replace(commented, "concurrency = 4 #");
    let all = all.replace("# timeout_seconds", "timeout_seconds");
    let all = good(&all.replace("# max_response_bytes", "max_response_bytes"));
    assert_eq!(format!("{:?}", all.sides), format!("{:?}", base.sides));
}

#[test]
fn the_later_parts_of_the_example_are_valid_too() {
    let mut text = EXAMPLE.replace("# later: ", "").replace("submitted = \"skip\" ", "# ");
    text = text.replace("conflict_resolution = \"latest_timestamp\"", "");
    for line in ["[webhooks]", "secret = ", "listen = ", "max_body_bytes = "] {
        text = text.replace(&format!("# {line}"), line);
    }
    text = text.replace("${WEBHOOK_SECRET}", "plain");
    let config = Folder::new(&text).load_all().unwrap();
    let invoice = &config.doctypes[2];
    assert_eq!(invoice.submitted, Submitted::Mirror);
    assert_eq!(invoice.child_keys["items"], ["item_code"]);
    assert_eq!(config.doctypes[0].policy, Policy::Merge);
    assert_eq!(config.doctypes[0].deletes, Deletes::Propagate);
    let webhooks = config.webhooks.unwrap();
    assert_eq!(webhooks.secrets.cloud.expose(), "plain");
    assert_eq!(webhooks.secrets.local.expose(), "plain");
    assert_eq!(webhooks.listen.to_string(), "127.0.0.1:5000");
    assert_eq!(config.alerts.unwrap().command.unwrap().len(), 2);
    assert!(config.metrics.unwrap().textfile.is_absolute());
}

#[test]
fn defaults() {
    let folder = Folder::new(BASE);
    let config = folder.load().unwrap();
    assert_eq!(config.state_path, folder.path().join("sync_state.db"));
    let cloud = &config.sides[Side::Cloud];
    assert_eq!(cloud.concurrency, 4);
    assert_eq!(cloud.timeout, Duration::from_secs(30));
    assert_eq!(cloud.max_response_bytes, 268_435_456);
    assert_eq!((config.batch_size, config.page_size), (50, 5000));
    assert_eq!(config.list_every, Duration::from_secs(24 * 3600));
    assert_eq!(config.full_every, Duration::from_secs(7 * 24 * 3600));
    assert_eq!(config.settle_after, Duration::from_secs(600));
    assert_eq!((config.retry.max_attempts, config.retry.backoff.as_secs()), (3, 5));
    let customer = &config.doctypes[0];
    assert_eq!(customer.direction, Direction::Both);
    assert_eq!(customer.policy, Policy::LatestTimestamp);
    assert_eq!(customer.first_meeting, FirstMeeting::Policy);
    assert_eq!(customer.collisions, Collisions::Manual);
    assert_eq!(customer.max_deletes, MaxDeletes::Percent(10));
    assert_eq!(customer.names, NamesRule::Auto);
    // Not in this version, so left alone where the file says nothing.
    assert_eq!((customer.submitted, customer.deletes), (Submitted::Mirror, Deletes::Propagate));
}

#[test]
fn a_doctypes_section_overrides_sync_and_nothing_else() {
    let config = good(&with(
        r#"exclude_fields = ["tax_id", "items.rate", "tax_id"]
conflict_resolution = "manual"
first_meeting = "manual"
collisions = "both"
max_deletes = 7
batch_pause_seconds = 0.5
list_every = "90m"
retry = { max_attempts = 5, backoff_seconds = 0.01 }
[doctypes."Sales Invoice"]
direction = "local_to_cloud"
conflict_resolution = "cloud_wins"
exclude_fields = ["remarks"]
include_fields = ["items.rate"]
submitted = "skip"
deletes = "keep"
names = "server"
collisions = "manual"
match_on = []
child_keys = {}
filters = [["company", "=", "ACME"], ["Sales Invoice Item", "qty", "NOT IN", [1, 2.5, true]],
  ["posting_date", ">=", 2025-01-01], ["is_pos", "=", false], ["due_date", "is", "set"]]
"#,
    ));
    let (customer, invoice) = (&config.doctypes[0], &config.doctypes[1]);
    assert_eq!(customer.exclude_fields, ["tax_id", "items.rate"]);
    assert_eq!((customer.policy, invoice.policy), (Policy::Manual, Policy::CloudWins));
    assert_eq!(invoice.exclude_fields, ["remarks"]);
    assert_eq!(invoice.include_fields, ["items.rate"]);
    assert_eq!(invoice.first_meeting, FirstMeeting::Manual);
    assert_eq!((customer.collisions, invoice.collisions), (Collisions::Both, Collisions::Manual));
    assert_eq!(invoice.max_deletes, MaxDeletes::Count(7));
    assert_eq!(invoice.direction, Direction::LocalToCloud);
    assert_eq!(customer.direction, Direction::Both);
    assert_eq!(invoice.names, NamesRule::Server);
    assert_eq!(config.batch_pause, Duration::from_millis(500));
    assert_eq!(config.list_every, Duration::from_secs(5400));
    assert_eq!(config.retry.backoff, Duration::from_millis(10));
    let filters = json!([
        ["company", "=", "ACME"],
        ["Sales Invoice Item", "qty", "not in", [1, 2.5, 1]],
        ["posting_date", ">=", "2025-01-01"],
        ["is_pos", "=", 0],
        ["due_date", "is", "set"]
    ]);
    assert_eq!(serde_json::to_string(&invoice.filters).unwrap(), filters.to_string());
}

#[test]
fn the_order_of_the_list_is_kept() {
    let text = swapped(r#"["Customer", "Sales Invoice"]"#, r#"["Zebra", "Äpfel", "Customer"]"#);
    let config = good(&text);
    let names: Vec<_> = config.doctypes.iter().map(|config| config.doctype.as_str()).collect();
    assert_eq!(names, ["Zebra", "Äpfel", "Customer"]);
}

#[test]
fn a_doctype_that_is_not_configured_has_the_defaults_of_sync() {
    let config = good(&with("conflict_resolution = \"manual\"\n"));
    let item = config.doctype("Item").unwrap();
    assert_eq!((item.doctype.as_str(), item.policy), ("Item", Policy::Manual));
    assert_eq!(config.doctype("Customer").unwrap(), config.doctypes[0]);
    let refused = config.doctype("GL Entry").unwrap_err().to_string();
    assert!(refused.starts_with("\"GL Entry\" must not be synced: each site writes"), "{refused}");
    let spelling = config.doctype("customer").unwrap_err();
    assert_eq!(spelling.hint().unwrap(), "did you mean \"Customer\"?");
    assert!(config.doctype(" ").is_err());
}

#[test]
fn urls_are_normalised() {
    for (given, normal) in [
        ("https://ERP.Example.com:443/", "https://erp.example.com"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("https://example.com/erp//", "https://example.com/erp"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ] {
        let config = good(&swapped("https://erp.example.com", given));
        assert_eq!(config.sides.cloud.url, normal);
    }
}

#[test]
fn site_settings_are_read() {
    let text = swapped(
        "[local]",
        "concurrency = 1\ntimeout_seconds = 0.5\nmax_response_bytes = 1_000\n\
         headers = { Host = \"site1.local\", X-Token = \"${CLOUD_API_KEY}\" }\n\
         time_zone = \"asia/dhaka\"\nca_file = \"ca.pem\"\n[local]",
    );
    let folder = Folder::new(text);
    let ca = folder.put("ca.pem", "x", 0o644);
    let config = folder.load().unwrap();
    let cloud = &config.sides.cloud;
    assert_eq!((cloud.concurrency, cloud.max_response_bytes), (1, 1000));
    assert_eq!(cloud.timeout, Duration::from_millis(500));
    let headers: Vec<_> = cloud.headers.iter().map(|(k, v)| (k.as_str(), v.expose())).collect();
    assert_eq!(headers, [("Host", "site1.local"), ("X-Token", SECRETS[0])]);
    assert_eq!(cloud.time_zone.as_deref(), Some("Asia/Dhaka"));
    assert_eq!(cloud.ca_file.as_deref(), Some(ca.as_path()));
}

#[test]
fn dotenv_stands_behind_the_environment_and_changes_nothing_in_it() {
    let text = swapped("${LOCAL_API_KEY}", "${ERPSYNC_TEST_ONLY}").replace("sync]", "sync]\n");
    let folder = Folder::new(text);
    folder.put(
        ".env",
        "\u{feff}CLOUD_API_KEY=from-dotenv\nexport ERPSYNC_TEST_ONLY='a$b'\nLOCAL_API_SECRET=lent\n",
        0o600,
    );
    let mut vars = env();
    vars.insert("LOCAL_API_SECRET".to_owned(), String::new());
    let config = Config::load(&folder.path().join("sync.toml"), &vars).unwrap();
    assert_eq!(config.sides.cloud.api_key.expose(), SECRETS[0]);
    assert_eq!(config.sides.local.api_key.expose(), "a$b");
    assert_eq!(config.sides.local.api_secret.expose(), "lent");
    assert!(config.variables.contains("ERPSYNC_TEST_ONLY"));
    assert!(std::env::var("ERPSYNC_TEST_ONLY").is_err());
}

#[test]
fn dotenv_is_not_read_where_it_is_not_needed() {
    let folder = Folder::new(BASE);
    folder.put(".env", "not a variable\n", 0o600);
    assert!(folder.load().is_ok());
}

#[test]
fn a_line_of_dotenv_that_cannot_be_read_is_named_but_not_shown() {
    let folder = Folder::new(BASE);
    folder.put(".env", "# comment\nA=1\nCLOUD_API_KEY=hush hush\n", 0o600);
    let error = Config::load(&folder.path().join("sync.toml"), &BTreeMap::new()).unwrap_err();
    assert_eq!(
        folder.shown(&error),
        ".env:3: is not NAME=value\n\
         hint: put a value with blanks or special characters in single quotes"
    );
}

#[test]
fn a_files_content_is_put_in_without_its_last_newline() {
    let folder = Folder::new(swapped("${CLOUD_API_SECRET}", "${file:secret.txt}"));
    folder.put("secret.txt", "from-file\r\n", 0o600);
    let config = folder.load().unwrap();
    assert_eq!(config.sides.cloud.api_secret.expose(), "from-file");
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn what_was_put_in_is_not_looked_at_again_and_two_dollars_are_two_dollars() {
    let text = with("[doctypes.Customer]\nfilters = [[\"a\", \"=\", \"$$x ${A}-${B}$\"]]\n");
    let folder = Folder::new(text);
    let mut vars = env();
    vars.insert("A".to_owned(), "${B}".to_owned());
    vars.insert("B".to_owned(), "b".to_owned());
    let config = Config::load(&folder.path().join("sync.toml"), &vars).unwrap();
    assert_eq!(config.doctypes[0].filters, [json!(["a", "=", "$$x ${B}-b$"])]);
}

#[test]
fn paths_are_relative_to_the_file() {
    let folder = Folder::new(format!("[state]\npath = \"data/state.db\"\n{BASE}"));
    assert_eq!(folder.load().unwrap().state_path, folder.path().join("data/state.db"));
    let folder = Folder::new(format!("[state]\npath = \"/var/state.db\"\n{BASE}"));
    assert_eq!(folder.load().unwrap().state_path.to_str(), Some("/var/state.db"));
}

#[test]
fn plain_http_to_a_public_address_is_a_warning() {
    for (url, warned) in [
        ("http://erp.example.com", true),
        ("http://8.8.8.8", true),
        ("http://[2001:db8::1]", true),
        ("http://localhost.example.com", true),
        ("http://127.0.0.1", false),
        ("http://10.1.2.3:8000", false),
        ("http://192.168.1.2", false),
        ("http://172.16.0.1", false),
        ("http://[::1]:8000", false),
        ("http://[fd00::1]", false),
        ("http://site1.localhost:8000", false),
        ("https://8.8.8.8", false),
    ] {
        let config = good(&swapped("https://erp.example.com", url));
        assert_eq!(!config.warnings.is_empty(), warned, "{url}: {:?}", config.warnings);
    }
    let config = good(&swapped("https://erp.example.com", "http://erp.example.com"));
    let warning = "sync.toml:2: cloud.url: http:// sends the API secret unencrypted over a \
                   network that may not be private; use https://";
    assert!(config.warnings[0].ends_with(warning), "{}", config.warnings[0]);
}

#[test]
fn secrets_that_everybody_can_read_are_a_warning() {
    let warnings = |text: &str, mode| {
        let folder = Folder::new(text);
        folder.put("sync.toml", text, mode);
        folder.put("secret.txt", "from-file", mode);
        folder.load().unwrap().warnings
    };
    let literal = swapped("${CLOUD_API_SECRET}", "in-the-file");
    assert!(warnings(&literal, 0o644)[0].contains("holds an API key or secret and can be read"));
    assert_eq!(warnings(&literal, 0o600).len(), 0);
    assert_eq!(warnings(BASE, 0o644).len(), 0);
    let included = swapped("${CLOUD_API_SECRET}", "${file:secret.txt}");
    assert!(warnings(&included, 0o644)[0].contains("is used as a value and can be read"));
    assert_eq!(warnings(&included, 0o640).len(), 0);
}

#[test]
fn no_secret_is_in_debug_or_in_any_error() {
    let shown = |text: String| {
        assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
    };
    shown(format!("{:?}", good(BASE)));
    // A secret where another value belongs, by mistake: each key of a site and of [sync].
    for key in [
        "url",
        "concurrency",
        "timeout_seconds",
        "max_response_bytes",
        "headers",
        "time_zone",
        "ca_file",
        "unknown",
    ] {
        let line = format!("{key} = \"${{CLOUD_API_SECRET}}\"\n[local]");
        let text = swapped("[local]", &line).replacen("url = \"https://erp.example.com\"\n", "", 1);
        shown(error_text(&text));
    }
    for key in [
        "exclude_fields",
        "conflict_resolution",
        "first_meeting",
        "batch_size",
        "page_size",
        "batch_pause_seconds",
        "list_every",
        "deletes",
        "max_deletes",
        "retry",
        "unknown",
    ] {
        shown(error_text(&with(&format!("{key} = \"${{CLOUD_API_SECRET}} \"\n"))));
        let folder = Folder::new(with(&format!("{key} = [\"${{CLOUD_API_SECRET}}\"]\n")));
        shown(folder.load().map_or_else(|error| folder.shown(&error), |_| String::new()));
    }
    let url = format!("https://{}:{}@erp.example.com", SECRETS[0], SECRETS[1]);
    shown(error_text(&swapped("https://erp.example.com", &url)));
    shown(error_text(&swapped("https://erp.example.com", &format!("{url}:x"))));
    shown(error_text(&swapped("\"${CLOUD_API_SECRET}\"", SECRETS[1])));
    shown(error_text(&swapped("\"${CLOUD_API_SECRET}\"", &format!("\"{} \"", SECRETS[1]))));
}
