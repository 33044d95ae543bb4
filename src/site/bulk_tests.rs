//! Bulk reads against a site of a few lines that keeps its documents in memory and lets
//! somebody else write between two requests.

use std::cmp::Ordering;
use std::sync::Mutex;

use super::*;
use crate::site::reads::Reads;

/// What somebody else does before the request of a number (from 1).
type Meddle = Box<dyn Fn(usize, &mut Vec<Doc>) + Send + Sync>;

/// Documents and rows in one list, each with its `doctype`.
#[derive(Default)]
struct Fake {
    docs: Mutex<Vec<Doc>>,
    queries: Mutex<Vec<ListQuery>>,
    gets: Mutex<Vec<String>>,
    meddle: Option<Meddle>,
    /// Answers every listing with this.
    stuck: Option<Vec<Doc>>,
    /// A limit of the site's own.
    cap: usize,
}

fn doc(value: &Value) -> Doc {
    Doc(value.as_object().unwrap().clone())
}

impl Fake {
    fn new(docs: &[Value]) -> Self {
        Self { docs: Mutex::new(docs.iter().map(doc).collect()), ..Self::default() }
    }

    fn turn(&self) {
        let number = self.queries.lock().unwrap().len() + self.gets.lock().unwrap().len();
        if let Some(meddle) = &self.meddle {
            meddle(number, &mut self.docs.lock().unwrap());
        }
    }

    fn queries(&self) -> Vec<ListQuery> {
        self.queries.lock().unwrap().clone()
    }

    /// The doctypes of the requests, in their order.
    fn asked_of(&self) -> Vec<String> {
        self.queries().into_iter().map(|query| query.doctype).collect()
    }
}

/// Numbers as numbers, all else as text, as a column's type does.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => name_text(a).to_lowercase().cmp(&name_text(b).to_lowercase()),
    }
}

fn holds(doc: &Doc, filter: &Value) -> bool {
    let parts = filter.as_array().unwrap();
    let [field, operator, value] = &parts[parts.len() - 3..] else { unreachable!() };
    let Some(own) = doc.get(field.as_str().unwrap()) else { return false };
    match operator.as_str().unwrap() {
        "in" => value
            .as_array()
            .unwrap()
            .iter()
            .any(|value| name_text(own).to_lowercase() == name_text(value).to_lowercase()),
        ">" => compare(own, value).is_gt(),
        "=" => compare(own, value).is_eq(),
        other => panic!("{other}"),
    }
}

impl Reads for Fake {
    fn listed(&self, query: &ListQuery) -> SiteResult<Vec<Doc>> {
        self.queries.lock().unwrap().push(query.clone());
        self.turn();
        if let Some(page) = &self.stuck {
            return Ok(page.clone());
        }
        let own = |filter: &&Value| filter.as_array().unwrap().len() == 3;
        let mut found: Vec<Doc> = self.docs.lock().unwrap().clone();
        found.retain(|doc| {
            doc.text("doctype") == Some(&query.doctype)
                && query.filters.iter().filter(own).all(|filter| holds(doc, filter))
        });
        found.sort_by(|a, b| {
            let columns = query.order_by.split(", ").map(|column| column.trim_end_matches(" asc"));
            let value = |doc: &Doc, column: &str| doc.get(column).cloned().unwrap_or_default();
            columns.fold(Ordering::Equal, |so_far, column| {
                so_far.then_with(|| compare(&value(a, column), &value(b, column)))
            })
        });
        let limit = [query.limit, self.cap].into_iter().filter(|limit| *limit > 0).min();
        found.truncate(limit.unwrap_or(usize::MAX));
        for doc in &mut found {
            let all = query.fields == ["*"];
            doc.0.retain(|key, value| {
                (all || query.fields.contains(key)) && key != "doctype" && !value.is_array()
            });
        }
        Ok(found)
    }

