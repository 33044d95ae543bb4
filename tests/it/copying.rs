//! Each of the 23 doctypes that were copied between real sites, in both directions at once: afterwards nothing
//! differs but what is a site's own (`mirror` names it), and nothing was made twice on the side.
//!
//! The documents are those that docs/frappe.md speaks of: trees, a customer who is reachable, an item with
//! a rate and an opening stock, drafts and submitted ones, and whatever is made from another document.
//! Then one of each doctype is edited on either side, and every draft is submitted.

mod maker;

use std::collections::{BTreeMap, BTreeSet};

use erpsync::model::Side;
use frappe_sandbox::http::Options;
use frappe_sandbox::{Flavour, sites};
use serde_json::{Value, json};

use maker::Maker;

use crate::bench::Bench;
use crate::mirror::{assert_alike, assert_alike_but, pairs};

const DOCTYPES: [&str; 23] = [
    "Territory",
    "Customer Group",
    "Item Group",
    "Supplier",
    "Customer",
    "Contact",
    "Address",
    "Lead",
    "Item",
    "Item Price",
    "ToDo",
    "Note",
    "Event",
    "Quotation",
    "Sales Order",
    "Purchase Order",
    "Purchase Receipt",
    "Purchase Invoice",
    "Delivery Note",
    "Sales Invoice",
    "Stock Entry",
    "Payment Entry",
    "Journal Entry",
];

#[test]
fn nothing_differs_but_what_is_a_sites_own_on_15_55() {
    all_are_copied(Flavour::V15_55);
}

#[test]
fn nothing_differs_but_what_is_a_sites_own_on_15_105() {
    all_are_copied(Flavour::V15_105);
}

fn all_are_copied(flavour: Flavour) {
    let bench = Bench::of(sites::pair(flavour, 7).unwrap(), Options::default());
    bench.configure(&format!("[sync]\ndoctypes = {DOCTYPES:?}\n"));
    // What every site has from the beginning, and then what is made on either side.
    let furnished = counts(&bench, Side::Cloud);
    let mut expected = furnished.clone();
    let names = |doctype: &&str| bench.site(Side::Cloud).names(doctype);
    let furnished_names: BTreeSet<String> = DOCTYPES.iter().flat_map(names).collect();
    for side in Side::BOTH {
        Maker { bench: &bench, side }.make_everything();
        for (doctype, count) in counts(&bench, side) {
            let made = count - furnished[doctype];
            assert!(made > 1, "{doctype}: one document shows little");
            *expected.get_mut(doctype).unwrap() += made;
        }
    }
    // Both sides have begun to count, so that a counted name is that of two documents, and what
    // links to them waits.
    assert_ne!(bench.sync().code, 0);
    bench.run(&["resolve", "--all", "--take", "both"]).expect(0);
    bench.run(&["sync-all", "--retry-failed"]).expect(0);
    assert_alike(&bench, &DOCTYPES);
    for side in Side::BOTH {
        assert_eq!(counts(&bench, side), expected, "{side}");
        // What the copy of an appointment leaves behind, one for the participant of each.
        assert_eq!(bench.site(side).count_of("Communication"), 2, "{side}");
    }
    is_quiet(&bench);
    all_are_edited(&bench, &furnished_names);
    all_are_submitted(&bench);
    a_night_passes(&bench);
}

/// A field and, where there are items, the quantity in a row: what is edited of each doctype.
const EDITS: [(&str, &str, &str); 23] = [
    ("Territory", "territory_manager", "Jane"),
    ("Customer Group", "payment_terms", "30 days"),
    ("Item Group", "parent_item_group", "Services"),
    ("Supplier", "website", "https://edited.example.com"),
    ("Customer", "customer_details", "<b>ü ☃</b>\nand more"),
    ("Contact", "designation", "boss"),
    ("Address", "address_line2", "back door"),
    ("Lead", "company_name", "Lead & Co"),
    ("Item", "description", "<p>two</p>"),
    ("Item Price", "price_list_rate", "81.5"),
    ("ToDo", "status", "Closed"),
    ("Note", "content", "<p>bye</p>"),
    ("Event", "color", "#ff0000"),
    ("Quotation", "valid_till", "2099-12-31"),
    ("Sales Order", "po_no", "edited"),
    ("Purchase Order", "schedule_date", "2099-12-31"),
    ("Purchase Receipt", "supplier_delivery_note", "edited"),
    ("Purchase Invoice", "bill_no", "edited"),
    ("Delivery Note", "po_no", "edited"),
    ("Sales Invoice", "po_no", "edited"),
    ("Stock Entry", "remarks", "edited"),
    ("Payment Entry", "reference_no", "edited"),
    ("Journal Entry", "cheque_no", "edited"),
];

