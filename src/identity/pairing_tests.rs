use serde_json::json;

use super::*;
use crate::model::Schema;

fn claim(cloud: &str, local: &str, proof: Proof) -> Claim {
    Claim { names: Sides::new(cloud.to_owned(), local.to_owned()), proof }
}

fn settled(claims: &[Claim]) -> Vec<(String, String)> {
    let claims = settle_claims(claims.to_vec());
    claims.into_iter().map(|claim| (claim.names.cloud, claim.names.local)).collect()
}

fn pair(cloud: &str, local: &str) -> (String, String) {
    (cloud.to_owned(), local.to_owned())
}

#[test]
fn the_stronger_proof_goes_first() {
    let claims = [claim("A", "X", Proof::Content), claim("A", "Y", Proof::Rows)];
    assert_eq!(settled(&claims), [pair("A", "Y")]);
}

#[test]
fn of_two_copies_the_first_is_the_copy() {
    let claims = [claim("A", "X", Proof::Rows), claim("A", "Y", Proof::Rows)];
    assert_eq!(settled(&claims), [pair("A", "X")]);
}

#[test]
fn what_fits_several_by_its_fields_fits_none() {
    let fields = Proof::Fields;
    let claims = [claim("A", "X", fields), claim("A", "Y", fields), claim("B", "Z", fields)];
    assert_eq!(settled(&claims), [pair("B", "Z")]);
    let claims = [claim("A", "X", fields), claim("B", "X", fields)];
    assert_eq!(settled(&claims), []);
    assert_eq!(settled(&[claim("A", "X", fields), claim("A", "X", fields)]), [pair("A", "X")]);
}

fn shape() -> Shape {
    let fields = json!([
        {"fieldname": "item_code", "fieldtype": "Link", "options": "Item"},
        {"fieldname": "currency", "fieldtype": "Link", "options": "Currency", "read_only": 1},
        {"fieldname": "valid_from", "fieldtype": "Date"},
        {"fieldname": "note", "fieldtype": "Text"},
    ]);
    let meta = json!({"name": "Item Price", "fields": fields});
    let schema = Schema::from_meta(meta.as_object().unwrap());
    Shape::new(Sides::new(&schema, &schema), &[], &[])
}

#[test]
fn a_document_is_told_by_filled_fields_only() {
    let shape = shape();
    let fields = telling_fields(&shape, &[]);
    assert_eq!(fields, ["item_code", "currency", "valid_from"], "those that are there");
    let links = |_: &str, name: &str| (name == "BOLT-2").then(|| "BOLT".to_owned());
    let told = |doc: Value, all: bool| {
        told_by(&shape, &fields, all, &Doc(doc.as_object().unwrap().clone()), &links)
    };
    let bolt = json!({"item_code": "BOLT", "currency": "USD"});
    assert_eq!(
        told(bolt.clone(), false),
        told(json!({"item_code": "BOLT-2", "currency": "USD"}), false)
    );
    assert_ne!(
        told(bolt.clone(), false),
        told(json!({"item_code": "BOLT", "currency": "EUR"}), false)
    );
    assert_eq!(told(json!({"currency": "USD"}), false), None);
    assert_eq!(told(bolt, true), None, "what a person chose must be filled");
    assert_eq!(telling_fields(&shape, &["note".to_owned(), "nothing".to_owned()]), ["note"]);
}
