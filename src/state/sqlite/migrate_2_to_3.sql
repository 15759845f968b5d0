-- From format 2 to 3: what each run's campaign said.

CREATE TABLE content (
  run  INTEGER PRIMARY KEY REFERENCES run (id),
  json TEXT NOT NULL
) STRICT;
