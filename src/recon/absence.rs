//! Whether a known document is gone, by what a site answered when it was asked for it.
//!
//! Pure: answers in, a fate out. The rule kept here: absence is the site's own statement about
//! this document (invariant 2). A list that does not show it, a refusal and a wrong path say
//! nothing; what has its `creation` is the document, whatever it is called now.

/// A document that a site lists under the name or with the `creation` that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookalike {
    /// Its name.
    pub name: String,
    /// Its `creation`.
    pub creation: String,
    /// Whether it has the name asked for, as the site compares names.
    pub is_namesake: bool,
    /// Whether it is known to be another document.
    pub is_another: bool,
}

/// What a site answered when it was asked for one document by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Single {
    /// A 404 that names the document.
    NotFound,
    /// 403: it is there, or may be.
    Forbidden,
    /// It is there.
    Found,
    /// Anything else, in the site's words.
    Other(String),
}

/// What is known about a document that a site did not show.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The `creation` by which it is known.
    pub creation: Option<&'a str>,
    /// What the site lists under its name or with its `creation`, without any filter; or
    /// why it lists nothing.
    pub listed: Result<Vec<Lookalike>, String>,
    /// The single read, where it was made.
    pub single: Option<Single>,
}

/// What became of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is certainly gone. Another document may have its name now.
    Gone,
    /// It is called so now.
    Renamed(String),
    /// Nobody can say, for this reason.
    Unknown(String),
}

/// What became of a document; `None` where it has to be asked for by name first.
#[must_use]
pub fn fate(asked: &Asked<'_>) -> Option<Fate> {
    let unknown = |reason: &str| Some(Fate::Unknown(reason.to_owned()));
    let Some(creation) = asked.creation.filter(|creation| !creation.is_empty()) else {
        return unknown("not found under its name, and its creation is not known");
    };
    let listed = match &asked.listed {
        Ok(listed) => listed,
        Err(reason) => return unknown(&format!("the doctype cannot be listed: {reason}")),
    };
    let is_same = |doc: &&Lookalike| doc.creation == creation && !doc.is_another;
    let same: Vec<&Lookalike> = listed.iter().filter(is_same).collect();
    match same.as_slice() {
        [] => {}
        [one] => return Some(Fate::Renamed(one.name.clone())),
        _ => return unknown("not found under its name, and several documents have its creation"),
    }
    // A name belongs to one document: the one that has it now is another.
    if listed.iter().any(|doc| doc.is_namesake) {
        return Some(Fate::Gone);
    }
    match asked.single.as_ref()? {
        Single::NotFound => Some(Fate::Gone),
        Single::Forbidden => unknown("hidden from our user"),
        Single::Found => unknown("came back while it was asked for"),
        Single::Other(message) => unknown(&format!("nobody can say whether it is gone: {message}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BORN: &str = "2026-01-01 10:00:00.000001";

    fn doc(name: &str, creation: &str) -> Lookalike {
        Lookalike {
            name: name.to_owned(),
            creation: creation.to_owned(),
            is_namesake: name.eq_ignore_ascii_case("acme"),
            is_another: name == "Known",
        }
    }

    /// What is known, and in the end: gone, renamed to, unknown because of, or asked for.
    #[test]
    fn less_than_all_the_evidence_is_none() {
        let (gone, ask) = ("gone", "ask");
        let other = Single::Other("the site knows no such path".to_owned());
        let not_found = || Some(Single::NotFound);
        let none = || Ok(Vec::new());
        let cases = [
            (Some(BORN), none(), None, ask),
            (Some(BORN), none(), not_found(), gone),
            (Some(BORN), none(), Some(Single::Forbidden), "hidden"),
            (Some(BORN), none(), Some(Single::Found), "came back"),
            (Some(BORN), none(), Some(other), "no such path"),
            (None, none(), not_found(), "its creation is not known"),
            (Some(""), none(), not_found(), "its creation is not known"),
            (Some(BORN), Err("no permission".to_owned()), not_found(), "cannot be listed"),
            (Some(BORN), Ok(vec![doc("Beta", BORN)]), not_found(), "Beta"),
            (Some(BORN), Ok(vec![doc("acme", BORN)]), None, "acme"),
            (Some(BORN), Ok(vec![doc("A", BORN), doc("B", BORN)]), not_found(), "several"),
            (Some(BORN), Ok(vec![doc("Known", BORN)]), not_found(), gone),
            (Some(BORN), Ok(vec![doc("Known", BORN)]), Some(Single::Forbidden), "hidden"),
            (Some(BORN), Ok(vec![doc("ACME", "later")]), None, gone),
            (Some(BORN), Ok(vec![doc("ACME", "later"), doc("Beta", BORN)]), None, "Beta"),
        ];
        for (creation, listed, single, expected) in cases {
            let asked = Asked { creation, listed, single };
            let found = match fate(&asked) {
                None => ask.to_owned(),
                Some(Fate::Gone) => gone.to_owned(),
                Some(Fate::Renamed(name)) => name,
                Some(Fate::Unknown(reason)) => reason,
            };
            assert!(found.contains(expected), "{asked:?}: {found}");
        }
    }
}
