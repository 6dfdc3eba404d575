-- Tables of a node's store, SQLite. The PostgreSQL twin of the same number makes the same tables.
-- Integers carry instants in microseconds, offsets and hashes of subjects (u64 as two's complement).

CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE progress (
    name  TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

-- Intake: written sequentially, in one synced transaction per group.

-- Signed statements. What is not read by this release (is_read = 0) is kept verbatim, charged to its seat, and read by a later one.
CREATE TABLE envelope (
    ref     BLOB NOT NULL UNIQUE,
    kind    INTEGER NOT NULL,
    seat    BLOB NOT NULL,
    class   INTEGER NOT NULL,
    is_read INTEGER NOT NULL,
    bytes   BLOB NOT NULL,
    arrival INTEGER NOT NULL
);
CREATE INDEX envelope_unread ON envelope (seat) WHERE is_read = 0;

-- parts: which sections of which leaves are held, 4 bytes a leaf (index, mask), while the batch is not whole; NULL once it is.
CREATE TABLE header (
    ref      BLOB NOT NULL UNIQUE,
    seat     BLOB NOT NULL,
    lane     INTEGER NOT NULL,
    epoch    INTEGER NOT NULL,
    opening  BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    entries  INTEGER NOT NULL,
    parts    BLOB,
    bytes    BLOB NOT NULL
);
CREATE INDEX header_log ON header (seat, lane, opening, sequence);

CREATE TABLE log (
    seat          BLOB NOT NULL,
    lane          INTEGER NOT NULL,
    opening       BLOB NOT NULL,
    epoch         INTEGER NOT NULL,
    last_sequence INTEGER NOT NULL,
    last_ref      BLOB NOT NULL,
    history       BLOB NOT NULL,
    PRIMARY KEY (seat, lane, opening)
);

-- kind: 1 envelope, 2 block (header and slice body), 3 routing event. token: drawn for the transaction that wrote the item.
CREATE TABLE feed (
    feed_offset INTEGER NOT NULL PRIMARY KEY,
    class       INTEGER NOT NULL,
    kind        INTEGER NOT NULL,
    from_peer   BLOB,
    ref         BLOB,
    size        INTEGER NOT NULL,
    entries     INTEGER NOT NULL,
    at_us       INTEGER NOT NULL,
    token       BLOB NOT NULL,
    body        BLOB
);
CREATE INDEX feed_class ON feed (class, feed_offset);
CREATE INDEX feed_ref ON feed (ref) WHERE ref IS NOT NULL;

-- Logs that wait for a statement, or cannot be read yet. Reasons are numbers of the protocol.
CREATE TABLE held (
    seat          BLOB NOT NULL,
    lane          INTEGER NOT NULL,
    opening       BLOB NOT NULL,
    from_sequence INTEGER NOT NULL,
    reason        INTEGER NOT NULL,
    from_peer     BLOB NOT NULL,
    at_us         INTEGER NOT NULL,
    PRIMARY KEY (seat, lane, opening)
);

-- Logs in which their seat has signed what may not be.
CREATE TABLE stopped (
    seat     BLOB NOT NULL,
    lane     INTEGER NOT NULL,
    opening  BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    reason   INTEGER NOT NULL,
    detail   TEXT NOT NULL,
    at_us    INTEGER NOT NULL,
    PRIMARY KEY (seat, lane, opening)
);

-- Headers and statements that contradict others or may not be: kept as signed, counted for nothing.
CREATE TABLE evidence (
    ref      BLOB NOT NULL UNIQUE,
    kind     INTEGER NOT NULL,
    seat     BLOB NOT NULL,
    reason   INTEGER NOT NULL,
    bytes    BLOB NOT NULL,
    at_us    INTEGER NOT NULL
);
CREATE INDEX evidence_seat ON evidence (seat);

-- Statements that wait for the one that they name.
CREATE TABLE held_statement (
    ref       BLOB NOT NULL UNIQUE,
    missing   BLOB NOT NULL,
    from_peer BLOB NOT NULL,
    bytes     BLOB NOT NULL,
    at_us     INTEGER NOT NULL
);
CREATE INDEX held_statement_missing ON held_statement (missing);

-- Items of our feed that a peer has refused for their bytes.
CREATE TABLE skipped (
    peer        BLOB NOT NULL,
    class       INTEGER NOT NULL,
    feed_offset INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    release     TEXT NOT NULL,
    at_us       INTEGER NOT NULL,
    PRIMARY KEY (peer, class, feed_offset)
);

-- Items that this release does not read, as they came, charged to the peer that sent them.
CREATE TABLE unread_item (
    peer        BLOB NOT NULL,
    class       INTEGER NOT NULL,
    feed_offset INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    body        BLOB NOT NULL,
    at_us       INTEGER NOT NULL,
    PRIMARY KEY (peer, class, feed_offset)
);

-- token: what the sender gave with that step.
CREATE TABLE feed_cursor (
    peer             BLOB NOT NULL,
    feed             BLOB NOT NULL,
    class            INTEGER NOT NULL,
    feed_offset      INTEGER NOT NULL,
    interest_version INTEGER NOT NULL,
    token            BLOB NOT NULL,
    PRIMARY KEY (peer, feed, class)
);

-- scope: what at most one want may be open for, such as the log of a gap. tries: how often it was asked in vain, next_us: not again before.
CREATE TABLE want (
    id      INTEGER NOT NULL PRIMARY KEY,
    scope   BLOB NOT NULL UNIQUE,
    want    BLOB NOT NULL,
    resume  BLOB NOT NULL,
    tries   INTEGER NOT NULL,
    next_us INTEGER NOT NULL,
    at_us   INTEGER NOT NULL
);

CREATE TABLE origin_stats (
    seat       BLOB NOT NULL,
    lane       INTEGER NOT NULL,
    blocks     INTEGER NOT NULL,
    entries    INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    last_at_us INTEGER NOT NULL,
    PRIMARY KEY (seat, lane)
);

-- Apply: current records, narrow; body is packed (src/record.rs). A rowid table with two small indexes and one packed body was the fastest of the
-- layouts tried for fresh random identities: new rows are appended, only the indexes are hit at random.

CREATE TABLE record (
    id             BLOB NOT NULL UNIQUE,
    subject        BLOB NOT NULL,
    latest_version BLOB NOT NULL,
    body           BLOB NOT NULL
);
CREATE INDEX record_subject ON record (subject);

CREATE TABLE routed (
    region      TEXT NOT NULL,
    class       INTEGER NOT NULL,
    feed_offset INTEGER NOT NULL,
    positions   BLOB,
    PRIMARY KEY (region, class, feed_offset)
) WITHOUT ROWID;

CREATE TABLE refusal (
    id           BLOB NOT NULL UNIQUE,
    origin       BLOB NOT NULL,
    record_type  TEXT NOT NULL,
    key_text     TEXT NOT NULL,
    reasons      TEXT NOT NULL,
    fields       TEXT NOT NULL,
    message      TEXT NOT NULL,
    at_us        INTEGER NOT NULL,
    closed_at_us INTEGER,
    is_open      INTEGER NOT NULL
);
CREATE INDEX refusal_order ON refusal (at_us, id);
CREATE INDEX refusal_open ON refusal (origin, at_us) WHERE is_open = 1;

-- Subjects to fold beside those of new blocks. A mark that has grown since a fold read it is not taken off by that fold.
CREATE TABLE dirty (
    subject INTEGER NOT NULL PRIMARY KEY,
    mark    INTEGER NOT NULL
);

CREATE TABLE type_stats (
    origin  BLOB NOT NULL,
    kind    INTEGER NOT NULL,
    records INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    PRIMARY KEY (origin, kind)
);

-- Fold: what people search and read. Rows are appended; a row is found through its subject.

CREATE TABLE entity (
    subject       INTEGER NOT NULL UNIQUE,
    subject_text  TEXT NOT NULL,
    name          TEXT NOT NULL,
    former_names  TEXT NOT NULL,
    name_key      TEXT NOT NULL,
    search_text   TEXT NOT NULL,
    uscc          TEXT NOT NULL,
    reg_no        TEXT NOT NULL,
    org_code      TEXT NOT NULL,
    region        TEXT NOT NULL,
    kind_text     TEXT NOT NULL,
    state         TEXT NOT NULL,
    address       TEXT NOT NULL,
    legal_rep     TEXT NOT NULL,
    event_date    TEXT NOT NULL,
    updated_at_us INTEGER NOT NULL
);
CREATE INDEX entity_uscc ON entity (uscc, subject) WHERE uscc <> '';
CREATE INDEX entity_reg_no ON entity (reg_no, subject) WHERE reg_no <> '';
CREATE INDEX entity_org_code ON entity (org_code, subject) WHERE org_code <> '';

-- rowid is the subject; whole names are found by it, too (src/fold.rs)
CREATE VIRTUAL TABLE entity_gram USING fts5(grams, content='', contentless_delete=1, tokenize='ascii');

-- Peers and people.

CREATE TABLE receipt (
    seat                 BLOB NOT NULL,
    lane                 INTEGER NOT NULL,
    opening              BLOB NOT NULL,
    node                 BLOB NOT NULL,
    incarnation          INTEGER NOT NULL,
    feed                 BLOB NOT NULL,
    durable_sequence     INTEGER NOT NULL,
    attached_sequence    INTEGER NOT NULL,
    safeguarded_sequence INTEGER NOT NULL,
    bytes                BLOB NOT NULL,
    at_us                INTEGER NOT NULL,
    PRIMARY KEY (seat, lane, opening, node)
);

-- The newest signed head of each node's feed, as it told it to us.
CREATE TABLE feed_head (
    node        BLOB NOT NULL PRIMARY KEY,
    incarnation INTEGER NOT NULL,
    feed        BLOB NOT NULL,
    head        INTEGER NOT NULL,
    bytes       BLOB NOT NULL,
    at_us       INTEGER NOT NULL
);

-- An invitation and the request that has used it: the first keys that come are bound to its code.
CREATE TABLE invitation (
    secret_hash    BLOB NOT NULL PRIMARY KEY,
    seat           BLOB NOT NULL,
    kind           INTEGER NOT NULL,
    organisation   TEXT NOT NULL,
    title          TEXT NOT NULL,
    jurisdiction   TEXT NOT NULL,
    node           BLOB NOT NULL,
    renews         INTEGER NOT NULL,
    types          TEXT NOT NULL,
    preapproved    INTEGER NOT NULL,
    reason         TEXT NOT NULL,
    expires_at_us  INTEGER NOT NULL,
    issued_by      TEXT NOT NULL,
    at_us          INTEGER NOT NULL,
    revoked_by     TEXT,
    revoked_at_us  INTEGER,
    key_hash       BLOB,
    keys           BLOB,
    possession     BLOB,
    consent        BLOB,
    asked_title    TEXT,
    asked_types    TEXT,
    tls_key        BLOB,
    address        TEXT,
    asked_at_us    INTEGER,
    decision       INTEGER NOT NULL,
    decided_by     TEXT,
    decided_reason TEXT,
    decided_at_us  INTEGER,
    others         INTEGER NOT NULL,
    other_hash     BLOB,
    other_address  TEXT,
    other_at_us    INTEGER
);
CREATE INDEX invitation_seat ON invitation (seat);

-- Whose an organisation code is. Never changed, never given to another.
CREATE TABLE organisation (
    code      TEXT NOT NULL PRIMARY KEY,
    title     TEXT NOT NULL,
    minted_by TEXT NOT NULL,
    at_us     INTEGER NOT NULL
);

-- Who was let in here, and under which keys.
CREATE TABLE peer (
    seat            BLOB NOT NULL PRIMARY KEY,
    kind            INTEGER NOT NULL,
    title           TEXT NOT NULL,
    organisation    TEXT NOT NULL,
    jurisdiction    TEXT NOT NULL,
    tls_key         BLOB NOT NULL,
    state           INTEGER NOT NULL,
    reason          TEXT NOT NULL,
    fingerprint     TEXT NOT NULL,
    decided_by      TEXT NOT NULL,
    at_us           INTEGER NOT NULL,
    last_contact_us INTEGER NOT NULL
);
CREATE INDEX peer_tls_key ON peer (tls_key);

CREATE TABLE account (
    name            TEXT NOT NULL PRIMARY KEY,
    title           TEXT NOT NULL,
    role            TEXT NOT NULL,
    password_hash   TEXT NOT NULL,
    disabled        INTEGER NOT NULL,
    at_us           INTEGER NOT NULL
);

CREATE TABLE login_session (
    token_hash     BLOB NOT NULL PRIMARY KEY,
    account        TEXT NOT NULL,
    begun_us       INTEGER NOT NULL,
    idle_until_us  INTEGER NOT NULL,
    until_us       INTEGER NOT NULL
);

CREATE TABLE audit (
    seq     INTEGER NOT NULL PRIMARY KEY,
    at_us   INTEGER NOT NULL,
    account TEXT NOT NULL,
    action  TEXT NOT NULL,
    object  TEXT NOT NULL,
    detail  TEXT NOT NULL
);
