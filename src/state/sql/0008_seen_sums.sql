-- The sums over what was seen, by day of `seen`: a pass in which nothing has changed compares them
-- without reading the records. The three sums are decimal text, because they may be longer than 64
-- bits.
CREATE TABLE seen_sums (
    doctype TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('cloud', 'local')),
    day TEXT NOT NULL,
    documents INTEGER NOT NULL,
    names TEXT NOT NULL,
    stamps TEXT NOT NULL,
    pairs TEXT NOT NULL,
    PRIMARY KEY (doctype, side, day)
) WITHOUT ROWID;

-- The days whose sums are to be worked out anew. Kept by triggers, so that no way of changing a
-- record forgets its day.
CREATE TABLE changed_days (
    doctype TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('cloud', 'local')),
    day TEXT NOT NULL,
    PRIMARY KEY (doctype, side, day)
) WITHOUT ROWID;

INSERT OR IGNORE INTO changed_days
    SELECT doctype, 'cloud', substr(cloud_seen, 1, 10) FROM sync_records
    WHERE cloud_seen IS NOT NULL;
INSERT OR IGNORE INTO changed_days
    SELECT doctype, 'local', substr(local_seen, 1, 10) FROM sync_records
    WHERE local_seen IS NOT NULL;

CREATE TRIGGER cloud_day_of_new AFTER INSERT ON sync_records WHEN NEW.cloud_seen IS NOT NULL
BEGIN
    INSERT OR IGNORE INTO changed_days
    VALUES (NEW.doctype, 'cloud', substr(NEW.cloud_seen, 1, 10));
END;

CREATE TRIGGER local_day_of_new AFTER INSERT ON sync_records WHEN NEW.local_seen IS NOT NULL
BEGIN
    INSERT OR IGNORE INTO changed_days
    VALUES (NEW.doctype, 'local', substr(NEW.local_seen, 1, 10));
END;

CREATE TRIGGER cloud_day_of_old AFTER DELETE ON sync_records WHEN OLD.cloud_seen IS NOT NULL
BEGIN
    INSERT OR IGNORE INTO changed_days
    VALUES (OLD.doctype, 'cloud', substr(OLD.cloud_seen, 1, 10));
END;

CREATE TRIGGER local_day_of_old AFTER DELETE ON sync_records WHEN OLD.local_seen IS NOT NULL
BEGIN
    INSERT OR IGNORE INTO changed_days
    VALUES (OLD.doctype, 'local', substr(OLD.local_seen, 1, 10));
END;

CREATE TRIGGER cloud_day_of_changed
AFTER UPDATE OF doctype, cloud_name, cloud_seen, sync_status, cloud_outside ON sync_records
WHEN NEW.cloud_seen IS NOT OLD.cloud_seen OR NEW.cloud_name IS NOT OLD.cloud_name
    OR (NEW.sync_status IS 'gone') <> (OLD.sync_status IS 'gone')
    OR NEW.cloud_outside <> OLD.cloud_outside OR NEW.doctype <> OLD.doctype
BEGIN
    INSERT OR IGNORE INTO changed_days
    SELECT OLD.doctype, 'cloud', substr(OLD.cloud_seen, 1, 10) WHERE OLD.cloud_seen IS NOT NULL;
    INSERT OR IGNORE INTO changed_days
    SELECT NEW.doctype, 'cloud', substr(NEW.cloud_seen, 1, 10) WHERE NEW.cloud_seen IS NOT NULL;
END;

CREATE TRIGGER local_day_of_changed
AFTER UPDATE OF doctype, local_name, local_seen, sync_status, local_outside ON sync_records
WHEN NEW.local_seen IS NOT OLD.local_seen OR NEW.local_name IS NOT OLD.local_name
    OR (NEW.sync_status IS 'gone') <> (OLD.sync_status IS 'gone')
    OR NEW.local_outside <> OLD.local_outside OR NEW.doctype <> OLD.doctype
BEGIN
    INSERT OR IGNORE INTO changed_days
    SELECT OLD.doctype, 'local', substr(OLD.local_seen, 1, 10) WHERE OLD.local_seen IS NOT NULL;
    INSERT OR IGNORE INTO changed_days
    SELECT NEW.doctype, 'local', substr(NEW.local_seen, 1, 10) WHERE NEW.local_seen IS NOT NULL;
END;
