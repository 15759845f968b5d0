-- From format 1 to 2: what each run's campaign said, apart from the run, whose row every commit writes; and an index of
-- the journal.

CREATE TABLE content (
  run  bigint PRIMARY KEY REFERENCES run (id),
  json text   NOT NULL
);

-- What the journal says of a batch, or of a run's.
CREATE INDEX change_batch ON change (batch);
