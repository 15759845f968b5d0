"""Runs programs side by side, takes their time and memory, and prints a table of what came of it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parent.parent
SCRATCH = REPOSITORY / "target" / "bench"


class Taken(NamedTuple):
    """What one program took: wall time from start to end, peak memory (its largest resident set), its output."""

    seconds: float
    mib: float
    output: str

    def json(self):
        return json.loads(self.output)


def take(command, *, folder=None, expect=(0,)):
    """Runs a program to its end. `expect` are the exit codes that are no failure."""
    start = time.perf_counter()
    command = [str(part) for part in command]
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # Errors are few; a full pipe of them would hold the child up only where it has failed a thousand times.
    output = child.stdout.read()
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in expect:
        sys.exit(f"{' '.join(command)} ended with {child.returncode}:\n{output[-2000:]}{errors[-2000:]}")
    return Taken(seconds, usage.ru_maxrss / 1024, output)


def side_by_side(rounds, contestants):
    """Calls each contestant once a round, one after the other, so that a disturbance meets all of them. Each gives
    a dict of figures; theirs are the medians."""
    taken = {name: [] for name in contestants}
    for number in range(rounds):
        for name, run in contestants.items():
            figures = run()
            taken[name].append(figures)
            shown = ", ".join(f"{key} {value:.4g}" for key, value in figures.items())
            print(f"  {number + 1}/{rounds} {name}: {shown}", file=sys.stderr)
    return {name: {key: median(each[key] for each in all) for key in all[0]} for name, all in taken.items()}


def syncs_a_second():
    """How often a second this disk makes 64 KiB durable: what bounds a journal."""
    path = SCRATCH / "syncs"
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    start, syncs = time.perf_counter(), 0
    while (seconds := time.perf_counter() - start) < 1:
        os.pwrite(file, b"x" * 65_536, syncs % 64 * 65_536)
        os.fdatasync(file)
        syncs += 1
    os.close(file)
    path.unlink()
    return syncs / seconds


class Line(NamedTuple):
    """A line of the table: a bound is an upper one unless `at_least`."""

    what: str
    reached: float
    must: float
    aim: float
    figures: str
    unit: str = ""
    at_least: bool = False

    def text(self):
        def number(value):
            return f"{value:.3g}{self.unit}"

        good = (lambda bound: self.reached >= bound) if self.at_least else (lambda bound: self.reached <= bound)
        sign = "≥" if self.at_least else "≤"
        verdict = "aim" if good(self.aim) else "met" if good(self.must) else "**missed**"
        cells = [self.what, f"{sign} {number(self.must)}", f"{sign} {number(self.aim)}"]
        return "| " + " | ".join([*cells, f"**{number(self.reached)}**", verdict, self.figures]) + " |"


HEAD = """| What | Must reach | Aim | Reached | | Figures (medians) |
|---|---|---|---|---|---|"""
