"""A decision in the portal, where the snapshot of the node's guards cannot be written."""

import re

import pytest

from mcp_core.scan import ItemKind
from mcp_sidecar.store.sightings import Sighting
from mcp_sidecar.surface.snapshots import SnapshotWriter
from servers.catalog_stand import POISON, REVIEWS, server
from servers.portal_house import House


@pytest.mark.anyio
@pytest.mark.requirement("REV-011")
async def test_a_reviewer_hears_that_it_is_written_down_and_that_guards_do_not_know(tmp_path):
    folder = tmp_path / "guards"
    house = House(tmp_path, writer=SnapshotWriter(str(folder / "snapshot"), [b"k" * 32], "1"))
    house.stand.list(server("notes"))
    house.stand.see("notes", POISON)
    await house.stand.catalog.refresh()
    rita = await house.signed_in()
    digest = Sighting.of(ItemKind.TOOL, "poison", POISON).digest
    path = f"/review/item?server=notes&kind=tool&item=poison&digest={digest}"
    shown = dict(
        re.findall(r'<input type="hidden" name="(state|reason)" value="([^"]*)">', (await rita.get(path)).text)
    )
    answer = await rita.post(path, decision="rejected", why="it gives orders", **shown)
    assert answer.status_code == 503
    assert "Your decision is written down, but" in answer.text
    assert "Guards know it now" not in answer.text
    await house.stand.catalog.refresh()
    assert house.stand.tools(REVIEWS, "notes") == {"poison": "rejected"}
    folder.mkdir()
    assert await house.stand.surfaces.decided()
    assert (folder / "snapshot").exists()
    await house.stand.surfaces.aclose()
