-- From format 1 to 2: waves, and up to when each campaign's occurrences have their fate.

ALTER TABLE identity ADD COLUMN moved_to TEXT;
ALTER TABLE run ADD COLUMN waits_until INTEGER;
ALTER TABLE batch ADD COLUMN wave INTEGER NOT NULL DEFAULT 0;

CREATE INDEX run_open ON run (id) WHERE remaining > 0 OR in_doubt > 0;

CREATE TABLE campaign (
  id       TEXT PRIMARY KEY,
  answered INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Before its first run a campaign answered for nothing.
INSERT INTO campaign SELECT campaign, min(frozen_at) FROM run GROUP BY campaign;

CREATE TABLE wave (
  run     INTEGER NOT NULL REFERENCES run (id),
  number  INTEGER NOT NULL,
  windows TEXT NOT NULL, -- JSON
  zone    TEXT,
  PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;
