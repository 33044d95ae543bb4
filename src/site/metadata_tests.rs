//! Reading metadata from a site of a few lines.

use std::sync::Mutex;

use super::*;
use crate::site::reads::Reads;

/// A site that knows some metadata, and answers everything else with nothing.
#[derive(Default)]
struct Fake {
    metas: BTreeMap<String, Value>,
    /// What the short way of asking is refused with.
    closed: Option<ErrorKind>,
    /// What the desk is refused with.
    closed_desk: Option<ErrorKind>,
    asked: Mutex<Vec<String>>,
}

impl Fake {
    fn new(metas: &[Value]) -> Self {
        let named = |meta: &Value| (meta["name"].as_str().unwrap().to_owned(), meta.clone());
        Self { metas: metas.iter().map(named).collect(), ..Self::default() }
    }

    fn find(&self, doctype: &str) -> SiteResult<Map<String, Value>> {
        let meta = self.metas.get(doctype).and_then(Value::as_object).cloned();
        meta.ok_or_else(|| SiteError::new(ErrorKind::NotFound, "no such doctype"))
    }

    fn answer<T>(&self, what: String, closed: Option<ErrorKind>, value: T) -> SiteResult<T> {
        self.asked.lock().unwrap().push(what);
        closed.map_or(Ok(value), |kind| Err(SiteError::new(kind, "closed")))
    }
}

impl Reads for Fake {
    fn described(&self, doctype: &str) -> SiteResult<Map<String, Value>> {
        self.answer(doctype.to_owned(), self.closed, ())?;
        self.find(doctype)
    }

    fn described_to_the_desk(&self, doctype: &str) -> SiteResult<Vec<Map<String, Value>>> {
        self.answer(format!("desk {doctype}"), self.closed_desk, ())?;
        let own = self.find(doctype)?;
        let schema = Schema::from_meta(&own);
        let children = schema.child_doctypes().map(|(_, child)| self.find(child));
        std::iter::once(Ok(own)).chain(children).collect()
    }

    fn listed(&self, query: &ListQuery) -> SiteResult<Vec<Doc>> {
        self.answer(query.doctype.clone(), None, Vec::new())
    }
}

fn metas() -> [Value; 3] {
    let table = |name: &str, child: &str| json!({"fieldname": name, "fieldtype": "Table", "options": child});
    let data = |name: &str| json!({"fieldname": name, "fieldtype": "Data", "label": "Not kept"});
    [
        json!({"name": "Order", "module": "Not kept", "fields": [
            data("title"), table("items", "Row"), table("more", "Row"),
            {"fieldname": "break", "fieldtype": "Section Break"},
        ]}),
        json!({"name": "Row", "istable": 1, "fields": [data("item")]}),
        json!({"name": "Bare"}),
    ]
}

fn read(fake: &Fake, doctype: &str) -> (SiteResult<Metas>, Vec<String>) {
    let read = fetch_missing(fake, doctype, &Metas::new());
    (read, std::mem::take(&mut fake.asked.lock().unwrap()))
}

#[test]
fn each_doctype_is_read_once_and_reduced_to_what_counts() {
    let fake = Fake::new(&metas());
    let (metas, asked) = read(&fake, "Order");
    let metas = metas.unwrap();
    assert_eq!(asked, ["Order", "Row"]);
    let order = serde_json::to_string(&metas["Order"]).unwrap();
    assert!(!order.contains("Not kept") && !order.contains("break"), "{order}");
    let schema = Schema::assemble("Order", &metas).unwrap();
    assert_eq!(schema, {
        let mut whole = Schema::from_meta(&fake.find("Order").unwrap());
        for table in ["items", "more"] {
            let row = Schema::from_meta(&fake.find("Row").unwrap());
            whole.tables.insert(table.to_owned(), row);
        }
        whole
    });
    assert_eq!(fetch_missing(&fake, "Order", &metas).unwrap(), Metas::new());
    let parent = Metas::from([("Order".to_owned(), metas["Order"].clone())]);
    assert_eq!(fetch_missing(&fake, "Order", &parent).unwrap().len(), 1, "only the rows");
}

#[test]
fn the_desk_is_the_second_way_and_brings_the_child_doctypes() {
    for kind in [ErrorKind::Forbidden, ErrorKind::NoSuchPath] {
        let fake = Fake { closed: Some(kind), ..Fake::new(&metas()) };
        let (metas, asked) = read(&fake, "Order");
        assert_eq!(metas.unwrap(), read(&Fake::new(&self::metas()), "Order").0.unwrap());
        assert_eq!(asked, ["Order", "desk Order"]);
    }
    let down = Fake { closed: Some(ErrorKind::Unavailable), ..Fake::new(&metas()) };
    let (error, asked) = read(&down, "Order");
    assert_eq!((error.unwrap_err().kind, asked.len()), (ErrorKind::Unavailable, 1));
}

#[test]
fn what_both_ways_refuse_is_told_apart_from_what_is_not_there() {
    let closed = Some(ErrorKind::Forbidden);
    let fake = Fake { closed, closed_desk: closed, ..Fake::new(&metas()) };
    let error = read(&fake, "Order").0.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Forbidden);
    assert_eq!(error.message, "its metadata may not be read: closed");

    let error = read(&Fake::new(&metas()), "Nothing").0.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::NotFound, "no such doctype"));

    let down = Some(ErrorKind::Unanswered);
    let fake = Fake { closed, closed_desk: down, ..Fake::new(&metas()) };
    assert_eq!(read(&fake, "Order").0.unwrap_err().kind, ErrorKind::Unanswered);
}

#[test]
fn metadata_without_fields_is_none() {
    let error = read(&Fake::new(&metas()), "Bare").0.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed);
}

#[test]
fn what_was_not_asked_is_unknown() {
    let fake = Fake::default();
    let asked = BTreeSet::from(["Order".to_owned()]);
    let fetch = |asked: Option<BTreeSet<String>>| {
        let sums = std::array::from_fn(|part| fetch_part(&fake, part, asked.as_ref()).unwrap());
        Fingerprints::of_parts(asked, sums)
    };
    let some = fetch(Some(asked));
    assert_eq!(some.of("Order"), Some(format!("{}///", reduction())));
    assert_eq!(some.of("Row"), None);
    let all = fetch(None);
    assert_eq!(all.of("Row"), all.of("Order"));
    assert_eq!(Fingerprints::none().of("Order"), None);
    let sources = ["DocField", "Custom Field", "Property Setter"];
    assert_eq!(*fake.asked.lock().unwrap(), [sources, sources].concat());
}
