"""Watching a gateway: what its logs tell, and what of its own start is no news."""

import json
from types import SimpleNamespace

import pytest

from kong_mcp.causes import no_findings
from kong_mcp.policies.source import Policies
from kong_mcp.watching import Watching

LOOK = {"event": "look", "server": "notes", "outcome": "unreachable"}


@pytest.fixture
def gateway(tmp_path):
    return SimpleNamespace(
        settings=SimpleNamespace(pinned=[], consumers=[], servers=[SimpleNamespace(name="notes")]),
        folder=tmp_path,
        records=tmp_path / "records.log",
        sidecar=SimpleNamespace(log=tmp_path / "sidecar.log"),
        store="",
    )


@pytest.mark.requirement("HEAD-005")
def test_looks_before_the_gateway_was_up_are_no_news_and_later_ones_are(gateway):
    lines = [LOOK | {"timestamp": "2020-01-01T00:00:00.000000Z"}, LOOK | {"timestamp": "2999-01-01T00:00:00.000000Z"}]
    lines += [{"event": "server refused", "server": "files", "why": "x", "timestamp": "2020-01-01T00:00:00.000000Z"}]
    gateway.sidecar.log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ended = {"event": "the local program ended", "server": "notes", "program": 7, "status": 2}
    (gateway.folder / "local.log").write_text(json.dumps(ended) + "\n")
    watching = Watching(gateway, Policies({}), findings=no_findings)
    told = [one.text for one in watching.look()]
    watching.close()
    assert [text.partition(";")[0] for text in told] == [
        "notes: the local program ended with status 2",
        "notes: its lists could not be read",
        "files: server refused",
    ]
