-- What a document was called before: links in bases that are older than the rename have that
-- name still. Kept by triggers, so that no way of changing a name forgets it.
CREATE TABLE former_names (
    doctype TEXT NOT NULL,
    side TEXT NOT NULL,
    name TEXT NOT NULL,
    until DATETIME NOT NULL,            -- when the state followed
    record INTEGER NOT NULL REFERENCES sync_records (id) ON DELETE CASCADE,
    PRIMARY KEY (doctype, side, name, until, record)
) WITHOUT ROWID;
CREATE INDEX idx_former_record ON former_names (record);

CREATE TRIGGER remember_cloud_name AFTER UPDATE OF cloud_name ON sync_records
WHEN OLD.cloud_name IS NOT NULL AND NEW.cloud_name IS NOT OLD.cloud_name
BEGIN
    INSERT OR IGNORE INTO former_names (doctype, side, name, until, record)
    VALUES (OLD.doctype, 'cloud', OLD.cloud_name, NEW.updated_at, OLD.id);
END;

CREATE TRIGGER remember_local_name AFTER UPDATE OF local_name ON sync_records
WHEN OLD.local_name IS NOT NULL AND NEW.local_name IS NOT OLD.local_name
BEGIN
    INSERT OR IGNORE INTO former_names (doctype, side, name, until, record)
    VALUES (OLD.doctype, 'local', OLD.local_name, NEW.updated_at, OLD.id);
END;
