"""Sending: calls a second, what the journal costs, how soon a run is resumed, and how the rate is kept."""

import os
import shutil
import time

from measure import SCRATCH, Line, side_by_side, syncs_a_second, take
from workspace import Server, Workspace, accounts, program

RUN = "bench@once"
MILLION = 1_000_000


class Frozen:
    """A run of calls of 500 accounts that is frozen and not begun; every contestant starts from a copy of it."""

    def __init__(self, workspace):
        self.workspace = workspace
        server = Server("--refuse-after", 0)
        workspace.point_at(server.endpoint)
        workspace.apply(expect=(4,))
        server.tell()
        self.copy = shutil.copytree(os.path.dirname(workspace.state), os.path.join(workspace.folder, "frozen"))

    def sent(self, send, *options):
        """Sends the run to a new server; how many calls a second that met."""
        self.workspace.forget()
        shutil.copytree(self.copy, os.path.dirname(self.workspace.state))
        server = Server(*options)
        self.workspace.point_at(server.endpoint)
        send(server)
        told = server.tell()
        return {"calls/s": told["calls_per_second"], "calls": told["calls"]}


def posted(bodies, calls):
    """A contestant: the same bodies, 64 at a time, by oha where there is one, else by our stand-in."""
    oha = shutil.which("oha")

    def run():
        server = Server()
        if oha:
            options = ["-n", calls, "-c", 64, "--no-tui", "-m", "POST", "-T", "application/json", "-Z", bodies]
            take([oha, *options, server.endpoint])
        else:
            take(program("load", server.endpoint, bodies))
        return {"calls/s": server.tell()["calls_per_second"]}

    return ("oha" if oha else "the stand-in for oha"), run


def told(figures):
    """The figures, and those of the disk at this moment, which bounds the journal."""
    parts = [f"{name} {each['calls/s']:,.0f} calls/s" for name, each in figures.items()]
    return "; ".join([*parts, f"the disk {syncs_a_second():,.0f} syncs/s"])


def throughput(rounds, recipients=10 * MILLION):
    """`apply` at no limit against oha posting the same bodies."""
    bodies = SCRATCH / "bodies"
    with Workspace(accounts(recipients)) as workspace:
        frozen = Frozen(workspace)
        apply = lambda _: workspace.apply()  # noqa: E731
        calls = frozen.sent(apply, "--record", bodies)["calls"]
        name, post = posted(bodies, calls)
        figures = side_by_side(rounds, {"pushplan": lambda: frozen.sent(apply), name: post})
    bodies.unlink()
    ratio = figures["pushplan"]["calls/s"] / figures[name]["calls/s"]
    yield Line(f"`apply` at no limit, calls/s against {name}", ratio, 0.3, 0.5, told(figures), at_least=True)


def journal(rounds, recipients=10 * MILLION):
    """Journalling on against off, with the production runner."""
    with Workspace(accounts(recipients)) as workspace:
        frozen = Frozen(workspace)

        def contestant(word):
            send = lambda server: take(program("journal", word, workspace.state, RUN, server.endpoint))  # noqa: E731
            return lambda: frozen.sent(send)

        figures = side_by_side(rounds, {word: contestant(word) for word in ("on", "off")})
    ratio = figures["on"]["calls/s"] / figures["off"]["calls/s"]
    yield Line("journalling on, calls/s against off", ratio, 0.6, 0.8, told(figures), at_least=True)


def resume(rounds, batches=MILLION):
    """A run with a million journalled batches, until its first call leaves."""
    with Workspace(accounts(batches + 1000), message={"body": "{{user_id}}"}) as workspace:
        server = Server("--refuse-after", batches)
        workspace.point_at(server.endpoint)
        workspace.apply(expect=(4,))
        server.tell()

        def resumed():
            server = Server("--refuse-after", 0)
            workspace.point_at(server.endpoint)
            start = time.time()
            mib = workspace.apply(expect=(4,)).mib
            return {"seconds": server.tell()["first_at"] - start, "MiB": mib}

        figures = side_by_side(rounds, {"resume": resumed})["resume"]
    what = f"resume with {batches // MILLION}M journalled batches"
    text = f"{figures['seconds']:.2f} s, {figures['MiB']:.0f} MiB"
    yield Line(f"{what}, until the first call leaves", figures["seconds"], 2, 0.3, text, " s")
    yield Line(f"{what}, peak memory", figures["MiB"], 200, 200, "as above", " MiB")


def rate(rounds, seconds=10):
    """The rate that is used, at the server, with answers after 50 ms to 1 s; and the plan's own prediction."""
    for limit in (10, 30, 40, 1000):
        calls = limit * seconds
        met_by_servers = []
        with Workspace(accounts(calls), message={"body": "{{user_id}}"}, delivery={"in_flight": 700}) as workspace:

            def sent():
                workspace.forget()
                server = Server("--latency-min", 50, "--latency-max", 1000, "--rate", limit)
                workspace.point_at(server.endpoint, limit)
                run = workspace.plan()[1]
                workspace.apply()
                met = server.tell()
                assert met["calls"] == run["calls"] == calls, (met, run["calls"])
                met_by_servers.append(met)
                return {
                    "used": (calls - 1) / met["seconds"] / limit * 100,
                    "off": abs(run["seconds_at_rate"] / met["seconds"] - 1) * 100,
                }

            figures = side_by_side(rounds, {f"{limit}/s": sent})[f"{limit}/s"]
        # The worst of all rounds: a limit that holds most of the time does not hold.
        busiest = max(each["busiest_second"] for each in met_by_servers)
        slack = min(each["slack_ms"] for each in met_by_servers)
        text = f"at the tightest {limit + 1} calls in a second {slack:+.1f} ms"
        yield Line(f"rate used at {limit} calls/s", figures["used"], 99, 99.5, text, "%", at_least=True)
        yield Line(f"calls above {limit} in the busiest sliding second", max(0, busiest - limit), 0, 0, "of all rounds")
        yield Line(f"predicted duration at {limit} calls/s, off by", figures["off"], 2, 2, "calls exact", "%")
