-- From format 2 to 3: what each run's campaign said, and an index of the journal.

CREATE TABLE content (
  run  INTEGER PRIMARY KEY REFERENCES run (id),
  json TEXT NOT NULL
) STRICT;

-- What the journal says of a batch, or of a run's.
CREATE INDEX change_batch ON change (batch);
