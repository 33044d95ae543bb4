-- What a site's doctypes consist of, so that it is not asked again while nothing changed.
CREATE TABLE metadata (
    side TEXT NOT NULL CHECK (side IN ('cloud', 'local')),
    doctype TEXT NOT NULL,
    meta TEXT NOT NULL,                 -- effective, reduced to what is read of it, JSON
    fingerprint TEXT NOT NULL,          -- of all that can change it, when it was read
    read_at DATETIME NOT NULL,
    PRIMARY KEY (side, doctype)
) WITHOUT ROWID;

-- The fields that only one side has, as they were last reported.
CREATE TABLE one_sided (
    doctype TEXT PRIMARY KEY,
    fields TEXT NOT NULL                -- JSON object of side and array of `field` or `table.field`
) WITHOUT ROWID;
