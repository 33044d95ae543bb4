//! Rows made from rows of other documents.
//!
//! What lives here: checking what a row names, and what submitted rows add up to on the rows they
//! were made from. What may not: what a status says of it (`status`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::book::{self, Measure, Origin, Rules, Status};
use super::{Turn, refusal};
use crate::doc::Doc;
use crate::failure::{Failure, Outcome};
use crate::site::{Context, Site};
use crate::value;

impl Site {
    /// A row may name only rows that exist, of documents that are open.
    pub(super) fn check_origins(&self, rules: &Rules, doc: &Doc) -> Outcome<()> {
        for origin in rules.origins {
            for row in doc.rows("items") {
                let named = row.text(origin.row_link);
                if named.is_empty() {
                    continue;
                }
                let Some(target) = self.load(origin.target_row, &named) else {
                    return Err(Failure::validation(&format!(
                        "Invalid reference {} {named}",
                        origin.target_row
                    )));
                };
                let order = target.text("parent");
                let status = value::to_text(&self.value_of(origin.target, &order, "status"));
                if matches!(status.as_str(), "Closed" | "On Hold") {
                    return Err(Failure::validation(&format!(
                        "{} {order} is {status}",
                        origin.target
                    )));
                }
            }
        }
        Ok(())
    }

    /// Works out anew what the rows of a submitted or cancelled document add up to elsewhere.
    pub(super) fn move_origins(
        &mut self,
        ctx: &Context,
        rules: &Rules,
        doc: &Doc,
        turn: Turn,
    ) -> Outcome<()> {
        for origin in rules.origins {
            let Some(measure) = &origin.measure else {
                continue;
            };
            if !measure.only_if.is_empty() && !doc.is_set(measure.only_if) {
                continue;
            }
            let mut moved = BTreeSet::new();
            for row in doc.rows("items") {
                let named = row.text(origin.row_link);
                let Some(target) = self.load_row(origin.target_row, &named) else {
                    continue;
                };
                let sum = self.sum_of(origin.target_row, &named, measure.sum);
                if turn == Turn::Submit {
                    check_limit(rules, origin, measure, &target, sum)?;
                }
                self.set_columns(origin.target_row, &named, &[(measure.sum, value::float(sum))]);
                self.touch(ctx, origin.target_row, &named);
                moved.insert(target.text("parent"));
            }
            for name in moved {
                self.restate_target(ctx, origin, measure, &name);
            }
        }
        Ok(())
    }

    fn load_row(&self, child: &str, name: &str) -> Option<Doc> {
        if name.is_empty() { None } else { self.load(child, name) }
    }

    /// What all submitted rows that name a row add up to.
    pub(super) fn sum_of(&self, target_row: &str, name: &str, sum: &str) -> f64 {
        let mut found = 0.0;
        for rules in book::all() {
            for origin in rules.origins.iter().filter(|origin| origin.target_row == target_row) {
                let Some(measure) = origin.measure.as_ref().filter(|measure| measure.sum == sum)
                else {
                    continue;
                };
                let rows = self.rows_with(rules.rows, origin.row_link, name);
                let counted = rows.iter().filter(|row| {
                    row.docstatus() == 1
                        && (measure.only_if.is_empty()
                            || value::is_truthy(&self.value_of(
                                rules.doctype,
                                &row.text("parent"),
                                measure.only_if,
                            )))
                });
                found += counted.map(|row| row.number(measure.take)).sum::<f64>();
            }
        }
        found
    }

    /// Works out anew the shares of an order whose own rows were changed.
    pub(super) fn restate_shares(&mut self, ctx: &Context, doctype: &str, name: &str) {
        for origin in book::all().flat_map(|rules| rules.origins) {
            if let Some(measure) = &origin.measure
                && origin.target == doctype
                && measure.only_if.is_empty()
            {
                self.restate_target(ctx, origin, measure, name);
            }
        }
    }

    /// The share, its words and the status of a document whose rows moved.
    fn restate_target(&mut self, ctx: &Context, origin: &Origin, measure: &Measure, name: &str) {
        let rows = self.load_rows(origin.target_row, origin.target, name, "items");
        if !measure.share.is_empty() {
            let share = share(&rows, measure);
            let word = match share {
                share if share <= 0.0 => measure.words[0],
                share if share < 100.0 => measure.words[1],
                _ => measure.words[2],
            };
            self.set_columns(
                origin.target,
                name,
                &[(measure.share, value::float(share)), (measure.said_in, json!(word))],
            );
        }
        let Some(doc) = self.load(origin.target, name) else {
            return;
        };
        if let Some(rules) = book::rules(origin.target)
            && rules.status != Status::Invoice
        {
            let status = self.submitted_status(ctx, rules, &doc);
            self.set_columns(origin.target, name, &[("status", Value::from(status))]);
        }
        self.touch(ctx, origin.target, name);
    }
}

/// How much of the rows is done, in per cent with six places.
fn share(rows: &[Doc], measure: &Measure) -> f64 {
    let whole: f64 = rows.iter().map(|row| row.number(measure.of).abs()).sum();
    let done: f64 = rows
        .iter()
        .map(|row| row.number(measure.sum).abs().min(row.number(measure.of).abs()))
        .sum();
    let share = if whole > 0.0 { done / whole * 100.0 } else { 0.0 };
    format!("{share:.6}").parse().unwrap_or(share)
}

fn check_limit(
    rules: &Rules,
    origin: &Origin,
    measure: &Measure,
    target: &Doc,
    sum: f64,
) -> Outcome<()> {
    let over = sum - target.number(measure.of);
    if over < 0.005 || measure.share.is_empty() {
        return Ok(());
    }
    let kind = if measure.take == "qty" { "Qty" } else { "Amount" };
    let setting = match kind {
        "Qty" => {
            "To allow over receipt / delivery, update \"Over Receipt/Delivery Allowance\" in Stock Settings or the Item."
        }
        _ => {
            "To allow over billing, update \"Over Billing Allowance\" in Accounts Settings or the Item."
        }
    };
    let text = format!(
        "This document is over limit by <strong>{kind}</strong> <strong>{}</strong> for item <strong>{}</strong>. Are you making another <strong>{}</strong> against the same <strong>{}</strong>?<br><br>{setting}",
        value::python_float(over),
        target.text("item_code"),
        rules.doctype,
        origin.target_row
    );
    Err(refusal("controllers.status_updater", "OverAllowanceError", &text, "Limit Crossed"))
}
