//! Sites that trade: a pair whose series are in use, and documents made from each other.
//!
//! What lives here: helpers for scenario tests, as a user at the desk would do it. What may not:
//! rules (`erpnext`).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::erpnext::LEDGERS;
use crate::failure::{Failure, Outcome};
use crate::site::{Flavour, Site};
use crate::sites::{BuildError, pair};
use crate::value;

/// The series of the documents of trade, and the last number that either side has given out.
const IN_USE: [(&str, u64, u64); 7] = [
    ("SAL-QTN-", 12, 3),
    ("SAL-ORD-", 41, 7),
    ("MAT-DN-", 30, 7),
    ("ACC-SINV-", 57, 11),
    ("ACC-PAY-", 23, 40),
    ("ACC-JV-", 2, 5),
    ("MAT-STE-", 4, 9),
];

/// What a document takes from the one it is made from, for its head and for each row.
const HEAD: [&str; 4] = ["customer", "supplier", "company", "currency"];
const ROW: [&str; 6] = ["item_code", "qty", "uom", "conversion_factor", "rate", "warehouse"];

/// What is made of what, and what each row names: a field, and the field of the other row that is
/// its value; "" is the other document itself.
type Made = (&'static str, &'static str, &'static [(&'static str, &'static str)]);
const MADE: [Made; 9] = [
    ("Quotation", "Sales Order", &[("prevdoc_docname", ""), ("quotation_item", "name")]),
    ("Sales Order", "Delivery Note", &[("against_sales_order", ""), ("so_detail", "name")]),
    ("Sales Order", "Sales Invoice", &[("sales_order", ""), ("so_detail", "name")]),
    (
        "Delivery Note",
        "Sales Invoice",
        &[
            ("delivery_note", ""),
            ("dn_detail", "name"),
            ("sales_order", "against_sales_order"),
            ("so_detail", "so_detail"),
        ],
    ),
    (
        "Purchase Order",
        "Purchase Receipt",
        &[("purchase_order", ""), ("purchase_order_item", "name")],
    ),
    ("Purchase Order", "Purchase Invoice", &[("purchase_order", ""), ("po_detail", "name")]),
    (
        "Purchase Receipt",
        "Purchase Invoice",
        &[
            ("purchase_receipt", ""),
            ("pr_detail", "name"),
            ("purchase_order", "purchase_order"),
            ("po_detail", "purchase_order_item"),
        ],
    ),
    // Returns.
    ("Delivery Note", "Delivery Note", &[("dn_detail", "name")]),
    ("Sales Invoice", "Sales Invoice", &[("sales_invoice_item", "name")]),
];

/// Two sites as [`pair`] makes them, whose naming series have been used before, each by itself. The
/// documents that had the earlier names are gone.
///
/// # Errors
/// See [`Site::new`].
pub fn trading_pair(
    flavour: Flavour,
    seed: u64,
    now: Timestamp,
) -> Result<(Site, Site), BuildError> {
    let (mut cloud, mut local) = pair(flavour, seed)?;
    for (series, on_cloud, on_local) in IN_USE {
        for (site, last) in [(&mut cloud, on_cloud), (&mut local, on_local)] {
            let year = site.local(now)[..4].to_owned();
            site.set_series(&format!("{series}{year}-"), last);
        }
    }
    Ok((cloud, local))
}

impl Site {
    /// Submits a Sales Order of items, each with its quantity and rate.
    ///
    /// # Errors
    /// What a request would be refused with.
    pub fn order(
        &mut self,
        user: &str,
        customer: &str,
        items: &[(&str, f64, f64)],
        now: Timestamp,
    ) -> Outcome<String> {
        let rows: Vec<Value> = items
            .iter()
            .map(|(item, quantity, rate)| json!({"item_code": item, "qty": quantity, "rate": rate}))
            .collect();
        let date = &self.local(now)[..10];
        let order = json!({"customer": customer, "company": self.company(), "delivery_date": date,
            "items": rows});
        self.submit_as(user, "Sales Order", order, now)
    }

    /// Submits a Delivery Note made from a Sales Order.
    ///
    /// # Errors
    /// What a request would be refused with.
    pub fn deliver(&mut self, user: &str, order: &str, now: Timestamp) -> Outcome<String> {
        let delivery = self.made_from("Sales Order", order, "Delivery Note")?;
        self.submit_as(user, "Delivery Note", delivery, now)
    }

    /// Submits a Sales Invoice made from a Delivery Note.
    ///
    /// # Errors
    /// What a request would be refused with.
    pub fn bill(&mut self, user: &str, delivery: &str, now: Timestamp) -> Outcome<String> {
        let invoice = self.made_from("Delivery Note", delivery, "Sales Invoice")?;
        self.submit_as(user, "Sales Invoice", invoice, now)
    }

    /// Submits a Payment Entry that pays all of a Sales Invoice.
    ///
    /// # Errors
    /// What a request would be refused with.
    pub fn pay(&mut self, user: &str, invoice: &str, now: Timestamp) -> Outcome<String> {
        let payment = self.payment_of("Sales Invoice", invoice, now);
        self.submit_as(user, "Payment Entry", payment, now)
    }

    /// The document that "Create" makes of another one, before anybody saves it: its party, its
    /// items, and what its rows name of the other's.
    ///
    /// # Errors
    /// When there is no such document, or nothing of the kind is made of it.
    pub fn made_from(&self, doctype: &str, name: &str, made: &str) -> Outcome<Value> {
        let (.., links) = MADE
            .iter()
            .find(|(from, to, _)| (*from, *to) == (doctype, made))
            .ok_or_else(|| Failure::validation("nothing of the kind is made of it"))?;
        let source =
            self.get_doc(doctype, name).ok_or_else(|| Failure::not_found(doctype, name))?;
        let rows = source["items"].as_array().into_iter().flatten().map(|row| {
            let mut made = taken(row, &ROW);
            for (field, from) in *links {
                let link = if from.is_empty() { &source["name"] } else { &row[*from] };
                made.insert((*field).to_owned(), link.clone());
            }
            Value::Object(made)
        });
        let mut head = taken(&source, &HEAD);
        head.insert("items".into(), rows.collect());
        if doctype == "Quotation" {
            head.insert("customer".into(), source["party_name"].clone());
        }
        Ok(Value::Object(head))
    }

    /// The return of all of a delivery or an invoice, before anybody saves it.
    ///
    /// # Errors
    /// When there is no such document, or it is not one that is returned.
    pub fn return_of(&self, doctype: &str, name: &str) -> Outcome<Value> {
        let mut made = self.made_from(doctype, name, doctype)?;
        for row in made["items"].as_array_mut().into_iter().flatten() {
            row["qty"] = value::float(-value::to_float(&row["qty"]));
        }
        made["is_return"] = json!(1);
        made["return_against"] = json!(name);
        Ok(made)
    }

    /// The Payment Entry that "Create" makes of an invoice, before anybody saves it: it pays all.
    pub fn payment_of(&self, doctype: &str, invoice: &str, now: Timestamp) -> Value {
        let of = |field: &str| self.value_of(doctype, invoice, field);
        let amount = of("outstanding_amount");
        let abbr = value::to_text(&self.value_of("Company", &self.company(), "abbr"));
        let cash = json!(format!("Cash - {abbr}"));
        let (kind, party, from, to) = match doctype {
            "Purchase Invoice" => ("Pay", "Supplier", cash, of("credit_to")),
            _ => ("Receive", "Customer", of("debit_to"), cash),
        };
        json!({
            "payment_type": kind, "company": of("company"), "party_type": party,
            "party": of(&party.to_lowercase()), "paid_from": from, "paid_to": to,
            "paid_amount": amount, "received_amount": amount, "reference_no": "1",
            "reference_date": &self.local(now)[..10],
            "references": [{"reference_doctype": doctype, "reference_name": invoice,
                "allocated_amount": amount}],
        })
    }

    /// How many entries a document has in each of the ledgers: general, payment, stock.
    pub fn ledger_counts(&self, doctype: &str, name: &str) -> [usize; 3] {
        LEDGERS.map(|ledger| {
            let entries = self.rows_with(ledger, "voucher_no", name);
            entries.iter().filter(|entry| entry.text("voucher_type") == doctype).count()
        })
    }

    fn company(&self) -> String {
        self.names("Company").into_iter().next().unwrap_or_default()
    }

    fn submit_as(
        &mut self,
        user: &str,
        doctype: &str,
        mut values: Value,
        now: Timestamp,
    ) -> Outcome<String> {
        values["docstatus"] = json!(1);
        self.insert_as(user, doctype, &values, now)
    }
}

fn taken(from: &Value, fields: &[&str]) -> Map<String, Value> {
    let some = fields.iter().filter(|field| !from[**field].is_null());
    some.map(|field| ((*field).to_owned(), from[*field].clone())).collect()
}
