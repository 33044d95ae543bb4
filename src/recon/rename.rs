//! What a document's new name on one side means for the other.
//!
//! Pure. The rule kept here: a name is given only where it is the document's own on both
//! sides; elsewhere each site keeps its name for it and the map follows.

use crate::model::{Direction, Side, Sides};

/// What is known about the names of a document that is on both sides.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// As both sides last agreed.
    pub base: Sides<&'a str>,
    /// As they are now.
    pub now: Sides<&'a str>,
    /// Whether the name is the document's own, not one that each site counts.
    pub is_natural: bool,
    /// Whether each site lets documents of this doctype be renamed.
    pub may_rename: Sides<bool>,
    /// Which way changes may be carried.
    pub direction: Direction,
    /// The side on which we gave it a name for the time being, on the way to its own.
    pub passing: Option<Side>,
}

/// What is to be done about a document's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renaming {
    /// Nothing: neither side has another name than when both agreed.
    None,
    /// This side gives the document the other's new name.
    Carry(Side),
    /// Each side keeps its name, for this reason, as nobody would have it otherwise.
    Keep(String),
    /// Each side keeps its name, for this reason, and somebody may have wished otherwise.
    Apart(String),
    /// The same for as long as changes are carried the other way only.
    Withheld(String),
    /// The same, but only because the name could not be given: a person may change that.
    Refused(String),
}

/// What is to be done about a document's names.
#[must_use]
pub fn renaming(names: &Names<'_>) -> Renaming {
    if let Some(side) = names.passing {
        return Renaming::Carry(side);
    }
    let is_renamed = |side: Side| names.base[side] != names.now[side];
    let keep = |reason: &str| Renaming::Keep(reason.to_owned());
    let one_way = names.direction.target();
    let source = match (is_renamed(Side::Cloud), is_renamed(Side::Local)) {
        (false, false) => return Renaming::None,
        _ if names.now.cloud == names.now.local => return keep("the same name on both sides now"),
        (true, true) => {
            let reason = "renamed on both sides; each keeps its own name";
            let Some(target) = one_way else { return Renaming::Apart(reason.to_owned()) };
            target.opposite()
        }
        (true, false) => Side::Cloud,
        (false, true) => Side::Local,
    };
    let target = source.opposite();
    if !names.is_natural && names.base.cloud != names.base.local {
        return keep("each site gives it a name of its own");
    }
    if one_way.is_some_and(|carried_to| carried_to != target) {
        let new = names.now[source];
        return Renaming::Withheld(format!(
            "renamed on {source} to {new}, and nothing is carried to {target}"
        ));
    }
    if !names.may_rename[target] {
        return Renaming::Apart(format!("{target} does not let such documents be renamed"));
    }
    Renaming::Carry(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Base names, names now, natural, `allow_rename` of both, direction; what is done.
    #[test]
    fn a_rename_is_carried_where_the_name_is_the_documents_own() {
        let both = Direction::Both;
        let yes = (true, true);
        let cases = [
            (("A", "A"), ("A", "A"), true, yes, both, "none"),
            (("A", "X"), ("A", "X"), true, yes, both, "none"),
            (("A", "A"), ("B", "A"), true, yes, both, "local"),
            (("A", "A"), ("A", "B"), true, yes, both, "cloud"),
            // Case only, and a doctype that counts, where both had the same name.
            (("A", "A"), ("a", "A"), true, yes, both, "local"),
            (("A", "A"), ("B", "A"), false, yes, both, "local"),
            (("A", "X"), ("B", "X"), true, yes, both, "local"),
            (("A", "X"), ("B", "X"), false, yes, both, "a name of its own"),
            (("A", "A"), ("B", "B"), true, yes, both, "the same name"),
            (("A", "B"), ("B", "B"), true, yes, both, "the same name"),
            (("A", "A"), ("B", "C"), true, yes, both, "renamed on both sides"),
            (("A", "A"), ("B", "C"), true, yes, Direction::CloudToLocal, "local"),
            (("A", "A"), ("B", "A"), true, (true, false), both, "does not let"),
            (("A", "A"), ("B", "A"), true, (false, true), both, "local"),
            (("A", "A"), ("B", "A"), true, yes, Direction::CloudToLocal, "local"),
            (("A", "A"), ("B", "A"), true, yes, Direction::LocalToCloud, "nothing is carried"),
        ];
        for (base, now, is_natural, may_rename, direction, expected) in cases {
            let names = Names {
                base: Sides::new(base.0, base.1),
                now: Sides::new(now.0, now.1),
                is_natural,
                may_rename: Sides::new(may_rename.0, may_rename.1),
                direction,
                passing: None,
            };
            let found = match renaming(&names) {
                Renaming::None => "none".to_owned(),
                Renaming::Carry(side) => side.to_string(),
                Renaming::Keep(reason)
                | Renaming::Apart(reason)
                | Renaming::Withheld(reason)
                | Renaming::Refused(reason) => reason,
            };
            assert!(found.contains(expected), "{names:?}: {found}");
        }
    }

    /// Whatever became of the other side's name meanwhile.
    #[test]
    fn a_name_for_the_time_being_is_never_kept() {
        for now in ["B", "A", "C"] {
            let names = Names {
                base: Sides::new("A", "A"),
                now: Sides::new(now, "passing"),
                is_natural: false,
                may_rename: Sides::new(true, true),
                direction: Direction::Both,
                passing: Some(Side::Local),
            };
            assert_eq!(renaming(&names), Renaming::Carry(Side::Local));
        }
    }
}
