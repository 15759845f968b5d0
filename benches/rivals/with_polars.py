"""`with_polars.py FILE`: as `with_duckdb.py`, in Polars' streaming engine on two threads."""

import json
import os
import sys

os.environ["POLARS_MAX_THREADS"] = "2"
import polars as pl  # noqa: E402 (it counts its threads when it is loaded)

path = sys.argv[1]
rows = pl.scan_parquet(path) if path.endswith(".parquet") else pl.scan_csv(path, infer_schema=False)
grouped = (
    rows.filter((pl.col("lang") == "en") & (pl.col("opted_out") == "false"))
    .select("user_id", "first_name", "city")
    .unique(subset="user_id", keep="first")
    .select(
        title=pl.format("Hi {}, {} sale!", "first_name", "city"),
        body=pl.format("Only today in {}: up to 50% off.", "city"),
    )
    .group_by("title", "body")
    .agg(size=pl.len())
)
sums = grouped.select(pl.col("size").sum(), pl.len().alias("messages"), ((pl.col("size") + 499) // 500).sum().alias("calls"))
recipients, messages, calls = sums.collect(engine="streaming").row(0)
print(json.dumps({"recipients": recipients, "messages": messages, "calls": calls}))
