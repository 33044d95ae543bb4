-- How many documents of each doctype are in each status, so that nobody counts a million records
-- to say so. Kept by triggers, so that no way of changing a status forgets it.
CREATE TABLE totals (
    doctype TEXT NOT NULL,
    sync_status TEXT NOT NULL,
    documents INTEGER NOT NULL,
    PRIMARY KEY (doctype, sync_status)
) WITHOUT ROWID;

INSERT INTO totals
    SELECT doctype, sync_status, count(*) FROM sync_records
    WHERE sync_status IS NOT NULL GROUP BY doctype, sync_status;

CREATE TRIGGER total_with_new AFTER INSERT ON sync_records WHEN NEW.sync_status IS NOT NULL
BEGIN
    INSERT INTO totals VALUES (NEW.doctype, NEW.sync_status, 1)
    ON CONFLICT DO UPDATE SET documents = documents + 1;
END;

CREATE TRIGGER total_without_old AFTER DELETE ON sync_records
BEGIN
    UPDATE totals SET documents = documents - 1
    WHERE doctype = OLD.doctype AND sync_status = OLD.sync_status;
END;

CREATE TRIGGER total_with_changed AFTER UPDATE OF doctype, sync_status ON sync_records
WHEN NEW.sync_status IS NOT OLD.sync_status OR NEW.doctype <> OLD.doctype
BEGIN
    UPDATE totals SET documents = documents - 1
    WHERE doctype = OLD.doctype AND sync_status = OLD.sync_status;
    INSERT INTO totals SELECT NEW.doctype, NEW.sync_status, 1 WHERE NEW.sync_status IS NOT NULL
    ON CONFLICT DO UPDATE SET documents = documents + 1;
END;
