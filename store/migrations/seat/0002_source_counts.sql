-- Rows that a source is known to have, and records that stand stated from them: kept while writing, so that a look costs
-- nothing. What is read and stated over the years is counted beside them.
ALTER TABLE source ADD COLUMN rows_known INTEGER NOT NULL DEFAULT 0;
ALTER TABLE source ADD COLUMN records_stated INTEGER NOT NULL DEFAULT 0;
UPDATE source SET
    rows_known = (SELECT COUNT(*) FROM image WHERE image.source = source.id),
    records_stated = (
        SELECT COUNT(*) FROM image
        WHERE image.source = source.id AND substr(image.image, 1, 1) IN (x'02', x'03')
    );
