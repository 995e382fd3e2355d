"""The official TypeScript clients of both lines, and the Python client of the 1.x line, by every transport.

They observe what they do without a gateway.
"""

import json
import subprocess
from pathlib import Path

import pytest

from e2e.ways import MODERN
from node.tools import MISSING, MODULES, node
from python1.tools import MISSING as MISSING_PYTHON1
from python1.tools import python1
from servers.feature_lists import NOTES, PROMPTS, TEMPLATES

pytestmark = pytest.mark.long

OLD = "--sse"
"""The server speaks the transport of 2024-11-05."""
TESTS = Path(__file__).parents[1]
PYTHON1 = "python1"
CLIENTS = {
    "typescript-v1": ("v1", None),
    "typescript-v2-legacy": ("v2", None),
    "typescript-v2-modern": ("v2", MODERN),
    "typescript-v1-old": ("v1", None, OLD),
    "typescript-v2-old": ("v2", None, OLD),
    "python-v1": (PYTHON1, None),
    "python-v1-old": (PYTHON1, None, OLD),
}
NAME = {"action": "accept", "content": {"name": "Zoë \u2028"}}
POEM = {"role": "assistant", "content": {"type": "text", "text": "Roses."}, "model": "none", "stopReason": "endTurn"}
ROOTS = {"roots": [{"uri": "file:///home", "name": "home"}]}
TOOLS = ["count", "log", "measure", "wait", "hold", "release", "break_off", "touch", "change", "stream_roots", "travel"]
TOOLS += ["elicit", "sample", "roots", "interview", "secret_interview", *(f"secret_{number}" for number in range(20))]
CHANGES = ["tools/list_changed", "prompts/list_changed", "resources/list_changed"]


class Observed:
    """What one client saw on one way, and what the server wrote down meanwhile."""

    def __init__(self, way, line, version, *, old):
        self.way = way
        self.line = line
        self.modern = version is not None
        self.old = old
        settings = {"modules": str(MODULES), "line": line, "url": way.url, "headers": way.headers(), "large": 2_000_000}
        settings["label"] = f"{line} {version} {old}"
        settings["answers"] = {"elicitation/create": NAME, "sampling/createMessage": POEM, "roots/list": ROOTS}
        settings |= {"version": version} if version else {}
        settings["old"] = old
        self.since = way.mark()
        done = subprocess.run(
            [*program(line), json.dumps(settings)], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        self.label = settings["label"]
        self.saw = json.loads(done.stdout)
        self.written = way.written(self.since, "tool", "round", "resource")


def program(line):
    """Return how to start the client of a line, as the beginning of a command line."""
    found, missing, script = (node(), MISSING, TESTS / "node/observe.mjs")
    if line == PYTHON1:
        found, missing, script = (python1(), MISSING_PYTHON1, TESTS / "python1/observe.py")
    if found is None:
        pytest.skip(missing)
    return [str(found), str(script)]


@pytest.fixture(scope="module", params=CLIENTS)
def observed(request, way, ways):
    line, version, *options = CLIENTS[request.param]
    return Observed(ways(way.name, *options), line, version, old=OLD in options)


@pytest.mark.requirement("CLIENT-011")
def test_they_list_and_use_everything_but_what_is_hidden(observed):
    def visible(names):
        return [name for name in names if not observed.way.guarded or "secret" not in name]

    saw = observed.saw
    assert saw["server"] == "features-1"
    assert saw["instructions"] == "This is features-1."
    assert saw["tools"] == visible(TOOLS)
    assert saw["resources"] == visible(NOTES)
    assert saw["prompts"] == PROMPTS
    assert saw["templates"] == visible(TEMPLATES)
    assert [saw["read"], saw["prompt"], saw["completed"]] == ["note://001", "prompt_01", [["10"], ["20"]]]
    assert saw["large"]
    assert saw.get("ping") == (None if observed.modern else {})


@pytest.mark.requirement("CLIENT-011", "CLIENT-001")
def test_they_answer_what_a_server_asks(observed):
    assert observed.saw["asked"] == {
        "elicit": {"name": NAME},
        "sample": {"poem": POEM},
        "roots": {"roots": ROOTS},
        "interview": {"name": NAME, "poem": POEM, "roots": ROOTS},
    }


@pytest.mark.requirement("CLIENT-011", "CLIENT-003", "CLIENT-004")
def test_they_hear_progress_log_messages_and_changes(observed):
    saw = observed.saw
    assert saw["progress"]["text"] == "counted"
    # By the old transport TypeScript clients drop the progress that comes in one piece with the answer.
    if not observed.old or observed.line == PYTHON1:
        assert saw["progress"]["seen"] == list(range(1, 21))
    assert saw["logged"] == [[level, level, "feature"] for level in ("error", "critical", "alert", "emergency")]
    assert saw["changes"] == ["resources/updated note://001", *CHANGES, *CHANGES]


@pytest.mark.requirement("CLIENT-011", "CLIENT-007", "CLIENT-008")
def test_they_cancel_and_resume(observed):
    assert observed.saw["cancelled"]
    observed.way.replica.wait_until(lambda lines: ["cancelled", observed.label] in lines, observed.since)
    if not observed.modern and not observed.old:
        assert observed.saw["resumed"] == {"text": "whole", "seen": [1, 2, 3, 4, 5]}


@pytest.mark.requirement("CLIENT-011")
def test_they_find_nothing_that_the_policy_hides(observed):
    if not observed.way.guarded:
        assert observed.saw["refused"]["resource"] is None
        return
    refused = observed.saw["refused"]
    assert refused["tool"]["code"] == -32602
    assert refused["tool"]["message"].endswith("Unknown tool: secret_1")
    assert refused["resource"]["code"] in (-32002, -32602)
    assert not [line for line in observed.written if "secret" in str(line)]
