"""Which gateway each of the suite's scenarios `auth/*` has in front of it."""

import pytest

from conformance import authorization, run, suite
from conformance.compare import Check, Scenario, once

pytestmark = pytest.mark.requirement("LOGIN-002")


def test_each_scenario_is_in_one_group_and_what_needs_nothing_special_in_the_first():
    names = ["auth/metadata-default", "auth/scope-step-up", "auth/metadata-var3", "auth/basic-cimd"]
    found = authorization.groups(names)
    assert found[0].names == ("auth/metadata-default", "auth/basic-cimd")
    assert sorted(name for group in found for name in group.names) == sorted(names)
    assert [group.tenant for group in found] == ["", "/tenant1", ""]
    assert authorization.groups(["auth/scope-step-up"])[0].auth["denial"] == "challenge"


def test_equal_checks_count_once():
    checks = (Check("token", "A", "SUCCESS"), Check("token", "A", "SUCCESS"), Check("prm", "B", "SUCCESS"))
    assert once({"s": Scenario("s", checks)}) == {"s": Scenario("s", (checks[2], checks[0]))}


def test_a_check_that_failed_once_stays_beside_the_one_that_passed():
    checks = (Check("token", "A", "SUCCESS"), Check("token", "A", "FAILURE"))
    assert once({"s": Scenario("s", checks)})["s"].passed() == 1
    assert once({"s": Scenario("s", checks)})["s"].count() == 2


@pytest.mark.skipif(not suite.present(), reason="the suite is not installed: make node")
@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_every_scenario_of_the_suite_runs(revision):
    listed = suite.scenarios("auth", revision)
    assert len(listed) == len(set(listed))
    assert sorted(name for group in authorization.groups(listed) for name in group.names) == sorted(listed)
    assert not [name for name in listed if name.startswith(tuple(run.NOT_COMPARED))]
    assert not [name for name in suite.scenarios("client", revision) if name.startswith("auth/")]


@pytest.mark.skipif(not suite.present(), reason="the suite is not installed: make node")
def test_what_belongs_to_no_revision_is_known_as_an_extension():
    known = {name for revision in suite.REVISIONS for name in suite.scenarios("auth", revision)}
    left_out = [name for name in suite.all_scenarios() if name.startswith("auth/") and name not in known]
    assert all(name.startswith("auth/2025-03-26-") for name in left_out), "of the revision that had no metadata"
    special = {name for group in authorization.GROUPS for name in group.names}
    assert special | set(authorization.QUICK) | set(authorization.EXTENSIONS) <= known
