"""What is open ends when it is cut off, whenever the list and the request come to know of each other."""

import anyio
import anyio.lowlevel
import pytest

from mcp_core.auth.revoked import Revocable, Revoked, Word, digest_of, session_mark
from mcp_sidecar.lane.cutting import Cuts

pytestmark = pytest.mark.requirement("AUTH-301")
NOW = 1_800_000_000


def listed(session, until=NOW + 9, at=1):
    return Revoked([Word(digest_of(Revocable.SESSION, session), at, until)])


def run(work):
    return anyio.run(work)


def ends(*marks, before=None, later=None, opens=None):
    """Return whether a request ends, of a list that was there before, and of one that comes while it is open."""
    cuts = Cuts(lambda: NOW)
    if before is not None:
        cuts.hear(before)

    async def work():
        with cuts.watch([session_mark(one) for one in marks]) as watched, watched.scope:
            if opens is not None:
                watched.opens(opens)
            if later is not None:
                cuts.hear(later)
            await anyio.lowlevel.checkpoint()
        return watched.scope.cancelled_caught

    ended = run(work)
    assert len(cuts) == 0
    return ended


def test_it_ends_when_the_list_comes_to_name_it():
    assert ends("a", "b", later=listed("b"))
    assert not ends("a", "b", later=listed("c"))
    assert not ends(later=listed("b"))


def test_it_ends_at_once_where_the_list_names_it_already():
    assert ends("a", before=listed("a"))
    assert not ends("a", before=listed("a", until=NOW))


def test_it_ends_by_a_session_that_it_opened_itself():
    assert ends(opens="a", later=listed("a"))
    assert ends(opens="a", before=listed("a"))
    assert not ends(later=listed("a"))


def test_what_was_taken_back_ends_nothing():
    assert not ends("a", before=listed("a", until=0, at=2))


def test_a_mark_that_is_none_is_passed_over():
    cuts = Cuts(lambda: NOW)

    async def work():
        with cuts.watch(["no base64url!"]) as watched, watched.scope:
            cuts.hear(listed("a"))
            await anyio.lowlevel.checkpoint()
        return watched.scope.cancelled_caught

    assert not run(work)
