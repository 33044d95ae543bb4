//! The rules of documents made of items, as a table of data.
//!
//! What lives here: one [`Rules`] a doctype: what it is made from, what it moves there, how its
//! status is worded. What may not: code that does it (`totals`, `origins`, `status`, `ledger`).

/// What a doctype with a table `items` does by itself.
pub(crate) struct Rules {
    /// The doctype.
    pub doctype: &'static str,
    /// The child doctype of `items`.
    pub rows: &'static str,
    /// The field that links to the customer or the supplier.
    pub party: &'static str,
    /// The field that a new document takes its title from; empty where it takes none.
    pub title_from: &'static str,
    /// The field with the document's own date.
    pub date: &'static str,
    /// Posting date and time are replaced by now at each save of a draft, unless
    /// `set_posting_time` is 1.
    pub is_posted: bool,
    /// The field that a made payment schedule takes its due date from; empty where there is none.
    pub due_from: &'static str,
    /// Rows of other documents that its rows are made from.
    pub origins: &'static [Origin],
    /// How its status is found.
    pub status: Status,
}

/// A row of another document that a row names in a plain Data field.
pub(crate) struct Origin {
    /// The field that holds the name of the other row.
    pub row_link: &'static str,
    /// The doctype of the other document.
    pub target: &'static str,
    /// The doctype of the other row.
    pub target_row: &'static str,
    /// What a submitted row moves there.
    pub measure: Option<Measure>,
}

