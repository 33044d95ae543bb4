-- The whole schema, version 1. The four tables sync_records, sync_logs, conflict_records and
-- webhook_queue are an interface (CLI.md, "State database"): columns may be added, never
-- changed or taken away. Times are UTC text `YYYY-MM-DDTHH:MM:SS.mmmZ`, except
-- cloud_modified, local_modified, *_creation and *_seen, which hold the site's own text.

PRAGMA application_id = 1163022419; -- 'ERPS'

CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    command TEXT NOT NULL,
    started_at DATETIME NOT NULL,
    finished_at DATETIME,
    exit_code INTEGER,
    cloud_requests INTEGER NOT NULL DEFAULT 0,
    local_requests INTEGER NOT NULL DEFAULT 0,
    summary TEXT                        -- JSON
);

-- One row a document that either site was ever seen to have.
CREATE TABLE sync_records (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    doctype VARCHAR(200) NOT NULL,
    docname VARCHAR(200) NOT NULL,      -- the name where the document was first seen

    cloud_modified DATETIME,            -- of the base, the site's own text
    local_modified DATETIME,
    last_synced DATETIME,

    sync_hash_cloud VARCHAR(64),        -- MD5 of the base's sync form
    sync_hash_local VARCHAR(64),
    sync_direction VARCHAR(20),

    is_syncing BOOLEAN DEFAULT FALSE,   -- an open intent in the journal, nothing else
    sync_status VARCHAR(50) DEFAULT 'pending' CHECK (sync_status IN
        ('pending', 'synced', 'conflict', 'error', 'failed', 'skipped', 'gone')),
    error_message TEXT,
    retry_count INTEGER DEFAULT 0,

    created_at DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),

    cloud_name TEXT,
    local_name TEXT,
    cloud_creation TEXT,                -- with the name: which document this is
    local_creation TEXT,
    cloud_seen TEXT,                    -- `modified` when the site was last looked at
    local_seen TEXT,
    form_digest TEXT,                   -- of what shaped the two hashes
    scope_digest TEXT,                  -- of what a decision to skip was made under
    next_retry DATETIME,
    reason TEXT,
    cloud_base TEXT,                    -- the whole document as last agreed on, JSON
    local_base TEXT,

    CHECK ((cloud_base IS NULL) = (local_base IS NULL)),
    CHECK ((cloud_base IS NULL) = (cloud_modified IS NULL)),
    CHECK ((local_base IS NULL) = (local_modified IS NULL))
);
CREATE INDEX idx_doctype_docname ON sync_records (doctype, docname);
CREATE INDEX idx_sync_status ON sync_records (sync_status);
CREATE INDEX idx_doctype_status ON sync_records (doctype, sync_status);
CREATE UNIQUE INDEX idx_cloud_name ON sync_records (doctype, cloud_name)
    WHERE sync_status <> 'gone';
CREATE UNIQUE INDEX idx_local_name ON sync_records (doctype, local_name)
    WHERE sync_status <> 'gone';
CREATE INDEX idx_cloud_tombstone ON sync_records (doctype, cloud_name)
    WHERE sync_status = 'gone';
CREATE INDEX idx_local_tombstone ON sync_records (doctype, local_name)
    WHERE sync_status = 'gone';
-- These two cover the comparison with a listing, so that it never reads the wide rows.
CREATE INDEX idx_cloud_identity
    ON sync_records (doctype, cloud_creation, cloud_name, cloud_seen, sync_status);
CREATE INDEX idx_local_identity
    ON sync_records (doctype, local_creation, local_name, local_seen, sync_status);

CREATE TABLE sync_logs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),

    doctype VARCHAR(200) NOT NULL,
    docname VARCHAR(200) NOT NULL,

    action VARCHAR(50) NOT NULL,
    direction VARCHAR(20) NOT NULL,

    status VARCHAR(50) NOT NULL,
    message TEXT,

    changes_json TEXT,

    run INTEGER REFERENCES runs (id),
    record INTEGER REFERENCES sync_records (id)
);
CREATE INDEX idx_timestamp ON sync_logs (timestamp);
CREATE INDEX idx_status ON sync_logs (status);
CREATE INDEX idx_log_document ON sync_logs (doctype, docname);
CREATE INDEX idx_log_record ON sync_logs (record);
CREATE INDEX idx_log_run ON sync_logs (run);

