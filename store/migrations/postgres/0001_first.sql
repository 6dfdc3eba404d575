-- Tables of a node's store, PostgreSQL. The SQLite twin of the same number makes the same tables.
-- Texts compare bytewise, as on SQLite. Integers carry instants in microseconds, offsets and hashes of subjects (u64 as two's complement).

CREATE TABLE meta (
    key   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value BYTEA NOT NULL
);

CREATE TABLE progress (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);

-- Intake: written sequentially, in one synced transaction per group.

-- Signed statements. What is not read by this release (is_read = 0) is kept verbatim, charged to its seat, and read by a later one.
CREATE TABLE envelope (
    ref     BYTEA NOT NULL UNIQUE,
    kind    BIGINT NOT NULL,
    seat    BYTEA NOT NULL,
    class   BIGINT NOT NULL,
    is_read BIGINT NOT NULL,
    bytes   BYTEA NOT NULL,
    arrival BIGINT NOT NULL
);
CREATE INDEX envelope_unread ON envelope (seat) WHERE is_read = 0;

-- parts: which sections of which leaves are held, 4 bytes a leaf (index, mask), while the batch is not whole; NULL once it is.
CREATE TABLE header (
    ref      BYTEA NOT NULL UNIQUE,
    seat     BYTEA NOT NULL,
    lane     BIGINT NOT NULL,
    epoch    BIGINT NOT NULL,
    opening  BYTEA NOT NULL,
    sequence BIGINT NOT NULL,
    entries  BIGINT NOT NULL,
    parts    BYTEA,
    bytes    BYTEA NOT NULL
);
CREATE INDEX header_log ON header (seat, lane, opening, sequence);

CREATE TABLE log (
    seat          BYTEA NOT NULL,
    lane          BIGINT NOT NULL,
    opening       BYTEA NOT NULL,
    epoch         BIGINT NOT NULL,
    last_sequence BIGINT NOT NULL,
    last_ref      BYTEA NOT NULL,
    history       BYTEA NOT NULL,
    PRIMARY KEY (seat, lane, opening)
);

-- kind: 1 envelope, 2 block (header and slice body), 3 routing event. token: drawn for the transaction that wrote the item.
CREATE TABLE feed (
    feed_offset BIGINT NOT NULL PRIMARY KEY,
    class       BIGINT NOT NULL,
    kind        BIGINT NOT NULL,
    from_peer   BYTEA,
    ref         BYTEA,
    size        BIGINT NOT NULL,
    entries     BIGINT NOT NULL,
    at_us       BIGINT NOT NULL,
    token       BYTEA NOT NULL,
    body        BYTEA
);
CREATE INDEX feed_class ON feed (class, feed_offset);
CREATE INDEX feed_ref ON feed (ref) WHERE ref IS NOT NULL;

-- Logs that wait for a statement, or cannot be read yet. Reasons are numbers of the protocol.
CREATE TABLE held (
    seat          BYTEA NOT NULL,
    lane          BIGINT NOT NULL,
    opening       BYTEA NOT NULL,
    from_sequence BIGINT NOT NULL,
    reason        BIGINT NOT NULL,
    from_peer     BYTEA NOT NULL,
    at_us         BIGINT NOT NULL,
    PRIMARY KEY (seat, lane, opening)
);

-- Logs in which their seat has signed what may not be.
CREATE TABLE stopped (
    seat     BYTEA NOT NULL,
    lane     BIGINT NOT NULL,
    opening  BYTEA NOT NULL,
    sequence BIGINT NOT NULL,
    reason   BIGINT NOT NULL,
    detail   TEXT COLLATE "C" NOT NULL,
    at_us    BIGINT NOT NULL,
    PRIMARY KEY (seat, lane, opening)
);

-- Headers and statements that contradict others or may not be: kept as signed, counted for nothing.
CREATE TABLE evidence (
    ref      BYTEA NOT NULL UNIQUE,
    kind     BIGINT NOT NULL,
    seat     BYTEA NOT NULL,
    reason   BIGINT NOT NULL,
    bytes    BYTEA NOT NULL,
    at_us    BIGINT NOT NULL
);
CREATE INDEX evidence_seat ON evidence (seat);

-- Statements that wait for the one that they name.
CREATE TABLE held_statement (
    ref       BYTEA NOT NULL UNIQUE,
    missing   BYTEA NOT NULL,
    from_peer BYTEA NOT NULL,
    bytes     BYTEA NOT NULL,
    at_us     BIGINT NOT NULL
);
CREATE INDEX held_statement_missing ON held_statement (missing);

-- Items of our feed that a peer has refused for their bytes.
CREATE TABLE skipped (
    peer        BYTEA NOT NULL,
    class       BIGINT NOT NULL,
    feed_offset BIGINT NOT NULL,
    reason      TEXT COLLATE "C" NOT NULL,
    release     TEXT COLLATE "C" NOT NULL,
    at_us       BIGINT NOT NULL,
    PRIMARY KEY (peer, class, feed_offset)
);

-- Items that this release does not read, as they came, charged to the peer that sent them.
CREATE TABLE unread_item (
    peer        BYTEA NOT NULL,
    class       BIGINT NOT NULL,
    feed_offset BIGINT NOT NULL,
    number      BIGINT NOT NULL,
    body        BYTEA NOT NULL,
    at_us       BIGINT NOT NULL,
    PRIMARY KEY (peer, class, feed_offset)
);

-- token: what the sender gave with that step.
CREATE TABLE feed_cursor (
    peer             BYTEA NOT NULL,
    feed             BYTEA NOT NULL,
    class            BIGINT NOT NULL,
    feed_offset      BIGINT NOT NULL,
    interest_version BIGINT NOT NULL,
    token            BYTEA NOT NULL,
    PRIMARY KEY (peer, feed, class)
);

-- scope: what at most one want may be open for, such as the log of a gap. tries: how often it was asked in vain, next_us: not again before.
CREATE TABLE want (
    id      BIGINT NOT NULL PRIMARY KEY,
    scope   BYTEA NOT NULL UNIQUE,
    want    BYTEA NOT NULL,
    resume  BYTEA NOT NULL,
    tries   BIGINT NOT NULL,
    next_us BIGINT NOT NULL,
    at_us   BIGINT NOT NULL
);

CREATE TABLE origin_stats (
    seat       BYTEA NOT NULL,
    lane       BIGINT NOT NULL,
    blocks     BIGINT NOT NULL,
    entries    BIGINT NOT NULL,
    bytes      BIGINT NOT NULL,
    last_at_us BIGINT NOT NULL,
    PRIMARY KEY (seat, lane)
);

-- Apply: current records, narrow; body is packed (src/record.rs).

CREATE TABLE record (
    id             BYTEA NOT NULL UNIQUE,
    subject        BYTEA NOT NULL,
    latest_version BYTEA NOT NULL,
    body           BYTEA NOT NULL
);
CREATE INDEX record_subject ON record (subject);

CREATE TABLE routed (
    region      TEXT COLLATE "C" NOT NULL,
    class       BIGINT NOT NULL,
    feed_offset BIGINT NOT NULL,
    positions   BYTEA,
    PRIMARY KEY (region, class, feed_offset)
);

CREATE TABLE refusal (
    id           BYTEA NOT NULL UNIQUE,
    origin       BYTEA NOT NULL,
    record_type  TEXT COLLATE "C" NOT NULL,
    key_text     TEXT COLLATE "C" NOT NULL,
    reasons      TEXT COLLATE "C" NOT NULL,
    fields       TEXT COLLATE "C" NOT NULL,
    message      TEXT COLLATE "C" NOT NULL,
    at_us        BIGINT NOT NULL,
    closed_at_us BIGINT,
    is_open      BIGINT NOT NULL
);
CREATE INDEX refusal_order ON refusal (at_us, id);
CREATE INDEX refusal_open ON refusal (origin, at_us) WHERE is_open = 1;

-- Subjects to fold beside those of new blocks. A mark that has grown since a fold read it is not taken off by that fold.
CREATE TABLE dirty (
    subject BIGINT NOT NULL PRIMARY KEY,
    mark    BIGINT NOT NULL
);

CREATE TABLE type_stats (
    origin  BYTEA NOT NULL,
    kind    BIGINT NOT NULL,
    records BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    PRIMARY KEY (origin, kind)
);

-- Fold: what people search and read.

CREATE TABLE entity (
    subject       BIGINT NOT NULL PRIMARY KEY,
    subject_text  TEXT COLLATE "C" NOT NULL,
    name          TEXT COLLATE "C" NOT NULL,
    former_names  TEXT COLLATE "C" NOT NULL,
    name_key      TEXT COLLATE "C" NOT NULL,
    search_text   TEXT COLLATE "C" NOT NULL,
    uscc          TEXT COLLATE "C" NOT NULL,
    reg_no        TEXT COLLATE "C" NOT NULL,
    org_code      TEXT COLLATE "C" NOT NULL,
    region        TEXT COLLATE "C" NOT NULL,
    kind_text     TEXT COLLATE "C" NOT NULL,
    state         TEXT COLLATE "C" NOT NULL,
    address       TEXT COLLATE "C" NOT NULL,
    legal_rep     TEXT COLLATE "C" NOT NULL,
    event_date    TEXT COLLATE "C" NOT NULL,
    updated_at_us BIGINT NOT NULL
);
CREATE INDEX entity_name_key ON entity (name_key, subject) WHERE name_key <> '';
CREATE INDEX entity_uscc ON entity (uscc, subject) WHERE uscc <> '';
CREATE INDEX entity_reg_no ON entity (reg_no, subject) WHERE reg_no <> '';
CREATE INDEX entity_org_code ON entity (org_code, subject) WHERE org_code <> '';

CREATE TABLE entity_gram (
    subject BIGINT NOT NULL PRIMARY KEY,
    grams   BIGINT[] NOT NULL
);
CREATE INDEX entity_gram_grams ON entity_gram USING gin (grams);

-- Peers and people.

CREATE TABLE receipt (
    seat                 BYTEA NOT NULL,
    lane                 BIGINT NOT NULL,
    opening              BYTEA NOT NULL,
    node                 BYTEA NOT NULL,
    incarnation          BIGINT NOT NULL,
    feed                 BYTEA NOT NULL,
    durable_sequence     BIGINT NOT NULL,
    attached_sequence    BIGINT NOT NULL,
    safeguarded_sequence BIGINT NOT NULL,
    bytes                BYTEA NOT NULL,
    at_us                BIGINT NOT NULL,
    PRIMARY KEY (seat, lane, opening, node)
);

-- The newest signed head of each node's feed, as it told it to us.
CREATE TABLE feed_head (
    node        BYTEA NOT NULL PRIMARY KEY,
    incarnation BIGINT NOT NULL,
    feed        BYTEA NOT NULL,
    head        BIGINT NOT NULL,
    bytes       BYTEA NOT NULL,
    at_us       BIGINT NOT NULL
);

-- An invitation and the request that has used it: the first keys that come are bound to its code.
CREATE TABLE invitation (
    secret_hash    BYTEA NOT NULL PRIMARY KEY,
    seat           BYTEA NOT NULL,
    kind           BIGINT NOT NULL,
    organisation   TEXT COLLATE "C" NOT NULL,
    title          TEXT COLLATE "C" NOT NULL,
    jurisdiction   TEXT COLLATE "C" NOT NULL,
    node           BYTEA NOT NULL,
    renews         BIGINT NOT NULL,
    types          TEXT COLLATE "C" NOT NULL,
    preapproved    BIGINT NOT NULL,
    reason         TEXT COLLATE "C" NOT NULL,
    expires_at_us  BIGINT NOT NULL,
    issued_by      TEXT COLLATE "C" NOT NULL,
    at_us          BIGINT NOT NULL,
    revoked_by     TEXT COLLATE "C",
    revoked_at_us  BIGINT,
    key_hash       BYTEA,
    keys           BYTEA,
    possession     BYTEA,
    consent        BYTEA,
    asked_title    TEXT COLLATE "C",
    asked_types    TEXT COLLATE "C",
    tls_key        BYTEA,
    address        TEXT COLLATE "C",
    asked_at_us    BIGINT,
    decision       BIGINT NOT NULL,
    decided_by     TEXT COLLATE "C",
    decided_reason TEXT COLLATE "C",
    decided_at_us  BIGINT,
    others         BIGINT NOT NULL,
    other_hash     BYTEA,
    other_address  TEXT COLLATE "C",
    other_at_us    BIGINT
);
CREATE INDEX invitation_seat ON invitation (seat);

-- Whose an organisation code is. Never changed, never given to another.
CREATE TABLE organisation (
    code      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    title     TEXT COLLATE "C" NOT NULL,
    minted_by TEXT COLLATE "C" NOT NULL,
    at_us     BIGINT NOT NULL
);

-- Who was let in here, and under which keys.
CREATE TABLE peer (
    seat            BYTEA NOT NULL PRIMARY KEY,
    kind            BIGINT NOT NULL,
    title           TEXT COLLATE "C" NOT NULL,
    organisation    TEXT COLLATE "C" NOT NULL,
    jurisdiction    TEXT COLLATE "C" NOT NULL,
    tls_key         BYTEA NOT NULL,
    state           BIGINT NOT NULL,
    reason          TEXT COLLATE "C" NOT NULL,
    fingerprint     TEXT COLLATE "C" NOT NULL,
    decided_by      TEXT COLLATE "C" NOT NULL,
    at_us           BIGINT NOT NULL,
    last_contact_us BIGINT NOT NULL
);
CREATE INDEX peer_tls_key ON peer (tls_key);

CREATE TABLE account (
    name            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    title           TEXT COLLATE "C" NOT NULL,
    role            TEXT COLLATE "C" NOT NULL,
    password_hash   TEXT COLLATE "C" NOT NULL,
    disabled        BIGINT NOT NULL,
    at_us           BIGINT NOT NULL
);

CREATE TABLE login_session (
    token_hash     BYTEA NOT NULL PRIMARY KEY,
    account        TEXT COLLATE "C" NOT NULL,
    begun_us       BIGINT NOT NULL,
    idle_until_us  BIGINT NOT NULL,
    until_us       BIGINT NOT NULL
);

CREATE TABLE audit (
    seq     BIGINT NOT NULL PRIMARY KEY,
    at_us   BIGINT NOT NULL,
    account TEXT COLLATE "C" NOT NULL,
    action  TEXT COLLATE "C" NOT NULL,
    object  TEXT COLLATE "C" NOT NULL,
    detail  TEXT COLLATE "C" NOT NULL
);

-- The process that may write. Raised at every opening under the advisory lock; every writing transaction reads it, so
-- that a process which lost its lock cannot commit any more.
CREATE TABLE fence (
    one   BIGINT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO fence (one, value) VALUES (1, 0);
