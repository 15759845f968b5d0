"""Planning: against other engines, in memory, and what freezing adds to it."""

import sys

from measure import Line, side_by_side, take
from workspace import PERSONAL, REPOSITORY, Server, Workspace, people, people_parquet, program

WHERE = {"lang": "en", "opted_out": False}
MILLIONS = 10_000_000

# What the audience of so many rows must come to: recipients, messages, calls, duplicates.
RIGHT = {10_000_000: (4_567_641, 99_613, 102_487, 33_304), 1_000_000: (455_932, 68_344, 68_413, 2_983)}


def check(found, rows, keys=("recipients", "messages", "calls")):
    right = dict(zip(("recipients", "messages", "calls", "duplicates"), RIGHT.get(rows, ())))
    for key in keys:
        if right and found[key] != right[key]:
            sys.exit(f"{key} of {rows} rows: {found[key]}, and must be {right[key]}")


def planned(workspace, rows, personal=True):
    """A contestant: `pushplan plan`, checked."""

    def run():
        taken, run = workspace.plan()
        if personal:
            found = run | {"duplicates": run["audience"]["duplicates"]}
            check(found, rows, ("recipients", "messages", "calls", "duplicates"))
        return {"seconds": taken.seconds, "MiB": taken.mib}

    return run


def rival(name, source, rows):
    """A contestant: another engine, checked."""

    def run():
        taken = take([sys.executable, REPOSITORY / "benches" / "rivals" / f"with_{name}.py", source])
        check(taken.json(), rows)
        return {"seconds": taken.seconds, "MiB": taken.mib}

    return run


def scanned(source):
    def run():
        return {"seconds": take(program("scan", source)).seconds}

    return run


def told(figures):
    parts = [f"{name} {each['seconds']:.2f} s" + (f", {each['MiB']:.0f} MiB" if "MiB" in each else "") for name, each in figures.items()]
    return "; ".join(parts)


def csv(rounds, rows=MILLIONS):
    """Plan of 10M CSV rows against DuckDB, Polars and a bare scan."""
    source = people(rows)
    with Workspace(source, where=WHERE, message=PERSONAL) as workspace:
        figures = side_by_side(
            rounds,
            {
                "pushplan": planned(workspace, rows),
                "DuckDB": rival("duckdb", source, rows),
                "Polars": rival("polars", source, rows),
                "csv scan": scanned(source),
            },
        )
    ours, text = figures["pushplan"], told(figures)
    what = f"plan of {rows // 1_000_000}M CSV rows"
    against = {name: ours["seconds"] / each["seconds"] for name, each in figures.items()}
    yield Line(f"{what}, time against DuckDB", against["DuckDB"], 0.6, 0.35, text)
    yield Line(f"{what}, time against Polars", against["Polars"], 0.9, 0.5, "as above")
    yield Line(f"{what}, time against a bare scan with `csv`", against["csv scan"], 2.5, 1.2, "as above", " ×")
    yield Line(f"{what}, peak memory against DuckDB", ours["MiB"] / figures["DuckDB"]["MiB"], 0.25, 0.1, "as above")


def parquet(rounds, rows=MILLIONS):
    """Plan of the same rows in Parquet against DuckDB."""
    source = people_parquet(rows)
    with Workspace(source, where=WHERE, message=PERSONAL) as workspace:
        figures = side_by_side(
            rounds, {"pushplan": planned(workspace, rows), "DuckDB": rival("duckdb", source, rows)}
        )
    ratio = figures["pushplan"]["seconds"] / figures["DuckDB"]["seconds"]
    yield Line("plan of the same in Parquet, time against DuckDB", ratio, 0.8, 0.5, told(figures))


def distinct(rounds, rows=MILLIONS):
    """Every recipient its own message, against messages of name and city."""
    source = people(rows)
    own = {"title": "Hi {{first_name}}", "body": "Your number is {{user_id}}"}
    shared = Workspace(source, message=PERSONAL)
    with shared, Workspace(source, message=own) as workspace:
        figures = side_by_side(
            rounds, {"shared": planned(shared, rows, False), "own": planned(workspace, rows, False)}
        )
    ratio = figures["own"]["seconds"] / figures["shared"]["seconds"]
    yield Line("every recipient its own message, time against shared ones", ratio, 3, 2, told(figures), " ×")


def hundred(rounds):
    """Plan of 100M CSV rows (5.5 GB, some minutes to make): peak memory."""
    source = people(100_000_000)
    with Workspace(source, where=WHERE, message=PERSONAL) as workspace:
        figures = side_by_side(1, {"pushplan": planned(workspace, 100_000_000)})
    mib = figures["pushplan"]["MiB"]
    yield Line("plan of 100M CSV rows, peak memory", mib, 1024, 256, told(figures), " MiB")


def freeze(rounds, rows=MILLIONS):
    """What freezing the run adds to planning: `apply` until its first call is refused, less `plan`."""
    with Workspace(people(rows)) as workspace:

        def frozen():
            workspace.forget()
            server = Server("--refuse-after", 0)
            workspace.point_at(server.endpoint)
            seconds = workspace.apply(expect=(4,)).seconds
            server.tell()
            return {"seconds": seconds}

        def plan():
            workspace.forget()
            return planned(workspace, rows, False)()

        figures = side_by_side(rounds, {"plan": plan, "plan and freeze": frozen})
    plan = figures["plan"]["seconds"]
    added = (figures["plan and freeze"]["seconds"] - plan) / plan
    yield Line(f"freezing {rows // 1_000_000}M recipients, time on top of planning", added, 0.5, 0.2, told(figures), " ×")
