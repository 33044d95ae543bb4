-- A person said that a site is to be brought back to what the other one holds, after a backup
-- was restored there: `modified` of the older version that the site showed then, or '' where it had
-- none that may be overwritten. It stays until both sides agree, so that a run that ends early
-- leaves nothing behind that looks like an edit.
ALTER TABLE sync_records ADD COLUMN cloud_restored TEXT;
ALTER TABLE sync_records ADD COLUMN local_restored TEXT;
