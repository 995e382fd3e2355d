"""kong-mcp helm-values: the release's values with one image in all places, or a refusal."""

import pytest
import yaml
from click.testing import CliRunner

from deck.support import ROOT
from kong_mcp.cli import main

pytestmark = pytest.mark.requirement("SHIP-001")
DIGEST = "@sha256:" + 64 * "0"


def values(image):
    return CliRunner().invoke(main, ["helm-values", image])


@pytest.mark.parametrize(
    "image", ["", "Upper/case", "a b", "a\nimage: b", "a@sha256:0", "a:", "-x:1", "a:b:c", "a}", "http://a/b"]
)
def test_what_names_no_image_is_refused(image):
    done = values(image) if image[:1] != "-" else CliRunner().invoke(main, ["helm-values", "--", image])
    assert done.exit_code == 2
    assert "names no image" in done.stderr
    assert done.stdout == ""


def test_a_tag_alone_is_warned_of():
    done = values("registry.example/kong-mcp:0.2.0")
    assert done.exit_code == 0
    assert "has no digest" in done.stderr


@pytest.mark.parametrize("name", ["kong-mcp", "localhost:5000/kong-mcp", "registry.example/a/b__c/kong-mcp:0.2.0"])
def test_the_image_stands_in_all_three_containers_and_nothing_else_is_changed(name):
    done = values(name + DIGEST)
    assert (done.exit_code, done.stderr) == (0, "")
    rendered = yaml.safe_load(done.stdout)
    deployment = rendered["deployment"]
    containers = deployment["initContainers"] + deployment["sidecarContainers"]
    assert [container.pop("image") for container in containers] == 3 * [name + DIGEST]
    shipped = yaml.safe_load((ROOT / "kong/values.yaml").read_text())
    for one in shipped["deployment"]["initContainers"] + shipped["deployment"]["sidecarContainers"]:
        one.pop("image")
    assert rendered == shipped


def test_what_is_a_person_s_to_write_is_short_and_replaces_no_list_of_the_release():
    text = (ROOT / "kong/values-mine.yaml").read_text()
    assert len(text.splitlines()) < 40
    assert "deployment" not in yaml.safe_load(text)
