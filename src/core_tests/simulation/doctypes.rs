//! The doctypes of the two sites: small ones of both kinds of naming, one that is submitted, one
//! that holds no text at all, and a real one whose site gives a second document of a name
//! another name.

use frappe_sandbox::meta::DocType;
use serde_json::{Map, Value, json};

/// What users and checks have to know of a doctype.
#[derive(Debug)]
pub struct Facts {
    pub name: &'static str,
    /// The field that names its documents; none where each site gives the names.
    pub named_by: Option<&'static str>,
    /// The field by which a document is known to the tests, whatever it is called: a text, or
    /// a number where there are no texts. Nobody edits it.
    pub mark: &'static str,
    pub texts: &'static [&'static str],
    pub numbers: &'static [&'static str],
    /// A field that links to another document, and to which doctype.
    pub link: Option<(&'static str, &'static str)>,
    pub has_rows: bool,
}

const fn named(name: &'static str, named_by: Option<&'static str>) -> Facts {
    Facts {
        name,
        named_by,
        mark: "mark",
        texts: &["text", "remark"],
        numbers: &["amount"],
        link: None,
        has_rows: false,
    }
}

/// What others link to comes first.
pub static DOCTYPES: [Facts; 7] = [
    named("Area", Some("title")),
    Facts {
        mark: "website",
        texts: &["customer_details", "market_segment"],
        numbers: &["default_commission_rate"],
        ..named("Customer", Some("customer_name"))
    },
    Facts { link: Some(("area", "Area")), has_rows: true, ..named("Ware", Some("name")) },
    Facts { link: Some(("customer", "Customer")), ..named("Chore", None) },
    Facts {
        mark: "serial",
        texts: &[],
        link: Some(("area", "Area")),
        has_rows: true,
        ..named("Reading", None)
    },
    Facts { link: Some(("ware", "Ware")), has_rows: true, ..named("Ticket", None) },
    Facts { link: Some(("ticket", "Ticket")), has_rows: true, ..named("Bill", None) },
];

/// The field of a submitted document that may still be edited.
pub const OPEN: &str = "remark";

pub fn facts(doctype: &str) -> &'static Facts {
    DOCTYPES.iter().find(|facts| facts.name == doctype).unwrap()
}

/// The definitions of those that are ours alone, for both sites.
pub fn definitions() -> Vec<DocType> {
    let own = ["mark|Data|reqd", "text|Small Text", "remark|Data|allow_on_submit", "amount|Float"];
    let doctype = |name: &str, autoname: &str, more: &[&str]| {
        let fields: Vec<&str> = own.iter().chain(more).copied().collect();
        let is_submittable = i32::from(name == "Bill");
        DocType::from_spec(&json!({
            "name": name, "autoname": autoname, "custom": 1, "allow_rename": 1,
            "is_submittable": is_submittable, "fields": fields,
        }))
    };
    let row = json!({"name": "Line", "istable": 1, "custom": 1,
        "fields": ["note|Data", "qty|Float", "area|Link|options=Area"]});
    let count = DocType::from_spec(&json!({"name": "Count", "istable": 1, "custom": 1,
        "fields": ["qty|Float", "area|Link|options=Area"]}));
    let reading = DocType::from_spec(&json!({"name": "Reading", "autoname": "hash", "custom": 1,
        "fields": ["serial|Int|reqd", "amount|Float", "area|Link|options=Area",
            "rows|Table|options=Count"]}));
    let rows = "rows|Table|options=Line";
    let series =
        |prefix: &str| format!("naming_series|Select|set_only_once|options={prefix}-.####");
    vec![
        DocType::from_spec(&row),
        count,
        reading,
        doctype("Area", "field:title", &["title|Data|reqd"]),
        doctype("Ware", "prompt", &["area|Link|options=Area", rows]),
        doctype("Chore", "hash", &["customer|Link|options=Customer"]),
        doctype("Ticket", "naming_series:", &[&series("TK"), "ware|Link|options=Ware", rows]),
        doctype("Bill", "naming_series:", &[&series("BL"), "ticket|Link|options=Ticket", rows]),
    ]
}

/// What a new document must have besides what users enter.
pub fn required(doctype: &str) -> Map<String, Value> {
    let fields = match doctype {
        "Customer" => json!({"customer_type": "Company", "customer_group": "Commercial",
            "territory": "All Territories"}),
        "Ticket" => json!({"naming_series": "TK-.####"}),
        "Bill" => json!({"naming_series": "BL-.####"}),
        _ => json!({}),
    };
    fields.as_object().unwrap().clone()
}