    fn read(&self, doctype: &str, name: &str) -> SiteResult<Doc> {
        self.gets.lock().unwrap().push(name.to_owned());
        self.turn();
        let docs = self.docs.lock().unwrap();
        let is = |doc: &&Doc| doc.text("doctype") == Some(doctype) && doc.name() == name;
        let missing = || SiteError::new(ErrorKind::NotFound, "not found");
        docs.iter().find(is).cloned().ok_or_else(missing)
    }
}

fn metas() -> BTreeMap<String, Value> {
    let table = |name: &str, child: &str| json!({"fieldname": name, "fieldtype": "Table", "options": child});
    let virtual_field =
        |name: &str| json!({"fieldname": name, "fieldtype": "Data", "is_virtual": 1});
    let data = |name: &str| json!({"fieldname": name, "fieldtype": "Data"});
    let meta =
        |name: &str, fields: Value| (name.to_owned(), json!({"name": name, "fields": fields}));
    BTreeMap::from([
        meta(
            "Order",
            json!([
                data("title"),
                virtual_field("computed"),
                table("items", "Item Row"),
                table("more", "Item Row"),
                table("taxes", "Tax Row"),
                table("shown", "Shown Row"),
            ]),
        ),
        meta("Item Row", json!([data("item"), virtual_field("stock")])),
        meta("Tax Row", json!([data("tax")])),
        ("Shown Row".to_owned(), json!({"name": "Shown Row", "is_virtual": 1, "fields": []})),
        meta("Plain", json!([data("title")])),
    ])
}

fn order(name: impl Into<Value>, modified: &str) -> Value {
    json!({"doctype": "Order", "name": name.into(), "modified": modified, "creation": "c",
        "title": null, "computed": 1})
}

fn row(child: &str, name: &str, parent: &str, field: &str, idx: i64) -> Value {
    json!({"doctype": child, "name": name, "parent": parent, "parenttype": "Order",
        "parentfield": field, "idx": idx, "stock": 5})
}

