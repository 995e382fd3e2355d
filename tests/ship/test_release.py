"""What a release holds: one version in all places, the same bytes twice, and for each machine what it needs alone."""

import json
import platform
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest

from ship import make_release
from ship.parts import EXTRAS, PROJECT, ROOT, parts

NOT_BESIDE_KONG = {"sqlalchemy", "alembic", "aiohttp", "httpx", "starlette", "uvicorn", "google-re2", "rich", "psycopg"}
BLOCKED = """
import sys
from importlib.metadata import packages_distributions
allowed = set(sys.argv[1].split(","))
blocked = {module for module, owners in packages_distributions().items()
           if not {owner.lower().replace("_", "-") for owner in owners} & allowed}

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}: an extra brings it", name=name)

sys.meta_path.insert(0, Block())
"""
BESIDE_KONG = """
from pathlib import Path
from click.testing import CliRunner
import kong_pluginserver.cli, kong_pluginserver.loader
from kong_mcp.cli import main
for plugin in ("mcp-guard", "mcp-internal"):
    assert kong_pluginserver.loader.dump([kong_pluginserver.loader.load(Path(f"plugins/{plugin}.py"))])
servers = "deck/servers"
for words in (["unpack", sys.argv[2]], ["server", "check", servers], ["deck", "render", servers], ["--help"]):
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, (words, done.output, done.exception)
"""


def python(code, *words):
    return subprocess.run(
        [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )


@pytest.mark.requirement("SHIP-003")
def test_a_machine_with_the_plugin_server_alone_gets_nothing_of_the_sidecar_s():
    alone = set(parts())
    assert not alone & NOT_BESIDE_KONG
    assert set(parts(*EXTRAS)) >= NOT_BESIDE_KONG


@pytest.mark.requirement("SHIP-003")
def test_plugin_server_and_command_line_run_where_no_package_of_an_extra_is(tmp_path):
    done = python(BLOCKED + BESIDE_KONG, ",".join([*parts(), "kong-mcp"]), str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mcp-guard.json").is_file()


@pytest.mark.requirement("SHIP-003")
def test_the_packages_of_extras_were_really_out_of_reach():
    done = python(BLOCKED + "import sqlalchemy", ",".join([*parts(), "kong-mcp"]))
    assert "an extra brings it" in done.stderr


@pytest.mark.requirement("SHIP-002")
def test_two_builds_that_differ_are_no_release(monkeypatch):
    contents = iter([{"a.whl": b"1", "a.tar.gz": b"2"}, {"a.whl": b"1", "a.tar.gz": b"3"}])
    monkeypatch.setattr(make_release, "build", lambda *_words: next(contents))
    with pytest.raises(SystemExit, match=r"a\.tar\.gz: two builds differ"):
        make_release.built_twice("HEAD", "0")


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.requirement("SHIP-002")
def test_wheels_and_sdist_are_the_same_bytes_wherever_they_are_built(tmp_path):
    files = make_release.built_twice("HEAD", "1700000000")
    kinds = {name.removeprefix(f"kong_mcp-{PROJECT['version']}") for name in files}
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    machine = f"-{python}-{python}-linux_{platform.machine()}.whl"
    assert kinds == {"-py3-none-any.whl", ".tar.gz"} | ({machine} if shutil.which("cc") else set())
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        if name.endswith(".whl"):
            inside = zipfile.ZipFile(tmp_path / name).namelist()
            assert "mcp_core/decide.py" in inside
            assert any(one.startswith("mcp_core/decide.") and one.endswith(".so") for one in inside) == (
                name.endswith(machine)
            )


@pytest.mark.requirement("SHIP-002")
def test_the_bill_of_materials_names_each_package_with_its_licence_and_nothing_twice():
    found = parts(*EXTRAS)
    bill = make_release.sbom(found, set(parts()), "1700000000")
    assert bill == make_release.sbom(found, set(parts()), "1700000000")
    refs = [component["bom-ref"] for component in bill["components"]]
    assert len(set(refs)) == len(refs) == len(found)
    for dependency in bill["dependencies"][1:]:
        assert set(dependency["dependsOn"]) <= set(refs), dependency
    scopes = {component["name"]: component["scope"] for component in bill["components"]}
    assert (scopes["cryptography"], scopes["sqlalchemy"]) == ("required", "optional")
    assert not [
        component["name"]
        for component in bill["components"]
        if component["licenses"][0]["license"]["name"] == "not stated"
    ]
    assert json.loads(json.dumps(bill)) == bill


@pytest.mark.requirement("SHIP-002")
def test_what_is_listed_is_what_the_lock_file_pins():
    # One package may stand there twice: for each Python its own version.
    locked = set(re.findall(r"^([a-z0-9._-]+)==([^ ]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert {(name, part.version) for name, part in parts(*EXTRAS).items()} <= locked


@pytest.mark.requirement("SHIP-004")
def test_package_plugins_and_changelog_name_one_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    plugins = [*(ROOT / "plugins").glob("*.py"), *(ROOT / "plugins/lua").rglob("handler.lua")]
    named = {path: re.findall(r'(?i)\bversion = "([^"]+)"', path.read_text()) for path in plugins}
    assert len(named) >= 4
    assert {path: [version] for path in plugins} == named
    assert f"\n## [{version}] - " in (ROOT / "CHANGELOG.md").read_text()
