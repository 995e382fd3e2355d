"""make release: build wheels and sdist twice, refuse if they differ, try all, and list what they bring along.

build/release gets the wheel for every machine, one with compiled modules for this Python and machine where there is a C
compiler (spec/decisions/345), the sdist, sbom.json (CycloneDX 1.6), LICENCES.md and SHA256SUMS; with PYTHON_IMAGE and
KONG_IMAGE by digest also the Dockerfile and compose.yaml that name them so.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ship.images import UnpinnedImageError, pinned
from ship.parts import EXTRAS, PROJECT, ROOT, Part, parts

VERSION = PROJECT["version"]
COMPILED_SWITCH = "KONG_MCP_COMPILED"
"""What hatch_build.py looks for."""
URL = "https://kong-mcp.invalid/release"
"""Names the release in its serial number (RFC 9562, version 5): the same release, the same number."""


def run(*command: str | Path, **more: Any) -> str:
    """Run a program; its error output passes.

    Raises:
        CalledProcessError: it failed.
    """
    return subprocess.run([str(one) for one in command], check=True, stdout=subprocess.PIPE, text=True, **more).stdout


def build(commit: str, epoch: str, folder: Path, mask: int) -> dict[str, bytes]:
    """Return wheels and sdist of what is committed, built in `folder` under an umask, by file name."""
    tree, out = folder / "tree", folder / "out"
    tree.mkdir(parents=True)
    packed = folder / "tree.tar"
    run("git", "-C", ROOT, "archive", "--output", packed, commit)
    shutil.unpack_archive(packed, tree, filter="data")
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch}
    environment.pop("PYTHONHASHSEED", None)
    environment.pop(COMPILED_SWITCH, None)
    hatchling = (sys.executable, "-m", "hatchling", "build", "-d", out)
    run(*hatchling, cwd=tree, env=environment, umask=mask)
    if shutil.which("cc"):
        run(*hatchling, "-t", "wheel", cwd=tree, env={**environment, COMPILED_SWITCH: "1"}, umask=mask)
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def built_twice(commit: str, epoch: str) -> dict[str, bytes]:
    """Return wheels and sdist, after a second build elsewhere and under another umask gave the same bytes."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        first = build(commit, epoch, Path(one), 0o022)
        second = build(commit, epoch, Path(other) / "deeper", 0o077)
    for name, content in first.items():
        if second.get(name) != content:
            raise SystemExit(f"{name}: two builds differ; nothing was written")
    return first


def sbom(found: dict[str, Part], required: set[str], epoch: str) -> dict[str, Any]:
    """Return the bill of materials (CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/)."""

    def ref(part: Part) -> str:
        return f"pkg:pypi/{part.name}@{part.version}"

    own = Part(PROJECT["name"], VERSION, PROJECT["license"], tuple(found))
    contents = json.dumps([ref(part) for part in found.values()])
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, URL + VERSION + contents)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(int(epoch), UTC).isoformat(),
            "component": component(own, ref(own), "application"),
        },
        "components": [
            component(part, ref(part), "library") | {"scope": "required" if part.name in required else "optional"}
            for part in found.values()
        ],
        "dependencies": [
            {"ref": ref(part), "dependsOn": [ref(found[name]) for name in part.needs if name in found]}
            for part in (own, *found.values())
        ],
    }


def component(part: Part, ref: str, kind: str) -> dict[str, Any]:
    """Return a component with its licence by name: what a package says is not always an SPDX expression."""
    licences = [{"license": {"name": part.licence}}]
    return {"type": kind, "bom-ref": ref, "name": part.name, "version": part.version, "purl": ref, "licenses": licences}


def licences(found: dict[str, Part], required: set[str]) -> str:
    """Return the list of licences, for people."""
    rows = [
        f"| {part.name} | {part.version} | {part.licence} | {'always' if part.name in required else 'by an extra'} |"
        for part in found.values()
    ]
    head = f"# Licences of what kong-mcp {VERSION} installs\n\nkong-mcp itself: {PROJECT['license']}.\n"
    return "\n".join([head, "| package | version | licence | installed |", "|---|---|---|---|", *rows, ""])


