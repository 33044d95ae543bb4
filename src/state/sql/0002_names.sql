-- Under which form a request was made: a base written after the answer was lost is one of
-- that form, whatever the configuration has become since.
ALTER TABLE journal ADD COLUMN form_digest TEXT;

-- A person said that this is a document of its own: neither the one of its name on the other
-- side, nor a second copy.
ALTER TABLE sync_records ADD COLUMN is_apart BOOLEAN NOT NULL DEFAULT FALSE;

-- Something other than an equal name shows that the two sides' documents are one.
ALTER TABLE sync_records ADD COLUMN is_proven BOOLEAN NOT NULL DEFAULT FALSE;

-- A document's own id among all of its doctype: two of them may have been first seen under
-- one name.
CREATE INDEX idx_unmapped ON sync_records (doctype) WHERE cloud_base IS NULL;
