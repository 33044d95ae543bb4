-- Whether the configured filters left a document out when its side was last listed: such a one is
-- no part of the sums over what was seen.
ALTER TABLE sync_records ADD COLUMN cloud_outside BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE sync_records ADD COLUMN local_outside BOOLEAN NOT NULL DEFAULT FALSE;

-- What is summed day by day, and what a listing of some days should have shown: by covering
-- indexes, so that the wide rows are never read for it.
CREATE INDEX idx_cloud_seen ON sync_records
    (doctype, cloud_seen, cloud_name, cloud_creation, sync_status, cloud_outside);
CREATE INDEX idx_local_seen ON sync_records
    (doctype, local_seen, local_name, local_creation, sync_status, local_outside);
CREATE INDEX idx_cloud_outside ON sync_records (doctype) WHERE cloud_outside;
CREATE INDEX idx_local_outside ON sync_records (doctype) WHERE local_outside;

-- Which filters `last_listed_at` is about, and when a site last refused to add up.
ALTER TABLE listings ADD COLUMN scope TEXT NOT NULL DEFAULT '';
ALTER TABLE listings ADD COLUMN sums_refused_at DATETIME;
