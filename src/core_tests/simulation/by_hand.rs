//! The checks are checked by hand as well: what no program would do is done to the sites or the
//! state, and the check that is there for it says so.

use serde_json::json;

use super::both::name_of;
use super::dice::Dice;
use super::history::{Act, Does, Plan, Rules, Step};
use super::promises::Promise;
use super::world::World;
use crate::model::Side;
use crate::pass;

fn rules() -> Rules {
    Rules {
        doctypes: vec!["Area", "Customer", "Chore", "Reading"],
        policy: "latest_timestamp",
        first_meeting: "policy",
        collisions: "manual",
        deletes: "propagate",
        max_deletes: "'10%'",
        exclude: None,
        one_way: None,
        submitted: "mirror",
        filtered: None,
        batch: 50,
        page: 5000,
        list_every: "24h",
    }
}

/// Two sites in step, after users of the cloud have done this to a doctype.
fn in_step(doctype: &'static str, does: &[Does]) -> World {
    let mut world = World::new(1, &rules(), pass::Rules::default());
    let act = |(at, does)| Act { side: Side::Cloud, doctype, does, dice: Dice(at) };
    let acts = (0..).zip(does.iter().copied()).map(|act_of| Step::User(act(act_of)));
    let steps: Vec<Step> = acts.chain([Step::Run(Plan::default())]).collect();
    world.play(&steps);
    assert_eq!(broken(&world), []);
    world
}

fn broken(world: &World) -> Vec<Promise> {
    let mut broken = Vec::new();
    world.look(&mut broken);
    broken.into_iter().map(|breach| breach.promise).collect()
}

#[test]
fn two_documents_that_are_one_by_now_are_missed() {
    let world = in_step("Reading", &[Does::InsertTwin]);
    let select = "SELECT cloud_name, local_name FROM sync_records WHERE doctype = 'Reading'";
    let names: (String, String) =
        world.connection().query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let mut both = world.shared.lock();
    for (side, name) in [(Side::Cloud, &names.0), (Side::Local, &names.1)] {
        let at = both.sites[side].own_time(both.now);
        both.sites[side].delete_as("Administrator", "Reading", name, at).unwrap();
    }
    drop(both);
    let gone = "UPDATE sync_records SET sync_status = 'gone' WHERE cloud_name = ?";
    world.connection().execute(gone, [&names.0]).unwrap();
    assert_eq!(broken(&world), [Promise::NothingJoined]);
}

#[test]
fn a_number_that_was_replaced_and_is_there_again_is_seen() {
    let world = in_step("Chore", &[Does::Insert, Does::Edit, Does::Edit, Does::Edit, Does::Edit]);
    let mut both = world.shared.lock();
    let replaced: Vec<u32> = both.ledger.replaced.keys().map(|(_, number)| *number).collect();
    assert!(!replaced.is_empty());
    let doc = both.all(Side::Cloud).pop().unwrap().1;
    let text = json!({ "remark": doc["remark"], "text": format!("t{}", replaced[0]) });
    let at = both.sites.cloud.own_time(both.now);
    both.sites.cloud.edit_as("Administrator", "Chore", &name_of(&doc), &text, at).unwrap();
    drop(both);
    assert!(broken(&world).contains(&Promise::NothingReturns));
}

/// All that may be said of a document that is not in step, where none of it is so.
#[test]
fn no_reason_excuses_what_it_does_not_say() {
    let world = in_step("Chore", &[Does::Insert]);
    let said = [
        ("conflict", ""),
        ("pending", ""),
        ("pending", "waits for Customer Customer 1, conflict 1: erpsync resolve 1"),
        ("skipped", "submitted documents are left alone by the rule"),
        ("skipped", "deleted on local; cloud keeps it"),
        ("skipped", "deleted on local, and nothing is carried that way"),
        ("skipped", "only on cloud, and cloud is never carried over"),
        ("skipped", "cloud changed, and cloud is never carried over"),
        ("skipped", "cancelled on cloud, and local does not have it"),
        ("failed", "waits for Customer Customer 1, which is not on local yet"),
        ("failed", "waits for Customer Customer 1, which never gets to local"),
        ("failed", "links to Customer Customer 1, which was deleted on local"),
        ("failed", "its filters leave the document out"),
        ("failed", "its name is still another document's on local, which stays"),
        ("failed", "local: Could not find Customer: Customer 1"),
        ("failed", "local: Cannot delete or cancel because it is linked"),
        ("error", "nobody knows"),
    ];
    for (status, reason) in said {
        let tell = "UPDATE sync_records SET sync_status = ?1, reason = ?2, error_message = ?2
            WHERE doctype = 'Chore'";
        world.connection().execute(tell, [status, reason]).unwrap();
        assert_eq!(broken(&world), [Promise::Explained], "{status}: {reason}");
    }
}
