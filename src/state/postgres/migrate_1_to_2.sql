-- From format 1 to 2: what each run's campaign said, apart from the run, whose row every commit writes.

CREATE TABLE content (
  run  bigint PRIMARY KEY REFERENCES run (id),
  json text   NOT NULL
);
