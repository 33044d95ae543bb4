//! What the documents on the sites tell: which fields are used, and what our user may do.

use super::*;

#[test]
fn only_fields_that_are_used_are_told() {
    for flavour in FLAVOURS {
        let bench = bench_of(flavour, &["Brand", "Customer"], "");
        let brand = |name: &str, image: &str| json!({"brand": name, "image": image});
        bench.insert(Side::Cloud, "Brand", &brand("Plain", ""));
        bench.insert(Side::Local, "Brand", &brand("Shown", "/files/brand.png"));
        let customer = |name: &str| json!({"customer_name": name, "customer_type": "Company"});
        bench.insert(Side::Cloud, "Customer", &customer("Quiet"));
        bench.clear_logs();
        let ran = json_of(&bench).expect(0);
        let told = "image: the address of the file is synced, the file is not";
        assert_eq!(found(&ran, "files"), [format!("warn Brand/-: {told}")]);
        assert!(found(&ran, "links").iter().all(|line| line.starts_with("ok ")), "{}", ran.out);
        assert_eq!(found(&ran, "effects").len(), 2, "Server Script alone: {}", ran.out);
        // Nothing is asked field by field: the names of the Links' targets are one request.
        let site = bench.site(Side::Cloud);
        let brands = site.log.entries().iter().filter(|entry| entry.doctype == "Brand");
        assert_eq!(brands.count(), 2 + 3, "used, rights; a page, the empty one, one document");
        drop(site);

        let with_phone = json!({"customer_name": "Loud", "customer_type": "Company",
            "email_id": "loud@example.com", "mobile_no": "+1 555 0100"});
        bench.insert(Side::Cloud, "Customer", &with_phone);
        let ran = json_of(&bench).expect(0);
        let links = found(&ran, "links");
        let contact = "warn Customer/-: links to Contact (customer_primary_contact), which are not \
                       synced and whose names prove nothing";
        assert!(links.iter().any(|line| line.starts_with(contact)), "{links:?}");
        let made = "a site makes documents of Contact by itself for those with \
                    customer_primary_contact or email_id or mobile_no";
        let warned = format!("warn Customer/-: {made}, and the other site gets none");
        assert!(found(&ran, "effects").contains(&warned), "{}", ran.out);

        configure(&bench, &["Contact", "Customer"], "");
        let ran = json_of(&bench).expect(0);
        let synced = format!("ok Customer/-: {made}; they are synced as all others");
        assert!(found(&ran, "effects").contains(&synced), "{}", ran.out);
    }
}

#[test]
fn fields_of_rows_are_looked_at_by_table() {
    for flavour in FLAVOURS {
        let bench = bench_of(flavour, &["N Submit"], "");
        let field = json!({"fieldname": "custom_scan", "fieldtype": "Attach"});
        for side in Side::BOTH {
            bench.site(side).add_custom_field("Probe Child", &field, Timestamp::now()).unwrap();
        }
        let scanned = |scan: &str| {
            json!({"__newname": format!("S {scan}"), "title": "T",
            "rows": [{"item": "A", "custom_scan": scan}]})
        };
        bench.insert(Side::Cloud, "N Submit", &scanned(""));
        assert_eq!(found(&json_of(&bench).expect(0), "files"), [""; 0]);
        bench.insert(Side::Cloud, "N Submit", &scanned("/files/a.pdf"));
        let told = "rows.custom_scan: the address of the file is synced, the file is not";
        let files = || found(&json_of(&bench).expect(0), "files");
        assert_eq!(files(), [format!("warn N Submit/-: {told}")]);
        let only_local = "[doctypes.\"N Submit\"]\ndirection = \"local_to_cloud\"";
        configure(&bench, &["N Submit"], only_local);
        assert_eq!(files(), [""; 0], "nothing comes from the cloud");
    }
}

#[test]
fn one_document_tells_of_all_rights() {
    for flavour in FLAVOURS {
        let bench = bench_of(flavour, &["Brand", "UOM"], "");
        bench.insert(Side::Cloud, "Brand", &json!({"brand": "One"}));
        let empty: Vec<Side> = Side::BOTH
            .into_iter()
            .filter(|side| bench.site(*side).all_docs("UOM").is_empty())
            .collect();
        assert_eq!(empty, [], "every site has units");
        bench.clear_logs();
        let ran = json_of(&bench).expect(0);
        let all = |side: &str| format!("ok Brand + UOM/{side}: may read, create, write, delete");
        let rights = found(&ran, "rights");
        assert_eq!(rights[2..], [all("cloud"), all("local")]);
        let asked = |side: Side| {
            let site = bench.site(side);
            let entries = site.log.entries().iter();
            let asked = entries.filter(|entry| entry.path.contains("has_permission"));
            asked.count()
        };
        // Four doctypes that tell how a site works; the local site has no brand to be asked about.
        assert_eq!([asked(Side::Cloud), asked(Side::Local)], [4, 4 + 3]);
    }
}
