-- Entities that the rules could not settle: what is open, in bits of the caller's own, and what a person needs for settling it. The PostgreSQL
-- twin of the same number makes the same table. The index is the list's order and covers its counts.

CREATE TABLE unsettled (
    subject  INTEGER NOT NULL PRIMARY KEY,
    origin   BLOB NOT NULL,
    reasons  INTEGER NOT NULL,
    detail   TEXT NOT NULL,
    tax_no   TEXT NOT NULL,
    registry TEXT NOT NULL
);
CREATE INDEX unsettled_order ON unsettled (origin, reasons, subject);

-- Views are functions of records: fold begins again and finds what earlier releases did not keep. The pages stay as they are meanwhile.
UPDATE progress SET value = 0 WHERE name = 'folded';