/// A draft that is edited says when it was posted anew; its copy does not.
const STAMPED: [&str; 5] =
    ["Delivery Note", "Purchase Receipt", "Purchase Invoice", "Sales Invoice", "Stock Entry"];

/// One document of each doctype is edited on the cloud, another one on the local site.
fn all_are_edited(bench: &Bench, furnished: &BTreeSet<String>) {
    for (doctype, field, value) in EDITS {
        let drafts = pairs(bench, doctype).into_iter().filter(|[cloud, _]| {
            let doc = bench.doc(Side::Cloud, doctype, cloud).unwrap();
            doc["docstatus"] == 0 && doc["is_group"] != 1 && !furnished.contains(cloud)
        });
        let drafts: Vec<[String; 2]> = drafts.collect();
        let [first, .., last] = drafts.as_slice() else { panic!("{doctype}: {drafts:?}") };
        for (side, name) in [(Side::Cloud, &first[0]), (Side::Local, &last[1])] {
            let mut edit = json!({ (field): value });
            let mut rows = bench.doc(side, doctype, name).unwrap()["items"].clone();
            if rows.is_array() {
                rows[0]["qty"] = json!(6);
                edit["items"] = rows;
            }
            bench.edit(side, doctype, name, &edit);
        }
    }
    bench.sync().expect(0);
    let stamps = STAMPED.map(|it| [(it, "posting_date"), (it, "posting_time")]);
    assert_alike_but(bench, &DOCTYPES, stamps.as_flattened());
    for (doctype, field, value) in EDITS {
        for side in Side::BOTH {
            let edited = bench.site(side).all_docs(doctype);
            let is_edited =
                |doc: &&Value| doc[field].to_string().contains(&value.replace('\n', "\\n"));
            assert!(edited.iter().filter(is_edited).count() >= 2, "{doctype} on {side}");
        }
    }
    is_quiet(bench);
}

/// Every draft is submitted, each on another side than the one before it.
fn all_are_submitted(bench: &Bench) {
    let mut sides = Side::BOTH.into_iter().cycle();
    for doctype in DOCTYPES {
        let is_submittable = bench.site(Side::Cloud).meta(doctype).unwrap().is_submittable;
        for [cloud, local] in pairs(bench, doctype).into_iter().filter(|_| is_submittable) {
            let side = sides.next().unwrap();
            let name = if side == Side::Cloud { cloud } else { local };
            if bench.doc(side, doctype, &name).unwrap()["docstatus"] == 0 {
                bench.edit(side, doctype, &name, &json!({"docstatus": 1}));
            }
        }
    }
    bench.sync().expect(0);
    assert_alike(bench, &DOCTYPES);
    is_quiet(bench);
}

/// What is due counts as overdue on each site when its own day ends, without being saved.
fn a_night_passes(bench: &Bench) {
    for doctype in ["Sales Invoice", "Purchase Invoice"] {
        for [cloud, _] in pairs(bench, doctype) {
            if bench.doc(Side::Cloud, doctype, &cloud).unwrap()["status"] == "Unpaid" {
                let overdue = json!("Overdue");
                bench.site(Side::Cloud).poke(doctype, &cloud, "status", &overdue).unwrap();
            }
        }
        let docs = bench.site(Side::Cloud).all_docs(doctype);
        assert!(docs.iter().any(|doc| doc["status"] == "Overdue"), "{doctype}");
    }
    is_quiet(bench);
}

fn is_quiet(bench: &Bench) {
    bench.clear_logs();
    bench.sync().expect(0);
    bench.run(&["sync-all", "--full"]).expect(0);
    assert_eq!(bench.writes(), 0);
}

fn counts(bench: &Bench, side: Side) -> BTreeMap<&'static str, usize> {
    DOCTYPES.into_iter().map(|doctype| (doctype, bench.site(side).count_of(doctype))).collect()
}
