"""kong.conf, the compose file, the Helm values and the systemd units name one set of paths, and no start command."""

import shutil
import subprocess

import pytest
import yaml

from deck.support import ROOT
from house.test_readme import kong_conf

KONG = ROOT / "kong"
CONF = kong_conf((KONG / "kong.conf").read_text(encoding="utf-8"))
VALUES = yaml.safe_load((KONG / "values.yaml").read_text(encoding="utf-8"))
COMPOSE = yaml.safe_load((KONG / "compose.yaml").read_text(encoding="utf-8"))
UNITS = sorted((KONG / "systemd").iterdir())
SOCKET = CONF["pluginserver_mcp_guard_socket"]


def test_nobody_is_told_to_use_a_start_command():
    texts = [ROOT / "README.md", *KONG.glob("*.*"), *UNITS, KONG / "Dockerfile", *(ROOT / "spec").glob("*.md")]
    for path in texts:
        assert "start_cmd =" not in path.read_text(encoding="utf-8"), path
        assert "start_cmd:" not in path.read_text(encoding="utf-8"), path


def test_the_helm_values_are_kong_conf_but_for_the_pod_s_own():
    own = {"database", "nginx_http_client_body_buffer_size", "mcp_keys", "mcp_revoked", "mcp_snapshot", "mcp_health"}
    same = {name: value for name, value in VALUES["env"].items() if name not in own}
    assert {name: CONF.get(name) for name in same} == same


def test_what_serves_the_socket_serves_the_one_that_kong_connects_to():
    guards = [
        container["command"]
        for container in VALUES["deployment"]["sidecarContainers"]
        if container["name"] == "mcp-guard"
    ]
    guards.append(COMPOSE["services"]["guard"]["command"])
    units = [path.read_text(encoding="utf-8") for path in UNITS]
    guards += [line.split() for text in units for line in text.splitlines() if "mcp-pluginserver --plugins" in line]
    assert len(guards) == 3
    assert all(command[command.index("--socket") + 1] == SOCKET for command in guards)
    assert sum(f"ListenStream={SOCKET}\n" in text for text in units) == 1


def test_kong_s_image_is_the_default_release_and_is_not_changed():
    assert VALUES["image"] == {"repository": "kong", "tag": "3.9.3-ubuntu"}
    assert COMPOSE["services"]["kong"]["image"] == "kong:3.9.3-ubuntu"
    assert "build" not in COMPOSE["services"]["kong"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_finds_nothing_wrong_with_a_unit_but_the_programs_that_are_not_here(unit):
    done = subprocess.run(["systemd-analyze", "verify", *UNITS], capture_output=True, text=True, check=False)
    wrong = [line for line in done.stderr.splitlines() if unit.name in line and "is not executable" not in line]
    assert wrong == []
