-- The record whose open conflict, or whose open request, a pending document waits for.
ALTER TABLE sync_records ADD COLUMN waits_for INTEGER REFERENCES sync_records (id)
    ON DELETE SET NULL;
CREATE INDEX idx_waits_for ON sync_records (waits_for) WHERE waits_for IS NOT NULL;
