"""Which gateway each of the suite's scenarios `auth/*` has in front of it."""

import pytest

from conformance import authorization, suite
from conformance.compare import Check, Scenario, once

pytestmark = pytest.mark.requirement("LOGIN-002")


def test_each_scenario_is_in_one_group_and_what_needs_nothing_special_in_the_first():
    names = ["auth/metadata-default", "auth/scope-step-up", "auth/metadata-var3", "auth/basic-cimd"]
    found = authorization.groups(names)
    assert found[0].names == ("auth/metadata-default", "auth/basic-cimd")
    assert sorted(name for group in found for name in group.names) == sorted(names)
    assert [group.tenant for group in found] == ["", "/tenant1", ""]
    assert authorization.groups(["auth/scope-step-up"])[0].auth["denial"] == "challenge"


def test_equal_checks_count_once_and_what_is_not_judged_does_not():
    checks = (Check("token", "A", "SUCCESS"), Check("token", "A", "SUCCESS"), Check("prm", "B", "SUCCESS"))
    assert once({"s": Scenario("s", checks)}, {}) == {"s": Scenario("s", (checks[2], checks[0]))}
    assert once({"s": Scenario("s", checks)}, {"s": {"prm"}}) == {"s": Scenario("s", (checks[0],))}


def test_a_check_that_failed_once_stays_beside_the_one_that_passed():
    checks = (Check("token", "A", "SUCCESS"), Check("token", "A", "FAILURE"))
    assert once({"s": Scenario("s", checks)}, {})["s"].passed() == 1
    assert once({"s": Scenario("s", checks)}, {})["s"].count() == 2


@pytest.mark.skipif(not suite.present(), reason="the suite is not installed: make node")
def test_every_scenario_of_the_suite_runs_or_is_named_with_a_reason():
    listed = suite.scenarios("auth", "2026-07-28")
    assert len(listed) == len(set(listed))
    assert set(authorization.EXTENSIONS) <= set(listed)
    special = {name for group in authorization.GROUPS for name in group.names}
    assert special <= set(listed)
    assert set(authorization.QUICK) <= set(listed)
    assert not [name for name in suite.scenarios("client", "2026-07-28") if name.startswith("auth/")]
