"""Whether a tool's call may be repeated: by every version of it that is approved and in use, and by nothing else."""

import anyio
import pytest

from mcp_core.scan import ItemKind
from mcp_sidecar.health.hints import Hints
from mcp_sidecar.store.engine import StoreError

pytestmark = pytest.mark.requirement("LIVE-005")
READS, WRITES = {"annotations": {"readOnlyHint": True}}, {"annotations": {"readOnlyHint": False}}


class Known:
    """What the sidecar knows of surfaces: the approved versions of one tool, and those that are shown."""

    def __init__(self, items, shown=None):
        self.generation, self.items, self.asked = 1, items, 0
        self._shown = items.keys() if shown is None else shown

    async def ask(self, _question):
        self.asked += 1
        if self.items is None:
            raise StoreError("away")
        return self.items

    def shown(self, server, kind, name, digest):
        assert (server, kind, name) == ("notes", ItemKind.TOOL, "look")
        return digest in self._shown


def allow(surfaces):
    return anyio.run(Hints(surfaces).allow, "notes", "look")


@pytest.mark.parametrize(
    ("items", "shown", "may"),
    [
        ({"a": READS}, None, True),
        ({"a": READS, "b": READS}, None, True),
        ({"a": READS, "b": WRITES}, None, False),
        ({"a": {}}, None, False),
        ({"a": {"annotations": []}}, None, False),
        ({"a": READS}, {"b"}, False),
        ({}, None, False),
    ],
)
def test_every_version_that_is_in_use_must_say_so(items, shown, may):
    assert allow(Known(items, shown)) is may


def test_where_it_cannot_be_known_nothing_is_repeated():
    assert not allow(None)
    unknown = Known({})
    unknown.items = None
    assert not allow(unknown)


def test_a_decision_counts_at_once():
    surfaces = Known({"a": READS})
    hints = Hints(surfaces)

    async def run():
        first, second = await hints.allow("notes", "look"), await hints.allow("notes", "look")
        surfaces.generation, surfaces.items = 2, {"a": READS, "b": WRITES}
        return first, second, surfaces.asked, await hints.allow("notes", "look")

    assert anyio.run(run) == (True, True, 1, False)
