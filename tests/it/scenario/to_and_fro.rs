//! The same sites, where people on both of them work on one order: each step is made on the other side
//! from what has just arrived there, or on both at the same time.

use erpsync::model::Side;
use serde_json::json;

use super::{
    COUNTED, Chain, DOCTYPES, PURCHASE, a_pass_writes_nothing, goods_are_received_on_each_side,
    links_and_rows_point_home_on_both_sides, shares_statuses_and_ledgers_agree, submit,
    the_delivery, the_invoice, the_order, the_payment, they_come_into_step, two_sites_in_use,
};
use crate::mirror::{assert_alike, peer};

/// The order comes from the one side, is delivered on the other, billed where it came from, and
/// paid on the other again.
#[test]
fn each_step_is_made_on_the_other_side() {
    for made_on in Side::BOTH {
        let sites = two_sites_in_use(made_on);
        they_come_into_step(&sites);
        goods_are_received_on_each_side(&sites);
        let there = made_on.opposite();
        let order = the_order(&sites, made_on);
        // What a document is called where it was not made, once it is there.
        let arrives = |from: Side, doctype: &str, name: &str| {
            sites.sync().expect(0);
            peer(&sites, from, doctype, name)
        };
        let delivery = the_delivery(&sites, there, &peer(&sites, made_on, COUNTED[0], &order));
        let delivery = arrives(there, COUNTED[1], &delivery);
        let invoice = the_invoice(&sites, made_on, &delivery);
        let payment = the_payment(&sites, there, &arrives(made_on, COUNTED[2], &invoice));
        let payment = arrives(there, COUNTED[3], &payment);

        let chain = Chain { made_on, names: [order, delivery, invoice, payment] };
        assert_alike(&sites, &DOCTYPES);
        links_and_rows_point_home_on_both_sides(&sites, &chain);
        shares_statuses_and_ledgers_agree(&sites, &chain);
        sites.sync().expect(0);
        a_pass_writes_nothing(&sites);
    }
}

/// Each side delivers one piece of the same row between two passes: both have been delivered on both
/// sides, and each once.
#[test]
fn both_sides_deliver_of_one_order_at_the_same_time() {
    let sites = two_sites_in_use(Side::Cloud);
    they_come_into_step(&sites);
    goods_are_received_on_each_side(&sites);
    let order = the_order(&sites, Side::Cloud);
    for side in Side::BOTH {
        let order = match side {
            Side::Cloud => order.clone(),
            Side::Local => peer(&sites, Side::Cloud, "Sales Order", &order),
        };
        let made = sites.site(side).made_from("Sales Order", &order, "Delivery Note");
        let mut delivery = made.unwrap();
        delivery["items"].as_array_mut().unwrap().truncate(1);
        delivery["items"][0]["qty"] = json!(1);
        submit(&sites, side, "Delivery Note", delivery);
    }
    sites.sync().expect(0);
    assert_alike(&sites, &DOCTYPES);
    for side in Side::BOTH {
        assert_eq!(sites.site(side).count_of("Delivery Note"), 2, "{side}");
        let orders = sites.site(side).all_docs("Sales Order");
        let order = orders.iter().find(|order| order["po_no"] == PURCHASE).unwrap();
        assert_eq!(order["items"][0]["delivered_qty"], 2.0, "{side}");
        assert_eq!(order["delivery_status"], "Partly Delivered", "{side}");
    }
    sites.sync().expect(0);
    a_pass_writes_nothing(&sites);
}
