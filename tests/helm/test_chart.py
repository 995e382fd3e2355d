"""The Helm values, rendered by helm with Kong's own chart: Kubernetes takes them, and nobody has more than needed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from deck.support import ROOT
from kong_mcp.cli import main

TOOLS = Path(os.environ.get("HELM_TOOLS", ROOT / "build" / "tools" / "helm"))
CHART = os.environ.get("KONG_CHART")
IMAGE = "registry.example:5000/team/kong-mcp@sha256:" + 64 * "a"
WITH_DATABASE = {"env": {"database": "postgres", "pg_host": "db"}, "dblessConfig": {"secret": ""}}

pytestmark = [
    pytest.mark.requirement("SHIP-001"),
    pytest.mark.skipif(not (TOOLS / "helm").is_file(), reason="helm is not built: run `make helm` where Go is present"),
    pytest.mark.skipif(
        not CHART, reason="KONG_CHART names no folder with Kong's chart (github.com/Kong/charts, charts/kong)"
    ),
]


@pytest.fixture(scope="module")
def chart(tmp_path_factory):
    """Kong's chart without the PostgreSQL that it could bring along: we do not use it, and its chart is elsewhere."""
    copy = shutil.copytree(CHART, tmp_path_factory.mktemp("chart") / "kong")
    about = yaml.safe_load((copy / "Chart.yaml").read_text())
    about.pop("dependencies", None)
    (copy / "Chart.yaml").write_text(yaml.safe_dump(about))
    (copy / "Chart.lock").unlink(missing_ok=True)
    return copy


@pytest.fixture(params=["alone", "with the example of one's own", "with a database"])
def manifest(request, chart, tmp_path):
    """What helm renders of our values, and of a second file after them."""
    ours = tmp_path / "kong-mcp.yaml"
    done = CliRunner().invoke(main, ["helm-values", IMAGE])
    assert (done.exit_code, done.stderr) == (0, "")
    ours.write_text(done.stdout)
    database = tmp_path / "database.yaml"
    database.write_text(yaml.safe_dump(WITH_DATABASE))
    mine = {"alone": [], "with a database": [database]}.get(request.param, [ROOT / "kong" / "values-mine.yaml"])
    command = [TOOLS / "helm", "template", "kong", chart, "--skip-crds", "-f", ours]
    done = subprocess.run(
        [*command, *(word for path in mine for word in ("-f", path))], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rendered = tmp_path / "manifest.yaml"
    rendered.write_text(done.stdout)
    return rendered


def pods(manifest):
    """The pod specifications in a manifest: the deployment's, and its migrations'."""
    found = [one for one in yaml.safe_load_all(manifest.read_text()) if one]
    return {one["kind"]: one["spec"]["template"]["spec"] for one in found if one["kind"] in {"Deployment", "Job"}}


def conforms(manifest):
    location = f"{TOOLS}/schemas/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"
    command = [TOOLS / "kubeconform", "-strict", "-schema-location", location, manifest]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_kubernetes_takes_what_is_rendered(manifest):
    done = conforms(manifest)
    assert (done.returncode, done.stdout) == (0, "")


def test_kubernetes_would_not_take_a_field_that_it_does_not_know(manifest):
    manifest.write_text(manifest.read_text().replace("mountPath: /run/kong-mcp", "mountPth: /run/kong-mcp"))
    done = conforms(manifest)
    assert done.returncode == 1
    assert "mountPth" in done.stdout


def test_all_of_the_pod_is_one_user_without_rights_and_the_image_is_the_one_that_was_named(manifest):
    pod = pods(manifest)["Deployment"]
    containers = {one["name"]: one for one in pod["initContainers"] + pod["containers"]}
    assert {"mcp-unpack", "mcp-guard", "mcp-sidecar", "proxy"} <= set(containers)
    for name, one in containers.items():
        if name.startswith("wait-for"):
            continue
        context = one["securityContext"]
        assert (context["runAsUser"], context["runAsGroup"], context["runAsNonRoot"]) == (1000, 1000, True), name
        assert (context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"]) == (True, False), name
        assert context["capabilities"] == {"drop": ["ALL"]}, name
    assert {one["image"] for name, one in containers.items() if name.startswith("mcp-")} == {IMAGE}


def test_whoever_needs_a_file_of_another_container_has_its_folder(manifest):
    pod = pods(manifest)["Deployment"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    mounts = {
        one["name"]: {mount["mountPath"]: mount["name"] for mount in one.get("volumeMounts", [])}
        for one in pod["initContainers"] + pod["containers"]
    }
    assert {name for of_one in mounts.values() for name in of_one.values()} <= volumes
    assert mounts["proxy"]["/run/kong-mcp"] == mounts["mcp-guard"]["/run/kong-mcp"]
    assert mounts["proxy"]["/opt/kong-mcp"] == mounts["mcp-unpack"]["/srv/kong-mcp"]
    assert mounts["mcp-sidecar"]["/var/lib/kong-mcp"] == mounts["mcp-guard"]["/var/lib/kong-mcp"]


def test_only_who_needs_a_secret_has_it(manifest):
    holders: dict[str, set[str]] = {}
    for pod in pods(manifest).values():
        for container in pod["containers"]:
            for variable in container.get("env", []):
                if secret := variable.get("valueFrom", {}).get("secretKeyRef"):
                    holders.setdefault(secret["name"], set()).add(container["name"])
    assert {"proxy", "mcp-guard", "mcp-sidecar"} <= holders["kong-mcp"]
    assert holders["kong-mcp-store"] == {"mcp-sidecar"}
    assert not any("PASSWORD@" in line for line in manifest.read_text().splitlines())


def test_nothing_but_the_proxy_is_reached_from_outside_of_the_pod(manifest):
    services = [one for one in yaml.safe_load_all(manifest.read_text()) if one and one["kind"] == "Service"]
    assert {port["targetPort"] for service in services for port in service["spec"]["ports"]} - {8000} == {8443}
    containers = pods(manifest)["Deployment"]["containers"]
    kong = next(
        {one["name"]: one.get("value", "") for one in all_of["env"]}
        for all_of in containers
        if all_of["name"] == "proxy"
    )
    assert kong["KONG_ADMIN_GUI_LISTEN"] == "off"
    assert all(part.strip().startswith(("127.0.0.1:", "[::1]:")) for part in kong["KONG_ADMIN_LISTEN"].split(","))
