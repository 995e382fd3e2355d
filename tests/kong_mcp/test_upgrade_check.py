"""kong-mcp upgrade-check: an installation of 0.1 is told what to change; one of this release has nothing to change."""

import base64
import contextlib
import json
import os

import pytest
from alembic import command
from click.testing import CliRunner
from sqlalchemy import text

from deck.support import DECK, ROOT
from kong_mcp.cli import main
from kong_pluginserver import description
from mcp_sidecar.store import migrate
from mcp_sidecar.store.engine import open_engine, store_url

pytestmark = pytest.mark.requirement("SHIP-005")
KEY = base64.b64encode(bytes(32)).decode()
OLD_CONF = """\
plugins = bundled,mcp-guard
pluginserver_names = mcp-guard
pluginserver_mcp_guard_start_cmd = /opt/kong-mcp/bin/mcp-pluginserver --plugins /opt/kong-mcp/plugins
pluginserver_mcp_guard_query_cmd = true
"""
OLD_DECK = """\
consumers:
  - username: mcp-sidecar
    keyauth_credentials:
      - key: ${{ env "DECK_MCP_INTERNAL_KEY" }}
"""


class Site:
    """An installation in a folder: this release's, until a test makes parts of it older."""

    def __init__(self, folder):
        self.folder, self.store = folder, folder / "surfaces.db"
        assert CliRunner().invoke(main, ["unpack", str(folder / "new")]).exit_code == 0
        self.conf = (ROOT / "kong/kong.conf").read_text().replace("/opt/kong-mcp", str(folder / "new"))
        self.sidecar = {"KONG_MCP_KEYS": KEY}
        self.deck = DECK

    @contextlib.contextmanager
    def writing(self):
        engine = open_engine(store_url(str(self.store)))
        with engine.connect().execution_options(writes=True) as link, link.begin():
            yield link
        engine.dispose()

    def migrate(self, schema):
        with self.writing() as link:
            config = migrate._config()
            config.attributes["connection"] = link
            command.upgrade(config, schema)

    def ask(self):
        files = {"kong.conf": self.conf, "guard.env": f"KONG_MCP_KEYS={KEY}\n"}
        files["sidecar.env"] = "".join(f"{name}={value}\n" for name, value in self.sidecar.items())
        for name, content in files.items():
            (self.folder / name).write_text(content)
        options = [f"--conf={self.folder}/kong.conf", f"--guard-env={self.folder}/guard.env"]
        options += [f"--sidecar-env={self.folder}/sidecar.env", f"--deck={self.deck}", "--json"]
        clean = {name: None for name in os.environ if name.startswith(("KONG_", "MCP_"))}
        before = {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        done = CliRunner().invoke(main, ["upgrade-check", *options], env=clean)
        assert {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()} == before
        assert KEY not in done.output
        told = json.loads(done.stdout)
        assert done.exit_code == (0 if told["ok"] else 1)
        assert all(check["mend"] for check in told["checks"] if check["level"] != "ok")
        return {check["check"]: check for check in told["checks"]}


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def levels(told):
    return {name: one["level"] for name, one in told.items() if name != "doctor"}


def test_an_installation_of_this_release_has_nothing_to_change(site):
    site.sidecar["MCP_SIDECAR_STORE"] = str(site.store)
    site.migrate("head")
    assert set(levels(site.ask()).values()) == {"ok"}


def test_an_installation_of_0_1_is_told_of_all_that_would_refuse(site):
    (site.folder / "old.yaml").write_text(OLD_DECK)
    site.conf, site.deck = OLD_CONF, site.folder / "old.yaml"
    site.sidecar |= {"MCP_SIDECAR_INTERNAL_KEY": "a-key-of-the-sidecar", "MCP_SIDECAR_STORE": str(site.store)}
    site.migrate("0001")
    told = site.ask()
    assert levels(told) == {
        "store": "warn",
        "sidecar's variables": "fail",
        "kong.conf": "fail",
        "settings of Kong": "fail",
        "start command": "fail",
        "description": "fail",
        "decK files": "fail",
    }
    assert "MCP_SIDECAR_INTERNAL_KEY is not a setting: take it away" in told["sidecar's variables"]["seen"]
    assert "a-key-of-the-sidecar" not in str(told)
    assert "mcp-internal" in told["kong.conf"]["seen"]
    assert "lua_package_path" in told["settings of Kong"]["mend"]
    assert "DECK_MCP_INTERNAL_KEY" in told["decK files"]["seen"]


def test_a_variable_that_has_another_name_now_is_a_warning(site):
    site.sidecar["MCP_SIDECAR_PORTAL_URL"] = "https://gateway.example"
    told = site.ask()["sidecar's variables"]
    assert (told["level"], "write MCP_SIDECAR_PUBLIC_URL" in told["seen"]) == ("warn", True)


@pytest.mark.parametrize("schema", ["0001", "0002", "0003"])
def test_a_store_of_each_older_schema_is_to_be_copied_first(site, schema):
    site.sidecar["MCP_SIDECAR_STORE"] = str(site.store)
    site.migrate(schema)
    told = site.ask()["store"]
    assert (told["level"], f"schema {schema}" in told["seen"], "copy it" in told["mend"]) == ("warn", True, True)


def test_a_store_of_a_later_release_is_refused(site):
    site.sidecar["MCP_SIDECAR_STORE"] = str(site.store)
    site.migrate("head")
    with site.writing() as link:
        link.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    told = site.ask()["store"]
    assert (told["level"], "later release (schema 9999)" in told["seen"]) == ("fail", True)


def test_what_is_no_store_is_named(site):
    site.store.write_bytes(b"no database" * 100)
    site.sidecar["MCP_SIDECAR_STORE"] = str(site.store)
    assert site.ask()["store"]["level"] == "fail"


def test_a_database_is_not_looked_into_and_its_password_is_not_shown(site):
    site.sidecar["MCP_SIDECAR_STORE"] = "postgresql://user:hidden-word@127.0.0.1:1/db"
    told = site.ask()
    assert (told["store"]["level"], "hidden-word" in str(told)) == ("warn", False)


def test_the_description_of_another_release_is_named(site):
    dump = site.folder / "new/mcp-guard.json"
    mark = description.mark_in(json.loads(dump.read_text())["Plugins"][0]["Schema"])
    dump.write_text(dump.read_text().replace(mark, mark[::-1]))
    assert site.ask()["description"]["level"] == "fail"
