//! The configuration file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::config::{Config, ConfigError};

/// What the variables of the environment hold: no text may show it.
const SECRETS: [(&str, &str); 4] = [
    ("CLOUD_API_KEY", "ckey-7d1f"),
    ("CLOUD_API_SECRET", "csecret-7d1f"),
    ("LOCAL_API_KEY", "lkey-7d1f"),
    ("LOCAL_API_SECRET", "lsecret-7d1f"),
];

/// The shortest text of a file that is looked for as a secret: a shorter one may be a word.
const SHORTEST: usize = 6;

/// Of any text: a configuration that is valid as a whole, or an error; see [`is_refused_or_read`].
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // A file of this machine may hold anything, and never end.
    let table = text.parse::<toml::Table>().unwrap_or_default();
    if format!("{table:?}").contains("${file:") {
        return;
    }
    let env: BTreeMap<String, String> =
        SECRETS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let load = |text: &str| Config::of_text(text, Path::new("/nowhere/sync.toml"), &env);
    is_refused_or_read(&load, text);
}

/// A configuration in which what the program relies on is so; or words, without a control
/// character, that say what is wrong. Neither shows a secret.
pub(crate) fn is_refused_or_read(load: &dyn Fn(&str) -> Result<Config, ConfigError>, text: &str) {
    let loaded = load(text);
    if let Ok(config) = &loaded {
        is_valid(config);
    }
    let said = words_of(&loaded);
    assert!(loaded.is_ok() || !said.is_empty());
    for said in &said {
        assert!(!said.trim().is_empty());
        assert!(!said.contains(char::is_control), "{said:?}");
    }
    let shows = |said: &[String], secret: &str| said.iter().any(|said| said.contains(secret));
    for secret in secrets_of(text).iter().filter(|secret| shows(&said, secret)) {
        // What is said all the same with another secret there are words of our own.
        let other = words_of(&load(&text.replace(secret, &"x".repeat(secret.len()))));
        assert!(shows(&other, secret), "{said:?} shows {secret:?}");
    }
}

/// Everything that is said of a file.
fn words_of(loaded: &Result<Config, ConfigError>) -> Vec<String> {
    match loaded {
        Ok(config) => config.warnings.clone(),
        Err(error) => {
            let problems = error.problems().iter();
            problems
                .flat_map(|problem| [Some(problem.to_string()), problem.hint.clone()])
                .flatten()
                .collect()
        }
    }
}

fn is_valid(config: &Config) {
    assert!(!config.doctypes.is_empty());
    let names: BTreeSet<&str> = config.doctypes.iter().map(|one| one.doctype.as_str()).collect();
    assert_eq!(names.len(), config.doctypes.len(), "a doctype twice");
    for one in &config.doctypes {
        assert!(!one.doctype.trim().is_empty() && !one.doctype.contains(char::is_control));
        assert_eq!(config.doctype(&one.doctype).expect("configured").doctype, one.doctype);
    }
    assert!(config.batch_size >= 1 && config.page_size >= 1);
    let url = |config: &Config| config.sides.as_ref().map(|_, side| side.url.clone());
    assert_ne!(url(config).cloud, url(config).local);
}

/// What may not be shown: the variables, and what the file itself has in the place of a secret
/// and nowhere else.
fn secrets_of(text: &str) -> Vec<String> {
    const PLACES: [(&str, &str); 5] = [
        ("cloud", "api_key"),
        ("cloud", "api_secret"),
        ("local", "api_key"),
        ("local", "api_secret"),
        ("webhooks", "secret"),
    ];
    let table = text.parse::<toml::Table>().unwrap_or_default();
    let own = PLACES.iter().filter_map(|(section, key)| table.get(*section)?.get(*key)?.as_str());
    let own = own.filter(|own| {
        own.len() >= SHORTEST && !own.contains("${") && text.matches(own).count() == 1
    });
    let variables = SECRETS.iter().map(|(_, value)| *value).filter(|value| !text.contains(value));
    own.chain(variables).map(str::to_owned).collect()
}