CREATE TABLE conflict_records (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    doctype VARCHAR(200) NOT NULL,
    docname VARCHAR(200) NOT NULL,

    cloud_data TEXT NOT NULL,           -- the whole document, JSON; 'null' where there is none
    local_data TEXT NOT NULL,

    cloud_modified DATETIME NOT NULL,
    local_modified DATETIME NOT NULL,

    resolved BOOLEAN DEFAULT FALSE,
    resolution VARCHAR(50),
    resolved_at DATETIME,

    created_at DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),

    record INTEGER NOT NULL REFERENCES sync_records (id),
    kind TEXT NOT NULL,
    fields TEXT NOT NULL DEFAULT '[]',  -- JSON array

    CHECK (resolved = (resolution IS NOT NULL))
);
CREATE UNIQUE INDEX idx_open_conflict ON conflict_records (record) WHERE resolved = FALSE;
CREATE INDEX idx_conflict_document ON conflict_records (doctype, docname);
CREATE INDEX idx_conflict_record ON conflict_records (record);

CREATE TABLE webhook_queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source VARCHAR(20) NOT NULL,

    doctype VARCHAR(200) NOT NULL,
    docname VARCHAR(200) NOT NULL,
    action VARCHAR(50) NOT NULL,

    payload TEXT NOT NULL,              -- `body`, the exact text that was signed

    processed BOOLEAN DEFAULT FALSE,
    processing BOOLEAN DEFAULT FALSE,

    created_at DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    processed_at DATETIME,

    error_message TEXT,
    retry_count INTEGER DEFAULT 0,

    received_at TEXT,                   -- as the queue line says
    signature TEXT,
    line_digest TEXT,                   -- of the whole line: a line comes in once
    run INTEGER REFERENCES runs (id)
);
CREATE INDEX idx_processed ON webhook_queue (processed);
CREATE INDEX idx_created_at ON webhook_queue (created_at);
CREATE UNIQUE INDEX idx_line_digest ON webhook_queue (line_digest);

-- What was about to be written to a site, committed before the request goes out.
CREATE TABLE journal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    record INTEGER NOT NULL REFERENCES sync_records (id),
    run INTEGER REFERENCES runs (id),
    doctype TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('cloud', 'local')), -- the side written to
    action TEXT NOT NULL,
    target_name TEXT,                   -- NULL where the site gives the name
    target_modified TEXT,               -- before the write; NULL for a create
    target TEXT,                        -- the target as read before the write, JSON
    source TEXT NOT NULL,               -- the source as read, JSON
    sent TEXT NOT NULL,                 -- the fields sent, JSON object
    omitted TEXT NOT NULL DEFAULT '[]', -- fields held out, JSON array
    resolution TEXT,                    -- what the closing says of the open conflict
    reason TEXT NOT NULL,
    site_time DATETIME,                 -- the target site's own clock
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'answered', 'closed', 'void')),
    answer TEXT,                        -- the site's answer, JSON
    outcome TEXT,                       -- why it is void
    created_at DATETIME NOT NULL,
    closed_at DATETIME
);
CREATE UNIQUE INDEX idx_open_intent ON journal (record) WHERE state IN ('open', 'answered');
CREATE INDEX idx_journal_record ON journal (record);

-- Which row of one document is which row of its counterpart.
CREATE TABLE row_names (
    record INTEGER NOT NULL REFERENCES sync_records (id) ON DELETE CASCADE,
    table_field TEXT NOT NULL,
    position INTEGER NOT NULL,
    cloud_row TEXT,
    local_row TEXT,
    PRIMARY KEY (record, table_field, position)
) WITHOUT ROWID;
CREATE INDEX idx_cloud_row ON row_names (cloud_row);
CREATE INDEX idx_local_row ON row_names (local_row);

-- Whose state this is. Urls and users; never a key or a secret.
CREATE TABLE pair (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    cloud_url TEXT NOT NULL,
    local_url TEXT NOT NULL,
    cloud_user TEXT NOT NULL,
    local_user TEXT NOT NULL,
    program_version TEXT NOT NULL,
    recorded_at DATETIME NOT NULL
);

CREATE TABLE listings (
    doctype TEXT PRIMARY KEY,
    last_listed_at DATETIME,            -- every document listed on both sides
    last_full_at DATETIME               -- and fetched and hashed
) WITHOUT ROWID;

-- Which fields a form digest stands for, so that a field that newly counts is told from an
-- edit.
CREATE TABLE shapes (
    digest TEXT PRIMARY KEY,
    fields TEXT NOT NULL                -- JSON array of `field` or `table.field`
) WITHOUT ROWID;