/// A quantity or an amount that submitted rows add up to on the row they were made from.
pub(crate) struct Measure {
    /// The field of the new row that is added up.
    pub take: &'static str,
    /// A flag of the new document that must be set for it to count; empty for always.
    pub only_if: &'static str,
    /// The field of the other row that holds the sum.
    pub sum: &'static str,
    /// The field of the other row that the sum may not pass.
    pub of: &'static str,
    /// The field of the other document that holds the share in per cent; empty for none.
    pub share: &'static str,
    /// The field of the other document that says the share in words; empty for none.
    pub said_in: &'static str,
    /// The words for none, some and all.
    pub words: [&'static str; 3],
}

/// How the status of a submitted document is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// `Open`, until orders are made from it.
    Offer,
    /// By two shares: the word while only the first, only the second, or both are short of 100.
    Order { shares: [&'static str; 2], short: [&'static str; 3] },
    /// `To Bill`, until all of it is billed; the answer is read again, or only its head is new.
    /// The word while some of it is billed is `partly`.
    Billed { is_reread: bool, partly: &'static str },
    /// By what is still to be paid, and since when.
    Invoice,
}

/// The documents of selling.
const SELLING: &[Rules] = &[
    Rules {
        doctype: "Quotation",
        rows: "Quotation Item",
        party: "party_name",
        title_from: "customer_name",
        date: "transaction_date",
        is_posted: false,
        due_from: "transaction_date",
        origins: &[],
        status: Status::Offer,
    },
    Rules {
        doctype: "Sales Order",
        rows: "Sales Order Item",
        party: "customer",
        title_from: "",
        date: "transaction_date",
        is_posted: false,
        due_from: "transaction_date",
        origins: &[Origin {
            row_link: "quotation_item",
            target: "Quotation",
            target_row: "Quotation Item",
            measure: Some(Measure {
                take: "qty",
                only_if: "",
                sum: "ordered_qty",
                of: "qty",
                share: "",
                said_in: "",
                words: [""; 3],
            }),
        }],
        status: Status::Order {
            shares: ["per_delivered", "per_billed"],
            short: ["To Deliver", "To Bill", "To Deliver and Bill"],
        },
    },
    Rules {
        doctype: "Delivery Note",
        rows: "Delivery Note Item",
        party: "customer",
        title_from: "customer_name",
        date: "posting_date",
        is_posted: true,
        due_from: "",
        origins: &[
            Origin {
                row_link: "so_detail",
                target: "Sales Order",
                target_row: "Sales Order Item",
                measure: Some(DELIVERED),
            },
            Origin {
                row_link: "si_detail",
                target: "Sales Invoice",
                target_row: "Sales Invoice Item",
                measure: None,
            },
            Origin {
                row_link: "dn_detail",
                target: "Delivery Note",
                target_row: "Delivery Note Item",
                measure: None,
            },
        ],
        status: Status::Billed { is_reread: true, partly: "To Bill" },
    },
    Rules {
        doctype: "Sales Invoice",
        rows: "Sales Invoice Item",
        party: "customer",
        title_from: "customer_name",
        date: "posting_date",
        is_posted: true,
        due_from: "due_date",
        origins: &[
            Origin {
                row_link: "so_detail",
                target: "Sales Order",
                target_row: "Sales Order Item",
                measure: Some(BILLED),
            },
            Origin {
                row_link: "so_detail",
                target: "Sales Order",
                target_row: "Sales Order Item",
                measure: Some(Measure { only_if: "update_stock", ..DELIVERED }),
            },
            Origin {
                row_link: "dn_detail",
                target: "Delivery Note",
                target_row: "Delivery Note Item",
                measure: Some(Measure { said_in: "", words: [""; 3], ..BILLED }),
            },
            Origin {
                row_link: "sales_invoice_item",
                target: "Sales Invoice",
                target_row: "Sales Invoice Item",
                measure: None,
            },
        ],
        status: Status::Invoice,
    },
];

/// The documents of buying.
const BUYING: &[Rules] = &[
    Rules {
        doctype: "Purchase Order",
        rows: "Purchase Order Item",
        party: "supplier",
        title_from: "",
        date: "transaction_date",
        is_posted: false,
        due_from: "transaction_date",
        origins: &[],
        status: Status::Order {
            shares: ["per_received", "per_billed"],
            short: ["To Receive", "To Bill", "To Receive and Bill"],
        },
    },
    Rules {
        doctype: "Purchase Receipt",
        rows: "Purchase Receipt Item",
        party: "supplier",
        title_from: "supplier_name",
        date: "posting_date",
        is_posted: true,
        due_from: "",
        origins: &[
            Origin {
                row_link: "purchase_order_item",
                target: "Purchase Order",
                target_row: "Purchase Order Item",
                measure: Some(RECEIVED),
            },
            Origin {
                row_link: "purchase_invoice_item",
                target: "Purchase Invoice",
                target_row: "Purchase Invoice Item",
                measure: None,
            },
            Origin {
                row_link: "purchase_receipt_item",
                target: "Purchase Receipt",
                target_row: "Purchase Receipt Item",
                measure: None,
            },
        ],
        status: Status::Billed { is_reread: false, partly: "Partly Billed" },
    },
    Rules {
        doctype: "Purchase Invoice",
        rows: "Purchase Invoice Item",
        party: "supplier",
        title_from: "supplier_name",
        date: "posting_date",
        is_posted: true,
        due_from: "due_date",
        origins: &[
            Origin {
                row_link: "po_detail",
                target: "Purchase Order",
                target_row: "Purchase Order Item",
                measure: Some(BILLED),
            },
            Origin {
                row_link: "po_detail",
                target: "Purchase Order",
                target_row: "Purchase Order Item",
                measure: Some(Measure { take: "qty", only_if: "update_stock", ..RECEIVED }),
            },
            Origin {
                row_link: "pr_detail",
                target: "Purchase Receipt",
                target_row: "Purchase Receipt Item",
                measure: Some(Measure { said_in: "", words: [""; 3], ..BILLED }),
            },
            Origin {
                row_link: "purchase_invoice_item",
                target: "Purchase Invoice",
                target_row: "Purchase Invoice Item",
                measure: None,
            },
        ],
        status: Status::Invoice,
    },
];

/// What receipts add up to on the rows of a Purchase Order.
const RECEIVED: Measure = Measure {
    take: "received_qty",
    only_if: "",
    sum: "received_qty",
    of: "qty",
    share: "per_received",
    said_in: "",
    words: [""; 3],
};

/// What delivery notes add up to on the rows of a Sales Order.
const DELIVERED: Measure = Measure {
    take: "qty",
    only_if: "",
    sum: "delivered_qty",
    of: "qty",
    share: "per_delivered",
    said_in: "delivery_status",
    words: ["Not Delivered", "Partly Delivered", "Fully Delivered"],
};

/// What invoices add up to on the rows they bill.
pub(crate) const BILLED: Measure = Measure {
    take: "amount",
    only_if: "",
    sum: "billed_amt",
    of: "amount",
    share: "per_billed",
    said_in: "billing_status",
    words: ["Not Billed", "Partly Billed", "Fully Billed"],
};

/// All rules there are.
pub(crate) fn all() -> impl Iterator<Item = &'static Rules> {
    SELLING.iter().chain(BUYING)
}

/// The rules of a doctype, if it is made of items.
pub(crate) fn rules(doctype: &str) -> Option<&'static Rules> {
    all().find(|rules| rules.doctype == doctype)
}
