"""What the rows are made of: the programs, the audience files, workspaces, and the server between them."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

import audience
from measure import REPOSITORY, SCRATCH, take

os.environ["BENCH_KEY"] = "any text: the server checks no UserSig"


def build():
    """Builds `pushplan` and the programs beside it as they are released; gives their paths."""
    command = ["cargo", "build", "--release", "--locked", "--bin", "pushplan", "--bench", "programs"]
    built = subprocess.run(
        [*command, "--message-format=json-render-diagnostics"], cwd=REPOSITORY, stdout=subprocess.PIPE, check=True
    )
    artifacts = [json.loads(line) for line in built.stdout.splitlines()]
    return {a["target"]["name"]: a["executable"] for a in artifacts if a.get("executable")}


class Binaries:
    """Built when they are first asked for."""

    built = None

    @classmethod
    def path(cls, name):
        cls.built = cls.built or build()
        return cls.built[name]


def pushplan(*args):
    return [Binaries.path("pushplan"), *args]


def program(*args):
    return [Binaries.path("programs"), *args]


def made(name, make):
    """A file of the scratch folder, made where it is not there yet."""
    path = SCRATCH / name
    if not path.exists():
        print(f"  making {path.relative_to(REPOSITORY)}", file=sys.stderr)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name("unfinished-" + path.name)
        make(unfinished)
        unfinished.rename(path)
    return path


def people(rows):
    """The audience of so many rows as a CSV file."""
    return made(f"people-{rows}.csv", lambda path: audience.write(rows, path))


def people_parquet(rows):
    """The same as a Parquet file, written by DuckDB as it does by itself."""
    source = people(rows)

    def convert(path):
        query = f"COPY (FROM read_csv('{source}', all_varchar = true)) TO '{path}' (FORMAT parquet)"
        # In a process of its own: what a child's peak is measured as starts with what its parent holds.
        take([sys.executable, "-c", "import duckdb, sys; duckdb.execute(sys.argv[1])", query])

    return made(f"people-{rows}.parquet", convert)


def accounts(count):
    """A CSV file of accounts alone."""

    def write(path):
        with open(path, "w") as file:
            file.write("user_id\n")
            # In no order, as ids are.
            file.writelines(f"u{number * audience.STEP % audience.PRIME:010}\n" for number in range(count))

    return made(f"accounts-{count}.csv", write)


PERSONAL = {"title": "Hi {{first_name}}, {{city}} sale!", "body": "Only today in {{city}}: up to 50% off."}


class Workspace:
    """A workspace of one campaign, in a folder of its own that goes when it is closed."""

    def __init__(self, source, *, where=None, message=None, delivery=None):
        SCRATCH.mkdir(parents=True, exist_ok=True)
        self.folder = tempfile.mkdtemp(dir=SCRATCH, prefix="workspace-")
        self.state = os.path.join(self.folder, ".pushplan", "state.db")
        os.mkdir(os.path.join(self.folder, "campaigns"))
        kind = "parquet" if str(source).endswith(".parquet") else "csv"
        campaign = {
            "campaign": "bench",
            "audience": {kind: str(source), "account": "user_id"},
            "message": message or {"title": "Hello", "body": "The sale starts now"},
        }
        if where:
            campaign["audience"]["where"] = where
        if delivery:
            campaign["delivery"] = delivery
        # JSON is YAML.
        self.write("campaigns/bench.yaml", json.dumps(campaign))
        self.point_at("http://127.0.0.1:9")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(text)

    def point_at(self, endpoint, calls_per_second="unlimited"):
        app = {
            "endpoint": endpoint,
            "sdk_app_id": 1_400_000_000,
            "identifier": "administrator",
            "secret_key": {"env": "BENCH_KEY"},
            "rate": {"calls_per_second": calls_per_second},
        }
        self.write("pushplan.yaml", json.dumps({"apps": {"shop": app}}))

    def plan(self):
        """`pushplan plan`: what it took, and the run it would make."""
        taken = take(pushplan("--allow-outside", "plan", "--format", "json"), folder=self.folder)
        [run] = taken.json()["runs"]
        return taken, run

    def apply(self, expect=(0,)):
        return take(pushplan("--allow-outside", "apply", "--auto-approve"), folder=self.folder, expect=expect)

    def forget(self):
        """Without what was applied."""
        shutil.rmtree(os.path.dirname(self.state), ignore_errors=True)


class Server:
    """The benches' own server; see `programs/serve.rs` for the options."""

    def __init__(self, *options):
        self.process = subprocess.Popen(
            [str(part) for part in program("serve", *options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.endpoint = "http://" + self.process.stdout.readline().strip()

    def tell(self):
        """Stops it; what arrived."""
        told, _ = self.process.communicate()
        return json.loads(told)
