-- The agent's own database: what one seat has captured, sealed and heard back.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- One row per configured source: where reading stands, and how it goes.
CREATE TABLE source (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    generation  INTEGER NOT NULL,
    fingerprint BLOB    NOT NULL,
    position    BLOB    NOT NULL,
    rows_read   INTEGER NOT NULL DEFAULT 0,
    rows_stated INTEGER NOT NULL DEFAULT 0,
    cycle_at    INTEGER,
    changed_at  INTEGER,
    trouble     TEXT,
    note        TEXT
);

-- The last image of every source row: enough to notice a change and to say what the record was before.
-- The identity of a row with a whole-number key sorts as the number does, so that a first load appends.
CREATE TABLE image (
    source   INTEGER NOT NULL,
    identity BLOB    NOT NULL,
    row_hash BLOB    NOT NULL,
    image    BLOB    NOT NULL,
    PRIMARY KEY (source, identity)
) WITHOUT ROWID;

-- Captured and not yet sealed: one row per few hundred entries.
CREATE TABLE unsealed (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    lane     INTEGER NOT NULL,
    entries  INTEGER NOT NULL,
    captured INTEGER NOT NULL,
    body     BLOB    NOT NULL
);
CREATE INDEX unsealed_by_lane ON unsealed (lane, id);

-- Sealed and not yet safeguarded. The feed offset is dense over all lanes.
CREATE TABLE sealed (
    feed_offset INTEGER PRIMARY KEY,
    lane        INTEGER NOT NULL,
    sequence    INTEGER NOT NULL,
    ref         BLOB    NOT NULL,
    entries     INTEGER NOT NULL,
    captured    INTEGER NOT NULL,
    header      BLOB    NOT NULL,
    body        BLOB    NOT NULL
);
CREATE UNIQUE INDEX sealed_by_sequence ON sealed (lane, sequence);

-- One row per transaction of the feed: its last offset and the token that was drawn for it. It outlives the batches, since a
-- peer's cursor may well stand where nothing is kept any more.
CREATE TABLE feed_step (
    through INTEGER PRIMARY KEY,
    token   BLOB NOT NULL
);

-- Items of the feed that a peer has refused for their bytes, and under which of its releases.
CREATE TABLE skipped (
    peer        BLOB    NOT NULL,
    class       INTEGER NOT NULL,
    feed_offset INTEGER NOT NULL,
    reason      TEXT    NOT NULL,
    release     TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (peer, class, feed_offset)
) WITHOUT ROWID;

-- The head of each lane's log, with the envelope of its header: it is shown after its batch was forgotten, too.
CREATE TABLE frontier (
    lane        INTEGER NOT NULL PRIMARY KEY,
    sequence    INTEGER NOT NULL,
    header      BLOB    NOT NULL,
    history     BLOB    NOT NULL,
    hybrid_time INTEGER NOT NULL,
    envelope    BLOB    NOT NULL
);

-- Statements that came after the agent was admitted, in an order in which each can be taken up.
CREATE TABLE statement (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    ref   BLOB NOT NULL UNIQUE,
    bytes BLOB NOT NULL
);

-- Rows that their standard refused. Their values never leave this machine.
CREATE TABLE reject (
    source   INTEGER NOT NULL,
    identity BLOB    NOT NULL,
    position TEXT    NOT NULL,
    since    INTEGER NOT NULL,
    reasons  TEXT    NOT NULL,
    row      TEXT    NOT NULL,
    PRIMARY KEY (source, identity)
);

-- The receipt of each node that counts, per lane; which one counts is judged by what they say, not by time.
CREATE TABLE receipt (
    node     BLOB    NOT NULL,
    lane     INTEGER NOT NULL,
    heard    INTEGER NOT NULL,
    envelope BLOB    NOT NULL,
    PRIMARY KEY (node, lane)
) WITHOUT ROWID;

-- Files of drop folders that were taken or set aside, by name and content.
CREATE TABLE file (
    source  INTEGER NOT NULL,
    name    TEXT    NOT NULL,
    hash    BLOB    NOT NULL,
    taken   INTEGER NOT NULL,
    rows    INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    trouble TEXT,
    PRIMARY KEY (source, name, hash)
) WITHOUT ROWID;
