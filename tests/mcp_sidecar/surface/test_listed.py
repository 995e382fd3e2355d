"""The servers that a file lists: read anew when it changes, and as they were while it cannot be read."""

from __future__ import annotations

import pytest

from mcp_core.errand import Address
from mcp_core.servers import McpServer, write_servers
from mcp_sidecar.surface.listed import ListedServers


def write(path, *names, where="mcp"):
    """Replace the file, as `kong-mcp deck render` does."""
    servers = [McpServer(name, f"/{name}/mcp", Address(f"{where}-{name}"), ()) for name in names]
    scratch = path.with_suffix(".new")
    scratch.write_text(write_servers(servers), encoding="utf-8")
    scratch.replace(path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "servers.json"


@pytest.mark.requirement("LOOK-081")
def test_the_file_is_read_anew_and_goes_before_what_is_named_in_the_settings(path):
    write(path, "files")
    listed = ListedServers(str(path), {"files": Address("named"), "old": Address("old"), "bare": None})
    assert listed.names == {"files", "old", "bare"}
    assert [listed.address(name) for name in ("files", "old", "bare", "none")] == [
        Address("mcp-files"),
        Address("old"),
        None,
        None,
    ]
    write(path, "notes", where="new")
    listed.refresh()
    assert (set(listed.all), listed.address("notes")) == ({"notes"}, Address("new-notes"))
    assert listed.address("files") == Address("named")


@pytest.mark.requirement("LOOK-081")
@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text("{")])
def test_a_file_that_cannot_be_read_changes_nothing(path, spoil):
    write(path, "files")
    listed = ListedServers(str(path), {})
    spoil(path)
    listed.refresh()
    assert listed.names == {"files"}
    write(path, "notes")
    listed.refresh()
    assert listed.names == {"notes"}


def test_without_a_file_there_is_what_the_settings_name():
    listed = ListedServers(None, {"files": None})
    listed.refresh()
    assert (listed.names, listed.address("files")) == ({"files"}, None)