def tried(wheel: Path) -> None:
    """Install the wheel alone into an empty environment, and do with it what a plugin server's machine does.

    Raises:
        CalledProcessError: something of it does not work.
        SystemExit: a package was pulled in that only an extra needs.
    """
    with tempfile.TemporaryDirectory() as folder:
        bin_folder = installed(Path(folder), parts(), wheel)
        pip = (bin_folder / "python", "-m", "pip", "--disable-pip-version-check")
        listed = {load["name"].lower().replace("_", "-") for load in json.loads(run(*pip, "list", "--format", "json"))}
        if more := listed - set(parts()) - {"kong-mcp", "pip", "setuptools"}:
            raise SystemExit(f"the wheel alone pulls in {', '.join(sorted(more))}")
        run(bin_folder / "kong-mcp", "unpack", Path(folder) / "unpacked", cwd=folder)
        run(bin_folder / "kong-mcp", "helm-values", f"registry.example/kong-mcp@sha256:{64 * '0'}", cwd=folder)
        run(bin_folder / "kong-mcp", "deck", "render", ROOT / "deck" / "servers", cwd=folder)
        run(bin_folder / "mcp-pluginserver", "--help", cwd=folder)


def demonstrated(wheel: Path, sdist: Path) -> None:
    """Run the demo of the sdist by nothing but the wheel, its extras and the official SDK, in an empty environment.

    Raises:
        CalledProcessError: the demo, or anything before it, failed; what it said stands above.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = parts("sidecar", "devkit")
        bin_folder = installed(Path(folder), found, f"{wheel}[sidecar,devkit]", f"mcp=={version('mcp')}")
        shutil.unpack_archive(sdist, folder, filter="data")
        tree = next(Path(folder).glob("*/PKG-INFO")).parent
        environment = {"PATH": os.environ["PATH"], "HOME": folder}
        run(bin_folder / "python", tree / "tests" / "demo" / "demo.py", cwd=folder, env=environment)


def installed(folder: Path, found: dict[str, Part], *wanted: str | Path) -> Path:
    """Make an empty environment in `folder` with what is wanted, in the versions found here. Returns its programs."""
    run(sys.executable, "-m", "venv", folder / "venv")
    bin_folder = folder / "venv" / "bin"
    pins = folder / "pins.txt"
    pins.write_text("".join(f"{part.name}=={part.version}\n" for part in found.values()), encoding="utf-8")
    pip = (bin_folder / "python", "-m", "pip", "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--constraint", pins, *wanted)
    return bin_folder


def main() -> None:
    """Make build/release of what is committed."""
    try:
        images = pinned(os.environ)
    except UnpinnedImageError as error:
        raise SystemExit(str(error)) from None
    if not images:
        click.echo("no image files: PYTHON_IMAGE and KONG_IMAGE are not given by digest", err=True)
    if run("git", "-C", ROOT, "status", "--porcelain").strip():
        click.echo("what is not committed is not in the release", err=True)
    commit = run("git", "-C", ROOT, "rev-parse", "HEAD").strip()
    epoch = run("git", "-C", ROOT, "log", "-1", "--format=%ct", commit).strip()
    target = ROOT / "build" / "release"
    shutil.rmtree(target, ignore_errors=True)
    files = built_twice(commit, epoch) | images
    found, required = parts(*EXTRAS), set(parts())
    files["sbom.json"] = (json.dumps(sbom(found, required, epoch), indent=2) + "\n").encode()
    files["LICENCES.md"] = licences(found, required).encode()
    target.mkdir(parents=True)
    for name, content in files.items():
        (target / name).write_bytes(content)
    wheel, sdist = next(target.glob("*-none-any.whl")), next(target.glob("*.tar.gz"))
    for one in target.glob("*.whl"):
        tried(one)
    click.echo("the demo, from the artefacts alone (a minute) ...", err=True)
    demonstrated(wheel, sdist)
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    (target / "SHA256SUMS").write_text(sums, encoding="utf-8")
    click.echo(sums, nl=False)
    click.echo(f"{target}: built twice with the same bytes, tried in an empty environment, and the demo run from them")


if __name__ == "__main__":
    main()
