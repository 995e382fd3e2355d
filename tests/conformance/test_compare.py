"""What makes two runs of the official suite differ."""

import json

import pytest

from conformance.compare import Check, Scenario, count, differences, failures, passed, read_scenarios

pytestmark = pytest.mark.requirement("CONF-001")
STAMP = "2026-01-02T03-04-05-678Z"


def scenario(*checks, name="ping", ended_well=True):
    return {name: Scenario(name, tuple(sorted(checks)), ended_well)}


GOOD = Check("a", "Answers", "SUCCESS")
BAD = Check("a", "Answers", "FAILURE", "no answer")


def test_equal_runs_do_not_differ():
    assert differences(scenario(GOOD), scenario(GOOD)) == {}


def test_a_check_that_fails_on_one_side_is_named_with_its_message():
    found = differences(scenario(GOOD), scenario(BAD))
    assert found == {"ping": ["ping: Answers [a]: SUCCESS / FAILURE no answer"]}


def test_a_check_that_only_passes_behind_the_gateway_differs_too():
    assert differences(scenario(BAD), scenario(GOOD)) == {"ping": ["ping: Answers [a]: FAILURE / SUCCESS no answer"]}


def test_a_check_that_one_side_skips_or_lacks_differs():
    skipped = Check("a", "Answers", "SKIPPED")
    assert differences(scenario(GOOD), scenario(skipped)) == {"ping": ["ping: Answers [a]: SUCCESS / SKIPPED"]}
    assert differences(scenario(GOOD, GOOD), scenario(GOOD)) == {
        "ping": ["ping: Answers [a]: SUCCESS+SUCCESS / SUCCESS"]
    }
    assert differences(scenario(GOOD), scenario()) == {"ping": ["ping: Answers [a]: SUCCESS / nothing"]}


def test_the_same_failure_on_both_sides_is_no_difference_but_a_failure():
    assert differences(scenario(BAD), scenario(BAD)) == {}
    assert failures(scenario(BAD)) == ["ping: Answers [a]: FAILURE no answer"]


def test_the_wording_of_a_message_may_differ():
    other = Check("a", "Answers", "FAILURE", "no answer after 12 ms")
    assert differences(scenario(BAD), scenario(other)) == {}


def test_a_scenario_that_only_one_side_ran_differs():
    assert differences(scenario(GOOD), {}) == {"ping": ["ping: was only run directly"]}
    assert differences({}, scenario(GOOD)) == {"ping": ["ping: was only run behind the gateway"]}


def test_an_agent_that_fails_on_one_side_differs_although_every_check_passed():
    found = differences(scenario(GOOD), scenario(GOOD, ended_well=False))
    assert found == {"ping": ["ping: the agent failed behind the gateway only"]}
    assert failures(scenario(GOOD, ended_well=False)) == ["ping: every check passed, but the agent failed"]


def test_a_warning_is_a_failure_and_judging_nothing_is_one():
    assert failures(scenario(Check("a", "Answers", "WARNING", "late"))) == ["ping: Answers [a]: WARNING late"]
    assert failures(scenario()) == ["ping: nothing was judged"]
    assert failures(scenario(Check("a", "Answers", "SKIPPED"))) == []


def test_skipped_checks_are_not_counted():
    run = scenario(GOOD, BAD, Check("b", "More", "SKIPPED"))
    assert (passed(run), count(run)) == (1, 2)


@pytest.mark.parametrize("folder", ["ping", "server-ping", "server-server-ping", "auth/ping"])
def test_results_are_read_under_the_scenarios_name_without_log_lines(tmp_path, folder):
    checks = [
        {"id": "a", "name": "Answers", "status": "SUCCESS"},
        {"id": "log", "name": "Sent", "status": "INFO"},
    ]
    path = tmp_path / f"{folder}-{STAMP}" / "checks.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(checks), encoding="utf-8")
    name = folder.removeprefix("server-")
    assert read_scenarios(tmp_path, {name: False}.get) == scenario(GOOD, name=name, ended_well=False)
