"""The file that lists servers: what is written is read again, whole or not at all."""

from __future__ import annotations

import json

import pytest

from mcp_core.errand import Address
from mcp_core.pins.states import Pinning, Trust
from mcp_core.servers import LifeCycle, McpServer, ServersFileError, read_servers, write_servers

FILES = McpServer("files", "/files/mcp", Address("mcp-files-sessions"), ("http://127.0.0.1:9101/mcp",))
SEARCH = McpServer(
    "search",
    "/web",
    Address("mcp-search-sessions", "https", "/"),
    ("https://a.example/", "https://b.example/"),
    "Web search",
    "team-w\u00e9b",
    False,
    Pinning.ENFORCE,
    Trust.FOREIGN,
    {"tools": {"allow": ["*"]}},
    LifeCycle.DEPRECATED,
    "Finds pages.\nAnd reads them.",
    "2.1.0",
    "web",
    {"runbook": "https://wiki.example/search"},
    ("production",),
    ("key-auth",),
)


def changed(**changes):
    """Return a file with one server, of which some members are others, or not there where they are None."""
    one = {name: value for name, value in {**FILES.to_json(), **changes}.items() if value is not None}
    return json.dumps({"format": 1, "servers": [one]}).encode()


@pytest.mark.requirement("FILE-082")
def test_what_is_written_is_read_again_sorted_by_name():
    text = write_servers([SEARCH, FILES])
    assert read_servers(text.encode()) == {"files": FILES, "search": SEARCH}
    assert text == write_servers([FILES, SEARCH])
    assert text.index('"files"') < text.index('"search"')
    assert read_servers(write_servers([]).encode()) == {}


@pytest.mark.requirement("FILE-082")
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format":1}',
        b'{"format":1,"servers":{}}',
        b'{"format":1,"format":1,"servers":[]}',
        b'{"format":2,"servers":[]}',
        b'{"format":1,"servers":[],"crit":["new"]}',
        b'{"format":1,"servers":[7]}',
        changed(name=None),
        changed(name=""),
        changed(name=7),
        changed(path=None),
        changed(address=None),
        changed(address=["a b", "http", "/mcp"]),
        changed(address=["mcp-files", "ftp", "/mcp"]),
        changed(replicas=None),
        changed(replicas=[7]),
        changed(pins="often"),
        changed(trust="blind"),
        changed(policy=7),
        changed(title=7),
        changed(description=7),
        changed(version=["1"]),
        changed(life_cycle="retired"),
        changed(links={"runbook": 7}),
        changed(links=["runbook"]),
        changed(tags=[""]),
        changed(auth=[7]),
        changed(crit=["new"]),
        json.dumps({"format": 1, "servers": [FILES.to_json()] * 2}).encode(),
    ],
)
def test_a_file_with_anything_wrong_in_it_is_not_read_at_all(text):
    with pytest.raises(ServersFileError):
        read_servers(text)


@pytest.mark.requirement("FILE-082")
def test_what_a_later_release_says_besides_is_ignored():
    assert read_servers(changed(new={"a": 1})) == {"files": FILES}
    later = {"description": None, "version": None, "successor": None, "links": None, "tags": None, "auth": None}
    assert read_servers(changed(**later)) == {"files": FILES}
    assert read_servers(changed(title=None, owner=None, life_cycle=None, pins=None, policy=None)) == {"files": FILES}
