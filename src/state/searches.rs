//! How a listing is searched for what the state does not know, which is mostly nothing.
//!
//! The rule kept here: the search goes from the listing to the few records that an index gives
//! for it, never through all records of a doctype. Left to itself the database may go the
//! other way; each `+`, and what is materialised, keeps it from that.

use super::for_side;
use super::seen::is_expected;
use crate::model::Side;

/// What was never in step is taken for the document that stands there now.
pub(super) fn replaced_sql(side: Side) -> String {
    for_side(
        side,
        "UPDATE sync_records
         SET {s}_creation = l.creation, {s}_seen = l.modified, sync_status = 'pending',
            reason = NULL, next_retry = NULL, updated_at = :now
         FROM temp.listed l
         WHERE l.side = '{s}' AND l.record IS NULL AND sync_records.doctype = :doctype
            AND sync_records.{s}_name = +l.name AND sync_records.sync_status <> 'gone'
            AND sync_records.cloud_base IS NULL AND NOT sync_records.is_syncing
            AND sync_records.{s}_creation IS NOT l.creation",
    )
}

/// The other side's document of the same name. The `+` before this side's name keeps off the
/// records without one, which at a first pass are the whole doctype.
pub(super) fn join_sql(side: Side) -> String {
    for_side(
        side,
        "UPDATE sync_records
         SET {s}_name = l.name, {s}_creation = l.creation, {s}_seen = l.modified,
            sync_status = 'pending', reason = NULL, next_retry = NULL, updated_at = :now
         FROM temp.listed l
         WHERE l.side = '{s}' AND l.record IS NULL
            AND sync_records.doctype = :doctype AND sync_records.{o}_name = +l.name
            AND sync_records.sync_status <> 'gone' AND NOT sync_records.is_apart
            AND +sync_records.{s}_name IS NULL AND sync_records.cloud_modified IS NULL
            AND NOT EXISTS (SELECT 1 FROM sync_records other
                WHERE other.doctype = :doctype AND other.{s}_name = l.name
                    AND other.sync_status <> 'gone')",
    )
}

/// The other side's document of the same `creation`.
pub(super) fn join_cloned_sql(side: Side) -> String {
    let is_listed = is_expected("r", "{o}");
    let sql = format!(
        "WITH same AS MATERIALIZED (
            SELECT r.id, l.name, l.creation, l.modified
            FROM temp.listed l CROSS JOIN sync_records r INDEXED BY idx_{{o}}_identity
            WHERE l.side = '{{s}}' AND l.record IS NULL AND l.creation <> ''
                AND r.doctype = :doctype AND r.{{o}}_creation = l.creation
                AND r.sync_status <> 'gone' AND NOT r.is_apart AND NOT r.is_syncing
                AND r.{{s}}_name IS NULL AND r.cloud_modified IS NULL
                AND 1 + {is_listed} = (SELECT count(*) FROM temp.listed same
                    WHERE same.side IN ('cloud', 'local') AND same.creation = l.creation)
                AND (NOT {is_listed} OR EXISTS (SELECT 1 FROM temp.listed there
                    WHERE there.side = '{{o}}' AND there.name = r.{{o}}_name
                        AND there.creation = l.creation))
                AND NOT EXISTS (SELECT 1 FROM sync_records other
                    WHERE other.doctype = :doctype AND other.{{s}}_name = l.name
                        AND other.sync_status <> 'gone')
                AND NOT EXISTS (SELECT 1
                    FROM sync_records other INDEXED BY idx_cloud_identity
                    WHERE other.doctype = :doctype AND other.cloud_creation = l.creation
                        AND other.id <> r.id AND other.sync_status <> 'gone')
                AND NOT EXISTS (SELECT 1
                    FROM sync_records other INDEXED BY idx_local_identity
                    WHERE other.doctype = :doctype AND other.local_creation = l.creation
                        AND other.id <> r.id AND other.sync_status <> 'gone'))
         UPDATE sync_records
         SET {{s}}_name = same.name, {{s}}_creation = same.creation,
            {{s}}_seen = same.modified, is_proven = TRUE, sync_status = 'pending',
            reason = NULL, next_retry = NULL, updated_at = :now
         FROM same WHERE sync_records.id = same.id",
    );
    for_side(side, &sql)
}
