from __future__ import annotations

import itertools
from dataclasses import FrozenInstanceError, replace

import pytest

from mcp_core.principal import CONSUMER, NOBODY, TOKEN, Principal, consumer

ISSUER = "https://issuer.example"
ANN = Principal(TOKEN, "ann", ISSUER)

# Whoever is not the same caller, however alike they are written.
DIFFERENT = (
    NOBODY,
    consumer("ann"),
    consumer(""),
    consumer("nobody:"),
    consumer("token:ann"),
    consumer("id:ann"),
    ANN,
    replace(ANN, issuer="https://issuer.example/"),
    replace(ANN, issuer="https://other.example"),
    replace(ANN, id="Ann"),
    replace(ANN, kind=CONSUMER),
    Principal(TOKEN, "ann"),
    Principal(TOKEN, ANN.seal_key.partition("@")[2]),
    Principal(TOKEN, f"{ISSUER}:ann"),
    Principal(TOKEN, "x:ann", "https"),
    Principal(TOKEN, "ann", "https:x"),
    Principal(TOKEN, 'n", "a', "i"),
    Principal(TOKEN, "a", 'i", "n'),
    Principal(TOKEN, "\ud800", ISSUER),
)


@pytest.mark.requirement("SEAL-006")
def test_what_sealed_ids_compare_differs_for_every_two_callers():
    for one, other in itertools.combinations(DIFFERENT, 2):
        assert one.seal_key != other.seal_key, (one, other)


@pytest.mark.requirement("SEAL-006")
def test_groups_and_scopes_may_change_while_a_session_lasts():
    assert replace(ANN, groups=frozenset({"a"}), scopes=frozenset({"s"})).seal_key == ANN.seal_key


def test_what_sealed_ids_compare_stays_what_it_is_and_short():
    assert NOBODY.seal_key == "nobody:"
    assert consumer("ann").seal_key == "consumer:ann"
    assert ANN.seal_key == "token@xvn_qRAOJh9lUKCaGGdGn3FujVvN93RbIk2lfNqhX0c"
    assert len(Principal(TOKEN, "s" * 10_000, ISSUER * 100).seal_key) == len(ANN.seal_key)


def test_logs_have_a_name_for_everybody_but_nobody():
    assert (NOBODY.name, consumer("ann").name, ANN.name) == (None, "ann", "ann of https://issuer.example")


def test_a_principal_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        ANN.id = "bob"
