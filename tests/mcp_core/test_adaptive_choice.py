"""What a list of tools holds within a budget."""

import pytest

from mcp_core.adaptive import choice
from mcp_core.adaptive.choice import costs_of, fitting, mode_of
from mcp_core.token_count import tokens
from mcp_core.virtual import BudgetMode, ListBudget

ITEMS = {name: {"name": name, "description": "does " * 20} for name in ("a", "b", "c", "d")}
ONE = tokens([ITEMS["a"]])
COSTS = dict.fromkeys(ITEMS, ONE)


@pytest.mark.requirement("VIRT-010")
@pytest.mark.parametrize(
    ("budget", "mode"),
    [
        (None, BudgetMode.FULL),
        (ListBudget(tokens(ITEMS.values())), BudgetMode.FULL),
        (ListBudget(tokens(ITEMS.values()) - 1), BudgetMode.SEARCH),
        (ListBudget(0), BudgetMode.SEARCH),
        (ListBudget(0, BudgetMode.FULL), BudgetMode.FULL),
        (ListBudget(10_000, BudgetMode.SEARCH), BudgetMode.SEARCH),
        (ListBudget(10, BudgetMode.FILTERED), BudgetMode.FILTERED),
    ],
)
def test_what_fits_is_listed_and_search_takes_the_place_of_what_does_not(budget, mode):
    assert mode_of(ITEMS, budget) is mode


@pytest.mark.requirement("VIRT-010")
@pytest.mark.parametrize(
    ("budget", "used", "names"),
    [
        (ListBudget(2 * ONE), {}, ["a", "b"]),
        (ListBudget(2 * ONE), {"d": 3, "c": 1}, ["c", "d"]),
        (ListBudget(2 * ONE, pinned=("c", "nowhere")), {"d": 3}, ["c", "d"]),
        (ListBudget(0), {"d": 3}, []),
        (ListBudget(ONE), {}, ["a"]),
    ],
)
def test_the_pinned_come_first_then_the_most_used_and_the_order_of_the_list_stays(budget, used, names):
    assert fitting(COSTS, budget, used) == names


@pytest.mark.requirement("VIRT-010")
def test_one_that_is_too_long_is_passed_over():
    items = {"long": {"name": "long", "description": "x " * 5_000}, **ITEMS}
    budget = ListBudget(4 * ONE, BudgetMode.FILTERED)
    assert fitting(costs_of(items, budget), budget, {}) == list(ITEMS)


@pytest.mark.requirement("VIRT-106")
def test_no_more_is_counted_than_it_takes_to_tell_that_a_list_does_not_fit(monkeypatch):
    counted = []
    monkeypatch.setattr(choice, "tokens", lambda items: counted.extend(items) or ONE)
    assert mode_of(ITEMS, ListBudget(ONE)) is BudgetMode.SEARCH
    assert len(counted) == 2