fn schema_of(doctype: &str) -> Schema {
    let metas = metas().into_iter().map(|(name, meta)| (name, meta.as_object().unwrap().clone()));
    Schema::assemble(doctype, &metas.collect()).unwrap()
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

/// Names with the `modified` that is known, empty where there is none.
fn asked(list: &[(&str, &str)]) -> Asked {
    let known = |modified: &str| (!modified.is_empty()).then(|| modified.to_owned());
    list.iter().map(|(name, modified)| ((*name).to_owned(), known(modified))).collect()
}

fn row_names(doc: &Doc, field: &str) -> Vec<String> {
    doc.rows(field).map(|row| name_text(&row["name"])).collect()
}

#[test]
fn documents_come_with_their_rows() {
    let fake = Fake::new(&[
        order("A", "1"),
        order("b", "1"),
        order("C", "1"),
        row("Item Row", "i2", "A", "items", 2),
        row("Item Row", "i1", "A", "items", 1),
        row("Item Row", "m1", "A", "more", 1),
        row("Item Row", "x1", "A", "gone field", 1),
        row("Tax Row", "x2", "A", "items", 1),
        row("Tax Row", "t1", "B", "taxes", 1),
        row("Tax Row", "t9", "elsewhere", "taxes", 1),
    ]);
    let schema = schema_of("Order");
    let docs = fetch_docs(&fake, &schema, &names(&["A", "B", "no such"])).unwrap();
    let found: Vec<String> = docs.iter().map(Doc::name).collect();
    assert_eq!(found, ["A", "b"]);
    assert_eq!(row_names(&docs[0], "items"), ["i1", "i2"]);
    assert_eq!(row_names(&docs[0], "more"), ["m1"]);
    assert_eq!(docs[0].get("taxes"), Some(&json!([])));
    // The site finds `b` under `B`, and so are its rows.
    assert_eq!(row_names(&docs[1], "taxes"), ["t1"]);
    assert_eq!(docs[0].text("doctype"), Some("Order"));
    let item = docs[0].rows("items").next().unwrap();
    assert_eq!(item["doctype"], "Item Row");
    assert!(!docs[0].0.contains_key("computed") && !item.contains_key("stock"));
    assert!(!docs[0].0.contains_key("shown"), "a virtual table is not stored");
    // `modified`, one for each of two child doctypes, the parents.
    let queries = fake.queries();
    assert_eq!(fake.asked_of(), ["Order", "Item Row", "Tax Row", "Order"]);
    assert_eq!(queries[0].fields, ["name", "modified"]);
    assert_eq!(queries[0].filters, [json!(["name", "in", ["A", "B", "no such"]])]);
    assert_eq!(queries[1].parent.as_deref(), Some("Order"));
    assert_eq!(
        queries[1].filters,
        [json!(["parenttype", "=", "Order"]), json!(["parent", "in", ["A", "b"]])]
    );
    assert_eq!(queries[1].order_by, "parent asc, parentfield asc, idx asc");
    assert_eq!(queries[3].filters, [json!(["name", "in", ["A", "b"]])]);
    assert_eq!(queries[3].fields, ["*"]);
    assert!(queries.iter().all(|query| query.limit == 0));
}

#[test]
fn a_bulk_read_is_what_a_single_read_is() {
    let fake = Fake::new(&[order(7, "1"), row("Item Row", "i1", "7", "items", 1)]);
    let schema = schema_of("Order");
    let bulk = fetch_docs(&fake, &schema, &names(&["7"])).unwrap().remove(0);
    assert_eq!(bulk.get("name"), Some(&json!(7)), "an integer stays one");
    assert_eq!(row_names(&bulk, "items"), ["i1"]);
    let known = fetch_asked(&fake, &schema, asked(&[("7", "1")])).unwrap().remove(0);
    assert_eq!(known, bulk);
    assert_eq!(fake.queries().len(), 4 + 3);
    let mut single = bulk.clone();
    single.0.insert("computed".to_owned(), json!(1));
    single.0.insert("shown".to_owned(), json!([{"name": "s"}]));
    single.0.remove("taxes");
    assert_eq!(shaped(single, &schema), bulk);
}

#[test]
fn nothing_asked_and_nothing_found_cost_little() {
    let fake = Fake::new(&[json!({"doctype": "Plain", "name": "p", "modified": "1"})]);
    let plain = schema_of("Plain");
    assert_eq!(fetch_docs(&fake, &plain, &[]).unwrap(), []);
    assert_eq!(fake.queries().len(), 0);
    assert_eq!(fetch_docs(&fake, &plain, &names(&["p"])).unwrap().len(), 1);
    assert_eq!(fake.queries().len(), 1, "no rows, so nothing to be torn");
    let orders = schema_of("Order");
    assert_eq!(fetch_docs(&fake, &orders, &names(&["none"])).unwrap(), []);
    assert_eq!(fake.queries().len(), 2, "no documents, so no rows");
}

/// Saves the order `name` with one row more, under a new stamp.
fn save(docs: &mut Vec<Doc>, name: &str, stamp: usize) {
    let is = |doc: &&mut Doc| doc.text("doctype") == Some("Order") && doc.name() == name;
    let Some(order) = docs.iter_mut().find(is) else { return };
    order.0.insert("modified".to_owned(), json!(stamp.to_string()));
    order.0.insert("title".to_owned(), json!(stamp.to_string()));
    let row_name = format!("new{stamp}");
    docs.push(doc(&row("Item Row", &row_name, name, "items", i64::try_from(stamp).unwrap())));
}

#[test]
fn a_document_that_moves_meanwhile_is_read_again() {
    let mut fake = Fake::new(&[order("A", "1"), order("B", "1"), order("D", "1")]);
    let schema = schema_of("Order");
    fake.meddle = Some(Box::new(|number, docs| {
        if number == 2 {
            // After the first sight, before the rows.
            save(docs, "A", 20);
            docs.retain(|doc| doc.name() != "D");
        }
    }));
    let docs = fetch_docs(&fake, &schema, &names(&["A", "B", "D"])).unwrap();
    let found: Vec<String> = docs.iter().map(Doc::name).collect();
    assert_eq!(found, ["B", "A"], "D has gone");
    assert_eq!(docs[1].text("title"), Some("20"));
    assert_eq!(row_names(&docs[1], "items"), ["new20"]);
    assert_eq!(fake.queries().len(), 7, "what it is now is the first sight of the second reading");
    assert_eq!(fake.queries()[6].filters, [json!(["name", "in", ["A"]])]);
}

#[test]
fn where_modified_is_known_the_rows_come_first_and_the_documents_last() {
    let fake = Fake::new(&[
        order("A", "1"),
        order("b", "2"),
        row("Item Row", "i1", "A", "items", 1),
        row("Item Row", "i2", "b", "items", 1),
        row("Tax Row", "t9", "hidden", "taxes", 1),
    ]);
    let schema = schema_of("Order");
    let all = asked(&[("A", "1"), ("b", "2"), ("hidden", "1"), ("no such", "1")]);
    let docs = fetch_asked(&fake, &schema, all).unwrap();
    assert_eq!(docs.iter().map(Doc::name).collect::<Vec<_>>(), ["A", "b"]);
    assert_eq!(row_names(&docs[0], "items"), ["i1"]);
    assert_eq!(row_names(&docs[1], "items"), ["i2"]);
    assert_eq!(fake.asked_of(), ["Item Row", "Tax Row", "Order"]);
    let queries = fake.queries();
    let names = json!(["A", "b", "hidden", "no such"]);
    assert_eq!(queries[0].filters[1], json!(["parent", "in", names]));
    assert_eq!(
        (&queries[2].fields[..], &queries[2].filters[0]),
        (&["*".to_owned()][..], &json!(["name", "in", names]))
    );
    assert_eq!(docs, fetch_docs(&fake, &schema, &["A", "b"].map(str::to_owned)).unwrap());
}

#[test]
fn only_where_no_modified_is_known_is_it_asked_for() {
    let fake =
        Fake::new(&[order("A", "1"), order("B", "1"), row("Item Row", "i", "B", "items", 1)]);
    let schema = schema_of("Order");
    let mixed = asked(&[("A", "1"), ("B", ""), ("no such", "")]);
    let docs = fetch_asked(&fake, &schema, mixed).unwrap();
    assert_eq!(docs.iter().map(Doc::name).collect::<Vec<_>>(), ["A", "B"]);
    assert_eq!(row_names(&docs[1], "items"), ["i"]);
    let queries = fake.queries();
    assert_eq!(fake.asked_of(), ["Order", "Item Row", "Tax Row", "Order"]);
    assert_eq!(queries[0].filters, [json!(["name", "in", ["B", "no such"]])]);
    assert_eq!(queries[3].filters, [json!(["name", "in", ["A", "B"]])], "not what is not there");
}

/// Reads A and B, known as they were at first, while A is saved before a request.
fn read_while_saved(before_request: usize) -> (Fake, Vec<Doc>) {
    let mut fake =
        Fake::new(&[order("A", "1"), order("B", "1"), row("Item Row", "old", "A", "items", 1)]);
    fake.meddle = Some(Box::new(move |number, docs| {
        if number == before_request {
            save(docs, "A", 20);
        }
    }));
    let docs = fetch_asked(&fake, &schema_of("Order"), asked(&[("A", "1"), ("B", "1")])).unwrap();
    (fake, docs)
}

#[test]
fn what_was_saved_since_it_was_known_is_read_again() {
    // After the listing and before the rows; between the rows; between them and the document.
    for before_request in 1..=3 {
        let (fake, docs) = read_while_saved(before_request);
        let found: Vec<String> = docs.iter().map(Doc::name).collect();
        assert_eq!(found, ["B", "A"], "{before_request}");
        assert_eq!(docs[1].text("title"), Some("20"));
        assert_eq!(row_names(&docs[1], "items"), ["old", "new20"], "{before_request}");
        let round = ["Item Row", "Tax Row", "Order"];
        assert_eq!(fake.asked_of(), [round, round].concat(), "{before_request}");
        assert_eq!(fake.queries()[5].filters, [json!(["name", "in", ["A"]])]);
    }
    let (fake, docs) = read_while_saved(4);
    assert_eq!((fake.queries().len(), docs.len()), (3, 2), "later is later");
}

#[test]
fn what_goes_while_it_is_read_is_not_there() {
    let mut fake = Fake::new(&[
        order("A", "1"),
        order("B", "1"),
        row("Item Row", "i1", "A", "items", 1),
        row("Item Row", "i2", "B", "items", 1),
    ]);
    fake.meddle = Some(Box::new(|number, docs| {
        if number == 3 {
            docs.retain(|doc| doc.name() != "A");
        }
    }));
    let known = asked(&[("A", "1"), ("B", "1")]);
    let docs = fetch_asked(&fake, &schema_of("Order"), known).unwrap();
    assert_eq!(docs.iter().map(Doc::name).collect::<Vec<_>>(), ["B"]);
    assert_eq!(fake.queries().len(), 3, "and is not asked for again");
}

/// A `modified` is known of one name only: what the site brings under another is sighted first.
#[test]
fn a_name_in_other_letters_is_another_name() {
    let fake = Fake::new(&[order("abc", "1"), row("Item Row", "i", "ABC", "items", 1)]);
    let docs = fetch_asked(&fake, &schema_of("Order"), asked(&[("ABC", "1")])).unwrap();
    assert_eq!(docs.iter().map(Doc::name).collect::<Vec<_>>(), ["abc"]);
    assert_eq!(row_names(&docs[0], "items"), ["i"]);
    assert_eq!(fake.queries().len(), 6);
    assert_eq!(fake.queries()[5].filters, [json!(["name", "in", ["abc"]])]);
}

#[test]
fn a_document_that_never_rests_is_read_alone() {
    let mut fake = Fake::new(&[order("A", "1"), order("B", "1")]);
    let schema = schema_of("Order");
    fake.meddle = Some(Box::new(|number, docs| {
        save(docs, "A", 100 + number);
        if number == 11 {
            docs.retain(|doc| doc.name() != "B");
        } else {
            save(docs, "B", 100 + number);
        }
    }));
    let docs = fetch_docs(&fake, &schema, &names(&["A", "B"])).unwrap();
    assert_eq!(docs.len(), 1, "B had gone when it was asked for alone");
    assert_eq!(docs[0].name(), "A");
    assert_eq!((fake.queries().len(), fake.gets.lock().unwrap().clone()), (10, names(&["A", "B"])));
}

fn list_names(fake: &Fake, filters: &[Value], page_size: usize) -> SiteResult<Vec<String>> {
    let mut found = Vec::new();
    let count = list_all(fake, "Order", filters, Pages::of(page_size), |page| {
        found.extend(page.iter().map(|one| one.name().into_owned()));
        Ok::<(), SiteError>(())
    })?;
    assert_eq!(count, found.len());
    Ok(found)
}

#[test]
fn a_listing_walks_by_name_to_an_empty_page() {
    let fake = Fake::new(&["a", "B", "c", "D", "e"].map(|name| order(name, "1")));
    assert_eq!(list_names(&fake, &[], 2).unwrap(), ["a", "B", "c", "D", "e"]);
    let queries = fake.queries();
    assert_eq!(queries.len(), 4);
    assert_eq!(queries[0].filters, [] as [Value; 0]);
    assert_eq!(queries[1].filters, [json!(["name", ">", "B"])]);
    assert_eq!(queries[1].fields, ["name", "modified", "creation"]);
    assert!(queries.iter().all(|query| query.order_by == "name asc" && query.limit == 2));
    // A short page is not the end: the site has a limit of its own.
    let capped = Fake { cap: 1, ..Fake::new(&["a", "B", "c"].map(|name| order(name, "1"))) };
    assert_eq!(list_names(&capped, &[], 100).unwrap(), ["a", "B", "c"]);
    assert_eq!(list_names(&Fake::default(), &[], 100).unwrap(), [] as [&str; 0]);
}

#[test]
fn a_listing_of_known_length_ends_with_what_it_has() {
    let fake = Fake::new(&["a", "B", "c", "D", "e"].map(|name| order(name, "1")));
    let listed = |enough| {
        let before = fake.queries().len();
        let pages = Pages { size: 2, enough: Some(enough) };
        let listed = list_all(&fake, "Order", &[], pages, |_| Ok::<(), SiteError>(())).unwrap();
        (listed, fake.queries().len() - before)
    };
    assert_eq!(listed(2), (2, 1));
    assert_eq!(listed(5), (5, 3), "and no empty page");
    assert_eq!(listed(6), (5, 4), "one has gone since they were counted");
}

#[test]
fn integer_names_stay_integers() {
    let fake = Fake::new(&[2, 10, 9].map(|name| order(name, "1")));
    assert_eq!(list_names(&fake, &[], 1).unwrap(), ["2", "9", "10"]);
    assert_eq!(fake.queries()[1].filters, [json!(["name", ">", 2])]);
}

#[test]
fn a_listing_that_does_not_move_on_is_an_error() {
    let page = vec![doc(&order("a", "1")), doc(&order("b", "1"))];
    let fake = Fake { stuck: Some(page), ..Fake::default() };
    let error = list_names(&fake, &[], 2).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed);
    assert_eq!(error.message, "listing Order: a page brought no new name; not finished");
    assert_eq!(fake.queries().len(), 2);
    let nameless = Fake { stuck: Some(vec![doc(&json!({"modified": "1"}))]), ..Fake::default() };
    assert_eq!(list_names(&nameless, &[], 2).unwrap_err().kind, ErrorKind::Malformed);
}

