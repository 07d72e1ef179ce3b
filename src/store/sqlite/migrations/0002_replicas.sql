-- Who holds a job, by which claim, and the how many-eth that is.
ALTER TABLE outbox ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN holder INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN batch TEXT;

-- Storms list their worst first.
ALTER TABLE incidents ADD COLUMN severity_rank INTEGER NOT NULL DEFAULT 0;
UPDATE incidents SET severity_rank = coalesce(json_extract(content, '$.severity.rank'), 0);

-- What was resolved long ago is let go.
CREATE INDEX incidents_over ON incidents (resolved_at) WHERE resolved_at IS NOT NULL;

-- How much waits is counted twice a second: from the index alone.
DROP INDEX inbox_waiting;
CREATE INDEX inbox_waiting ON inbox (id, size) WHERE done = 0;
