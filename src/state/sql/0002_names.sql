-- Under which form a request was made: a base written after the answer was lost is one of
-- that form, whatever the configuration has become since.
ALTER TABLE journal ADD COLUMN form_digest TEXT;

-- A person said that this is a document of its own: neither the one of its name on the other
-- side, nor a second copy.
ALTER TABLE sync_records ADD COLUMN is_apart BOOLEAN NOT NULL DEFAULT FALSE;
