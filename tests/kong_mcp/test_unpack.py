"""kong-mcp unpack: what Kong needs is where kong.conf names it, for Kong's user to read; the team's files are kept."""

import json
import os
import stat

import pytest
from click.testing import CliRunner

from deck.support import DECK, ROOT
from kong_mcp.cli import main
from kong_pluginserver import loader


def unpack(folder):
    return CliRunner().invoke(main, ["unpack", str(folder)])


@pytest.mark.requirement("DECK-023")
def test_it_writes_what_kong_conf_names_and_everybody_may_read_it(tmp_path):
    before = os.umask(0o077)
    try:
        done = unpack(tmp_path / "kong-mcp")
    finally:
        assert os.umask(before) == 0o077
    assert done.exit_code == 0, done.output
    folder = tmp_path / "kong-mcp"
    assert json.loads((folder / "mcp-guard.json").read_text()) == json.loads(
        loader.dump([loader.load(ROOT / "plugins/mcp-guard.py")])
    )
    assert (folder / "plugins/lua/kong/plugins/mcp-answers/handler.lua").is_file()
    assert (folder / "deck/shared.yaml").read_text() == (DECK / "shared.yaml").read_text()
    assert {path.suffix for path in (folder / "kong/systemd").iterdir()} == {".service", ".socket"}
    assert {path.name for path in (folder / "plugins").glob("*.py")} == {"mcp-guard.py", "mcp-internal.py"}
    for path in (folder, *folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o004, path


@pytest.mark.requirement("DECK-023")
def test_doing_it_again_renews_what_is_ours_and_keeps_what_is_the_team_s(tmp_path):
    unpack(tmp_path)
    (tmp_path / "mcp-guard.json").write_text("{}")
    (tmp_path / "deck/shared.yaml").write_text("# ours\n")
    (tmp_path / "deck/servers").mkdir()
    (tmp_path / "deck/servers/weather.yaml").write_text("# ours too\n")
    done = unpack(tmp_path)
    assert (done.exit_code, "compare it with shared.yaml.new" in done.output) == (0, True)
    assert json.loads((tmp_path / "mcp-guard.json").read_text())["Plugins"]
    assert (tmp_path / "deck/shared.yaml").read_text() == "# ours\n"
    assert (tmp_path / "deck/shared.yaml.new").read_text() == (DECK / "shared.yaml").read_text()
    assert (tmp_path / "deck/servers/weather.yaml").read_text() == "# ours too\n"
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".part"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    done = unpack(tmp_path / "file" / "below")
    assert done.exit_code == 1
    assert "file" in done.output
    assert "Traceback" not in done.output
