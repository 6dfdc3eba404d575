-- Who acted as a person, by which way and from where; and each act bound to the one before it.
ALTER TABLE audit ADD COLUMN name   TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN way    TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN client TEXT COLLATE "C" NOT NULL DEFAULT '';
-- Empty for acts from before the chain.
ALTER TABLE audit ADD COLUMN hash   BYTEA NOT NULL DEFAULT '';
UPDATE audit SET way = detail, detail = '' WHERE action = 'dossier.view';
CREATE INDEX audit_account ON audit (account, at_us);
CREATE INDEX audit_action ON audit (action, at_us);
CREATE INDEX audit_at ON audit (at_us);

-- Where the chain begins and ends. Written with every act, so that a cut end and an emptied table show.
CREATE TABLE audit_head (
    one          BIGINT NOT NULL PRIMARY KEY,
    chained_from BIGINT NOT NULL,
    before_chain BIGINT NOT NULL,
    last_seq     BIGINT NOT NULL,
    last_hash    BYTEA  NOT NULL
);
INSERT INTO audit_head (one, chained_from, before_chain, last_seq, last_hash)
SELECT 1, COALESCE(MAX(seq), 0) + 1, COUNT(*), COALESCE(MAX(seq), 0), decode(repeat('00', 32), 'hex') FROM audit;
