//! Which fields are in use, and what their use brings about.

use super::super::usage::{filled_in, name_in};
use super::*;
use crate::model::Doc;

#[test]
fn documents_that_a_site_makes_by_itself() {
    let customer = |fields: &[&str]| {
        let list: Vec<Value> =
            fields.iter().map(|name| json!({"fieldname": name, "fieldtype": "Data"})).collect();
        let mut customer = doctype(fields_of(&list), fields_of(&list), |_| {});
        customer.config.doctype = "Customer".to_owned();
        customer
    };
    let of = |name: &str| DoctypeConfig { doctype: name.to_owned(), ..DoctypeConfig::default() };
    let customer = customer(&["email_id", "mobile_no"]);
    let asked: Vec<String> = effects::making_fields(&customer).into_iter().collect();
    assert_eq!(asked, ["email_id", "mobile_no"]);
    let made = |configured: &[&str], used: &[&str]| {
        let configured: Vec<DoctypeConfig> = configured.iter().map(|name| of(name)).collect();
        said(effects::made(&customer, &configured, &in_use(Some(used))))
    };
    let makes = "a site makes documents of Contact by itself for those with \
                 customer_primary_contact or email_id or mobile_no";
    assert_eq!(made(&["Customer"], &[]), [""; 0]);
    assert_eq!(
        made(&["Customer"], &["email_id"]),
        [format!("warn effects: {makes}, and the other site gets none")]
    );
    assert_eq!(
        made(&["Customer", "Contact"], &["mobile_no"]),
        [format!("ok effects: {makes}; they are synced as all others")]
    );
    let mut lead = customer.clone();
    lead.config.doctype = "Lead".to_owned();
    let lead = |configured: &[DoctypeConfig]| {
        said(effects::made(&lead, configured, &in_use(Some(&[])))).remove(0)
    };
    assert!(lead(&[]).starts_with("warn effects: each site makes documents of Contact"));
    assert!(lead(&[of("Contact")]).ends_with("; they are taken for one"));
}

fn fields_of(list: &[Value]) -> Value {
    fields(&json!(list))
}

#[test]
fn what_is_asked_about_the_use_of_fields() {
    let rows = |name: &str| json!({"fieldname": name, "fieldtype": "Table", "options": "Row"});
    let scan = json!({"fieldname": "scan", "fieldtype": "Attach"});
    let list = fields(&json!([scan, rows("rows"), rows("more")]));
    let order = |change: fn(&mut DoctypeConfig)| doctype(list.clone(), list.clone(), change);
    let asked: BTreeSet<String> =
        ["scan", "rows.photo", "more.item"].map(str::to_owned).into_iter().collect();
    let question = Question::new(&order(|_| {}), Side::Cloud, &asked);
    let own = question.of_documents();
    assert_eq!(own.fields, ["max(name) as last_name_of_all", "max(scan) as scan"]);
    let of_rows: Vec<_> = question.of_rows().collect();
    assert_eq!(of_rows.len(), 1, "one request for both tables");
    assert_eq!(of_rows[0].fields, ["parentfield", "max(item) as item", "max(photo) as photo"]);
    let to_local = |config: &mut DoctypeConfig| config.direction = Direction::CloudToLocal;
    let target = Question::new(&order(to_local), Side::Local, &asked);
    assert_eq!((target.of_documents().fields.len(), target.of_rows().count()), (1, 0));

    let filtered = order(|config| config.filters = vec![json!(["scan", "is", "set"])]);
    let own = Question::new(&filtered, Side::Cloud, &asked).of_documents();
    assert_eq!(own.filters, [json!(["scan", "is", "set"])]);
    let by_row = order(|config| config.filters = vec![json!(["Row", "item", "=", "X"])]);
    let own = Question::new(&by_row, Side::Cloud, &asked).of_documents();
    assert_eq!(own.filters.len(), 0, "a sum over documents goes with no filter on rows");

    let answer = |row: Value| Doc(row.as_object().unwrap().clone());
    let document = answer(json!({"last_name_of_all": 7, "scan": "/files/a", "other": ""}));
    assert_eq!(name_in(std::slice::from_ref(&document)), Some("7".to_owned()));
    assert_eq!(filled_in(&[document]), ["scan".to_owned()].into());
    let rows = [
        answer(json!({"parentfield": "rows", "photo": null, "item": "A"})),
        answer(json!({"parentfield": "more", "photo": "/files/b", "item": 0.0})),
    ];
    let used: Vec<String> = filled_in(&rows).into_iter().collect();
    assert_eq!(used, ["more.photo", "rows.item"]);
    assert_eq!(name_in(&[answer(json!({"last_name_of_all": null}))]), None);
}
