-- Format 3 of the state. A change of it is a new format with a migration: see `format.rs`.
-- Times are milliseconds since 1970. A batch's id is its run's id * 2^32 + its number.

-- Which state this is, and how often it was written.
CREATE TABLE identity (
  one     INTEGER PRIMARY KEY CHECK (one = 1),
  lineage TEXT NOT NULL,
  serial  INTEGER NOT NULL,
  -- Where the state has gone: this is what it was then, and is written no more.
  moved_to TEXT
) STRICT;

CREATE TABLE run (
  id              INTEGER PRIMARY KEY,
  name            TEXT NOT NULL UNIQUE,
  campaign        TEXT NOT NULL,
  occurrence      TEXT NOT NULL,
  app             TEXT NOT NULL,
  from_account    TEXT NOT NULL,
  content_digest  TEXT NOT NULL,
  audience_digest TEXT NOT NULL,
  plan_digest     TEXT NOT NULL,
  expires_at      INTEGER,
  delivery        TEXT NOT NULL,
  frozen_at       INTEGER NOT NULL,
  hold            TEXT,
  waits_until     INTEGER,
  -- The sum over the run's batches, kept with every commit so that a list of runs need not read them all.
  planned         INTEGER NOT NULL,
  accepted        INTEGER NOT NULL DEFAULT 0,
  failed          INTEGER NOT NULL DEFAULT 0,
  in_doubt        INTEGER NOT NULL DEFAULT 0,
  skipped         INTEGER NOT NULL DEFAULT 0,
  remaining       INTEGER NOT NULL
) STRICT;

-- What a timer asks every minute must not grow with the runs that are done with.
CREATE INDEX run_open ON run (id) WHERE remaining > 0 OR in_doubt > 0;

-- What the run's campaign said, to tell what a later one changes: JSON text. Apart from the run, whose row every
-- commit writes. Runs of earlier formats have none.
CREATE TABLE content (
  run  INTEGER PRIMARY KEY REFERENCES run (id),
  json TEXT NOT NULL
) STRICT;

-- Up to when the occurrences of a campaign have their fate: each one before it is a run.
CREATE TABLE campaign (
  id       TEXT PRIMARY KEY,
  answered INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A run that has none here was frozen by format 1, and is one wave until it expires.
CREATE TABLE wave (
  run     INTEGER NOT NULL REFERENCES run (id),
  number  INTEGER NOT NULL,
  windows TEXT NOT NULL, -- JSON
  zone    TEXT,
  PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE message (
  run    INTEGER NOT NULL REFERENCES run (id),
  number INTEGER NOT NULL,
  json   TEXT NOT NULL,
  PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;

-- What changes of a batch stands apart from its accounts: a status must not rewrite kilobytes.
CREATE TABLE batch (
  id         INTEGER PRIMARY KEY,
  msg_random INTEGER NOT NULL,
  data_id    TEXT NOT NULL,
  message    INTEGER NOT NULL,
  wave       INTEGER NOT NULL DEFAULT 0,
  recipients INTEGER NOT NULL,
  status     TEXT NOT NULL,
  attempts   INTEGER NOT NULL,
  failed     INTEGER NOT NULL DEFAULT 0,
  code       INTEGER,
  text       TEXT,
  UNIQUE (msg_random, data_id)
) STRICT;

CREATE TABLE account (
  batch INTEGER PRIMARY KEY REFERENCES batch (id),
  json  BLOB NOT NULL -- a JSON array's text, zstd
) STRICT;

-- The journal: every change of every batch, in order.
CREATE TABLE change (
  serial  INTEGER PRIMARY KEY,
  batch   INTEGER NOT NULL REFERENCES batch (id),
  attempt INTEGER,
  what    TEXT NOT NULL,
  at      INTEGER NOT NULL,
  code    INTEGER,
  text    TEXT,
  task_id TEXT
) STRICT;

CREATE TABLE failed_recipient (
  batch   INTEGER NOT NULL REFERENCES batch (id),
  account TEXT NOT NULL,
  code    INTEGER NOT NULL,
  text    TEXT NOT NULL,
  PRIMARY KEY (batch, account)
) STRICT, WITHOUT ROWID;

-- What happened to a run as a whole: who did what, and why.
CREATE TABLE event (
  serial INTEGER PRIMARY KEY,
  run    INTEGER NOT NULL REFERENCES run (id),
  at     INTEGER NOT NULL,
  what   TEXT NOT NULL,
  who    TEXT NOT NULL,
  why    TEXT NOT NULL
) STRICT;
