"""`with_duckdb.py FILE`: in DuckDB on two threads, what `pushplan plan` does with the benches' campaign, but for the
digests and the identities of calls. Of an account that stands in several rows the first row in file order counts."""

import json
import sys

import duckdb

path = sys.argv[1]
database = duckdb.connect()
database.execute("SET threads = 2")
source = f"read_parquet('{path}')" if path.endswith(".parquet") else f"read_csv('{path}', all_varchar = true)"
recipients, messages, calls = database.execute(f"""
    WITH numbered AS (SELECT *, row_number() OVER () AS number FROM {source}),
    people AS (
        SELECT user_id, arg_min(first_name, number) AS first_name, arg_min(city, number) AS city
        FROM numbered WHERE lang = 'en' AND opted_out = 'false' GROUP BY user_id
    ),
    rendered AS (
        SELECT 'Hi ' || first_name || ', ' || city || ' sale!' AS title,
               'Only today in ' || city || ': up to 50% off.' AS body
        FROM people
    ),
    grouped AS (SELECT count(*) AS size FROM rendered GROUP BY title, body)
    SELECT sum(size), count(*), sum((size + 499) // 500) FROM grouped
""").fetchone()
print(json.dumps({"recipients": int(recipients), "messages": messages, "calls": int(calls)}))
