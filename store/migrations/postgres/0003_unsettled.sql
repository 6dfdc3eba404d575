-- Entities that the rules could not settle: what is open, in bits of the caller's own, and what a person needs for settling it. The SQLite twin of
-- the same number makes the same table. The index is the list's order and covers its counts.

CREATE TABLE unsettled (
    subject  BIGINT NOT NULL PRIMARY KEY,
    origin   BYTEA NOT NULL,
    reasons  BIGINT NOT NULL,
    detail   TEXT COLLATE "C" NOT NULL,
    tax_no   TEXT COLLATE "C" NOT NULL,
    registry TEXT COLLATE "C" NOT NULL
);
CREATE INDEX unsettled_order ON unsettled (origin, reasons, subject);

-- Views are functions of records: fold begins again and finds what earlier releases did not keep. The pages stay as they are meanwhile.
UPDATE progress SET value = 0 WHERE name = 'folded';
