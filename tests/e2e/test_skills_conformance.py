"""The official suite's scenarios for skills (SEP-2640): directly, and behind a gateway."""

from __future__ import annotations

import json
import os

import pytest

from conformance import suite
from conformance.compare import read_scenarios
from e2e.harness import KINDS, start
from e2e.test_skills_and_apps import APP, HONEST, NAMED, SCRIPT

SCENARIOS = ("sep-2640-skills-directory", "sep-2640-skills-enumeration", "sep-2640-skills-manifest")
CHECKS = 45
"""How many checks of the pinned suite pass without a gateway."""

pytestmark = [pytest.mark.long, pytest.mark.skipif(not suite.present(), reason="needs the suite: make node")]


def judge(url, folder):
    """Return the outcome of every check, by scenario and id."""
    suite._empty(folder)
    for name in SCENARIOS:
        suite._logged(folder, ["server", "--url", url, "-o", str(folder), "--scenario", name], os.environ)
    scenarios = read_scenarios(folder).values()
    return {(scenario.name, check.id): check.status for scenario in scenarios for check in scenario.checks}


@pytest.mark.requirement("SKILL-012")
def test_no_check_for_skills_differs_behind_the_gateway(tmp_path):
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"files": {uri: text for uri, text in HONEST.items() if uri != APP}}))
    policy = NAMED | {"pins": {"mode": "enforce", "trust": "own"}}
    # It takes long: where there is a real Kong, that one is enough.
    with start(KINDS[-1], {"skills": 1}, policy, (), ("--state", str(state)), SCRIPT) as running:
        direct = judge(running.servers["skills"][0].url, tmp_path / "direct")
        assert set(direct.values()) == {"SUCCESS"}
        assert len(direct) >= CHECKS
        assert judge(running.url("skills"), tmp_path / "behind") == direct
