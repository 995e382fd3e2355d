"""The decK files as Kong gets them: the golden file, the agreement with decK, and the template."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from deck.support import DECK, ENV, FILES, deck, dump, load
from kong_devkit.render import render

GOLDEN = Path(__file__).parent / "golden" / "examples.yaml"
KONGS_OWN_DEFAULTS = {"regex_priority": 0, "hash_on_cookie_path": "/", "weight": 100}


def normal(value: Any) -> Any:
    """Drop what is Kong's default anyway, and the order of entities, which means nothing."""
    if isinstance(value, dict):
        return {key: normal(item) for key, item in value.items() if KONGS_OWN_DEFAULTS.get(key) != item}
    if isinstance(value, list):
        return sorted((normal(item) for item in value), key=repr_of)
    return value


def repr_of(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=True)


@pytest.mark.requirement("DECK-007")
def test_the_examples_render_to_the_golden_file() -> None:
    assert render(FILES, ENV) == load(GOLDEN)


@pytest.mark.requirement("DECK-007")
def test_deck_renders_the_same_as_our_renderer(tmp_path: Path) -> None:
    output = tmp_path / "deck.yaml"
    done = deck("file", "render", *FILES, "--populate-env-vars", "-o", output)
    assert done.returncode == 0, done.stderr
    assert normal(load(output)) == normal(render(FILES, ENV))


@pytest.mark.requirement("DECK-007")
def test_deck_accepts_what_our_renderer_wrote(tmp_path: Path) -> None:
    done = deck("file", "validate", dump(render(FILES, ENV), tmp_path / "ours.yaml"))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.requirement("DECK-007")
def test_nothing_is_left_that_only_deck_understands() -> None:
    text = yaml.safe_dump(render(FILES, ENV))
    assert "_info" not in text
    assert "_plugin_configs" not in text
    assert "_config" not in text
    assert "DECK_" not in text


@pytest.mark.requirement("DECK-009")
def test_the_template_adds_a_server_in_under_twenty_lines(tmp_path: Path) -> None:
    template = (DECK / "template.yaml").read_text(encoding="utf-8")
    assert len(template.splitlines()) < 20
    mine = tmp_path / "weather.yaml"
    mine.write_text(template.replace("NAME", "weather").replace("HOST:PORT", "127.0.0.1:9301"), encoding="utf-8")
    services = {service["name"]: service for service in render([DECK / "shared.yaml", mine], ENV)["services"]}
    assert services["mcp-weather"]["host"] == "closed"
    assert set(services) == {"mcp-weather", "mcp-internal", "mcp-internal-stream"}


@pytest.mark.requirement("DECK-008")
def test_the_upstream_closed_has_no_targets() -> None:
    closed = next(item for item in render(FILES, ENV)["upstreams"] if item["name"] == "closed")
    assert "targets" not in closed


@pytest.mark.requirement("DECK-022")
def test_a_sync_is_for_what_has_the_tag_and_a_rendered_file_needs_none() -> None:
    assert load(DECK / "shared.yaml")["_info"]["select_tags"] == ["kong-mcp"]
    assert "select_tags" not in yaml.safe_dump(render(FILES, ENV))


@pytest.mark.requirement("HEALTH-010")
def test_checks_of_a_sidecar_have_patience_and_find_a_frozen_one_within_ten_seconds() -> None:
    """Kong leaves out a check while the one before it goes on, so one without an answer takes the next one's place."""
    (sidecar,) = (upstream for upstream in render(FILES, ENV)["upstreams"] if upstream["name"] == "mcp-sidecar")
    active = sidecar["healthchecks"]["active"]
    interval, patience, number = active["healthy"]["interval"], active["timeout"], active["unhealthy"]["timeouts"]
    standstill = (number - 1) * interval * -(-patience // interval) + patience
    assert patience >= 3
    assert standstill >= 7
    assert interval + standstill <= 10
    assert sidecar["healthchecks"]["passive"]["unhealthy"]["tcp_failures"] == 1
