"""The Node packages that the tests use are pinned, and can come from any registry."""

import json
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "node"
WANTED = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
LOCKED = json.loads((FOLDER / "package-lock.json").read_text(encoding="utf-8"))["packages"]


def test_every_package_is_asked_for_by_exact_version_and_locked_at_it():
    for name, version in (WANTED["dependencies"] | WANTED["optionalDependencies"]).items():
        assert LOCKED[f"node_modules/{name}"]["version"] == version


def test_every_locked_package_has_a_checksum_and_no_address():
    for name, package in LOCKED.items():
        assert name == "" or package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