#[test]
fn a_filter_on_a_child_table_is_grouped() {
    let fake = Fake::default();
    let own = json!(["Order", "title", "=", "x"]);
    let child = json!(["Item Row", "item", "=", "x"]);
    list_page(&fake, "Order", &[json!(["title", "=", "x"]), own.clone()], None, 5).unwrap();
    list_page(&fake, "Order", &[own, child], Some(&json!("a")), 5).unwrap();
    let groups: Vec<Option<String>> =
        fake.queries().into_iter().map(|query| query.group_by).collect();
    assert_eq!(groups, [None, Some("name".to_owned())]);
}

#[test]
fn a_sink_can_stop_a_listing() {
    let fake = Fake::new(&["a", "b"].map(|name| order(name, "1")));
    let stopped = list_all(&fake, "Order", &[], Pages::of(1), |_| anyhow::bail!("enough"));
    assert_eq!(stopped.unwrap_err().to_string(), "enough");
    assert_eq!(fake.queries().len(), 1);
}

#[test]
fn rules_of_many_doctypes_cost_one_request() {
    let fake = Fake::new(&[
        json!({"doctype": "DocType", "name": "Item", "autoname": "field:item_code",
            "naming_rule": "By fieldname", "title_field": "item_name", "issingle": 0}),
        json!({"doctype": "DocType", "name": "Settings", "issingle": 1, "is_submittable": 1}),
    ]);
    let rules = rules_of(&fake, &names(&["Item", "Settings", "None"])).unwrap();
    assert_eq!(rules.keys().collect::<Vec<_>>(), ["Item", "Settings"]);
    assert_eq!(
        rules["Item"],
        Rules {
            autoname: "field:item_code".to_owned(),
            naming_rule: "By fieldname".to_owned(),
            title_field: Some("item_name".to_owned()),
            ..Rules::default()
        }
    );
    assert!(rules["Settings"].is_single && rules["Settings"].is_submittable);
    assert_eq!(fake.queries().len(), 1);
    assert!(rules_of(&fake, &[]).unwrap().is_empty());
    assert_eq!(fake.queries().len(), 1);
}
