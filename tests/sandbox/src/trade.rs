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
        let delivery = self.made_from(
            "Sales Order",
            order,
            |row| json!({"against_sales_order": order, "so_detail": row["name"]}),
        )?;
        self.submit_as(user, "Delivery Note", delivery, now)
    }

    /// Submits a Sales Invoice made from a Delivery Note.
    ///
    /// # Errors
    /// What a request would be refused with.
    pub fn bill(&mut self, user: &str, delivery: &str, now: Timestamp) -> Outcome<String> {
        let invoice = self.made_from("Delivery Note", delivery, |row| {
            json!({"delivery_note": delivery, "dn_detail": row["name"],
                "sales_order": row["against_sales_order"], "so_detail": row["so_detail"]})
        })?;
        self.submit_as(user, "Sales Invoice", invoice, now)
    }

    /// Submits a Payment Entry that pays all of a Sales Invoice.
    ///
    /// # Errors
    /// What a request would be refused with.
    pub fn pay(&mut self, user: &str, invoice: &str, now: Timestamp) -> Outcome<String> {
        let of = |field: &str| self.value_of("Sales Invoice", invoice, field);
        let amount = of("outstanding_amount");
        let cash = self.value_of("Company", &self.company(), "abbr");
        let payment = json!({
            "payment_type": "Receive", "company": of("company"), "party_type": "Customer",
            "party": of("customer"), "paid_from": of("debit_to"),
            "paid_to": format!("Cash - {}", value::to_text(&cash)), "paid_amount": amount,
            "received_amount": amount, "reference_no": "1",
            "reference_date": &self.local(now)[..10],
            "references": [{"reference_doctype": "Sales Invoice", "reference_name": invoice,
                "allocated_amount": amount}],
        });
        self.submit_as(user, "Payment Entry", payment, now)
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

    /// The head and the rows that a document takes from the one it is made from; `link` says what
    /// each row names.
    fn made_from(
        &self,
        doctype: &str,
        name: &str,
        link: impl Fn(&Value) -> Value,
    ) -> Outcome<Value> {
        let source =
            self.get_doc(doctype, name).ok_or_else(|| Failure::not_found(doctype, name))?;
        let taken = |from: &Value, fields: &[&str]| -> Map<String, Value> {
            fields.iter().map(|field| ((*field).to_owned(), from[*field].clone())).collect()
        };
        let rows = source["items"].as_array().into_iter().flatten().map(|row| {
            let fields = ["item_code", "qty", "uom", "conversion_factor", "rate", "warehouse"];
            let mut made = taken(row, &fields);
            made.extend(link(row).as_object().cloned().unwrap_or_default());
            Value::Object(made)
        });
        let rows: Vec<Value> = rows.collect();
        let mut made = taken(&source, &["customer", "company", "currency"]);
        made.insert("items".into(), Value::Array(rows));
        Ok(Value::Object(made))
    }
}
