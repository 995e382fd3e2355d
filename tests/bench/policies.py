"""What it costs to compare the policies of 1,000 servers over 50,000 known tools, every file changed.

The bar is a ratio to libyaml's reading of the same files in the same run: nearly all of the comparison is reading.
"""

import gc
import tempfile
from pathlib import Path

import yaml
from click.testing import CliRunner

from bench.measure import row, seconds, shown
from kong_mcp.cli import main

SERVERS, TOOLS = 1000, 50
_VERBS = ("get", "list", "put", "delete", "run")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BAR = 3


def _policy(number, more):
    rules = f"[{{groups: [g{number % 20}], tools: {{allow: ['delete_*']}}}}, {{consumers: [c{number}], tools: {more}}}]"
    return f"""\
_format_version: "3.0"
services:
  - name: mcp-s{number}
    host: closed
    routes:
      - {{name: s{number}, paths: ["~/s{number}/mcp/?$"], plugins: [{{name: mcp-guard, _config: s{number}}}]}}
upstreams:
  - {{name: mcp-s{number}, targets: [{{target: "10.0.0.7:8080"}}]}}
_plugin_configs:
  s{number}: {{server: s{number}, upstream: mcp-s{number}, tools: {{allow: ["get_*", "list_*"]}}, rules: {rules}}}
"""


def _locked(name):
    digest = "ab" * 32
    fields = f"fields: {{inputSchema: {digest[:16]}, name: {digest[:16]}}}"
    return f"      {name}:\n        digest: {digest}\n        {fields}\n"


def _write(folder):
    for side, more in (("old", "{allow: [run_4]}"), ("new", "{allow: ['run_*'], deny: ['*_1']}")):
        (folder / side).mkdir()
        for number in range(SERVERS):
            (folder / side / f"s{number}.yaml").write_text(_policy(number, more))
    names = "".join(_locked(f"{_VERBS[number % 5]}_{number}") for number in range(TOOLS))
    servers = "".join(f"  s{number}:\n    tool:\n{names}" for number in range(SERVERS))
    (folder / "mcp.lock").write_text(f"format: 1\nservers:\n{servers}")


def _read(folder):
    """Read every file as libyaml and PyYAML do, with the collector off as the command has it."""
    gc.disable()
    for path in sorted(folder.rglob("*.*")):
        yaml.load(path.read_text(), Loader=_LOADER)
    gc.enable()


def _compared(folder):
    files = [str(folder / name) for name in ("old", "new", "mcp.lock")]
    ended = CliRunner().invoke(main, ["policy", "diff", *files[:2], "--lock", files[2], "--json"])
    if ended.exit_code != 1 or f'"items": {SERVERS * TOOLS}' not in ended.output:
        raise RuntimeError(f"the policies were not compared: {ended.output[-500:]}")


def run(*, quick):
    """Measure, and return the rows."""
    with tempfile.TemporaryDirectory(prefix="kong-mcp-") as name:
        folder = Path(name)
        _write(folder)
        rounds = range(1 if quick else 3)
        pairs = [(seconds(lambda: _compared(folder)), seconds(lambda: _read(folder))) for _ in rounds]
    what = f"policy diff: {SERVERS:,} servers, {SERVERS * TOOLS:,} tools, all changed"
    ratio = min(spent / reading for spent, reading in pairs)
    return [
        row(f"{what}, to libyaml's reading of the files", ratio, "x", _BAR),
        shown(what, min(spent for spent, _ in pairs), "s"),
    ]
