"""What a thousand server files cost: read, checked and rendered to one decK state.

The bar is a ratio to PyYAML's own reader and writer (libyaml) on the state that is rendered, in the same run.
"""

import tempfile
from pathlib import Path

import yaml

from bench.measure import row, seconds, shown
from kong_mcp.declare.emit import state_text
from kong_mcp.declare.folder import read_folder
from kong_mcp.declare.render import TAG, assemble, entity_problems, shared_files

SERVERS = 1000
_ROUNDS = {True: 1, False: 3}
_FILE = """\
name: server-{n}
title: Server number {n}
owner: team-{team}
replicas:
- http://10.0.{high}.{low}:8080/mcp
- http://10.1.{high}.{low}:8080/mcp
tools:
  allow:
  - get_*
  - read_*
pins:
  mode: enforce
plugins:
- name: rate-limiting
  config:
    minute: 60
    policy: local
"""


def render(folder):
    """Return the state of a folder, as kong-mcp deck render does."""
    read = read_folder([folder])
    if read.problems or entity_problems(read):
        raise RuntimeError("the files of this benchmark are not good")
    return state_text(assemble(read.servers, shared_files(answers=True), TAG))


def run(*, quick):
    """Measure, and return the rows."""
    with tempfile.TemporaryDirectory(prefix="kong-mcp-") as name:
        folder = Path(name)
        for n in range(SERVERS):
            text = _FILE.format(n=n, team=n % 7, high=n // 250, low=n % 250)
            (folder / f"server-{n}.yaml").write_text(text, encoding="utf-8")
        state = render(folder)
        pairs = [(seconds(lambda: render(folder)), seconds(lambda: _through(state))) for _ in range(_ROUNDS[quick])]
    ours, plain = (min(pair[which] for pair in pairs) for which in (0, 1))
    return [
        row(f"declare: {SERVERS:,} server files rendered, to reading and writing the state", ours / plain, "x", 0.6),
        shown(f"declare: {SERVERS:,} server files rendered", ours, "s"),
    ]


def _through(text):
    """Read and write a state with what PyYAML has of its own."""
    yaml.dump(yaml.load(text, Loader=yaml.CSafeLoader), Dumper=yaml.CSafeDumper)
