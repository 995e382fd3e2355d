"""The list of who is cut off: what it holds, until when, and what nobody else could have written."""

import msgspec
import pytest

from mcp_core.auth import revoked
from mcp_core.auth.revoked import Revocable, Revoked, Word, digest_of
from mcp_core.principal import TOKEN, Principal
from mcp_core.sealed_file import SealedFileError

RING = (b"k" * 32,)
ISSUER = "https://idp.example"
ANN = Principal(TOKEN, "ann", ISSUER, client="agent-1")
OF_ANN = digest_of(Revocable.SUBJECT, "ann", ISSUER)


def pack(values):
    return revoked.FILE.seal(msgspec.msgpack.encode(values), RING)


def read(data, ring=RING):
    return revoked.read_file(data, ring, msgspec.msgpack.decode)


@pytest.mark.requirement("AUTH-108")
@pytest.mark.parametrize(
    ("digest", "cut"),
    [
        (OF_ANN, True),
        (digest_of(Revocable.CLIENT, "agent-1", ISSUER), True),
        (digest_of(Revocable.SUBJECT, "ann", "https://other.example"), False),
        (digest_of(Revocable.SUBJECT, "Ann", ISSUER), False),
        (digest_of(Revocable.SUBJECT, "agent-1", ISSUER), False),
        (digest_of(Revocable.CLIENT, "ann", ISSUER), False),
        (digest_of(Revocable.SESSION, "ann"), False),
    ],
)
def test_a_word_cuts_off_whom_it_names_and_nobody_else(digest, cut):
    assert Revoked([Word(digest, 1, 100)]).cuts(ANN, 99) is cut
    assert not Revoked([Word(digest, 1, 100)]).cuts(ANN, 100)


@pytest.mark.requirement("AUTH-108")
def test_the_later_word_counts_in_whatever_order_they_come():
    cut, undone, again = Word(OF_ANN, 1, 100), Word(OF_ANN, 2, 0), Word(OF_ANN, 3, 100)
    for order in ((cut, undone), (undone, cut)):
        assert not Revoked(order).cuts(ANN, 50)
    for order in ((cut, undone, again), (again, undone, cut), (undone, again, cut)):
        assert Revoked(order).cuts(ANN, 50)


@pytest.mark.requirement("AUTH-108")
def test_a_file_says_what_was_written_and_names_nobody():
    data = pack(revoked.to_values("1", Revoked([Word(OF_ANN, 1, 100)])))
    assert read(data).cuts(ANN, 50)
    assert b"ann" not in data
    for bad in (data[:-1], b"", data + b"x"):
        with pytest.raises(SealedFileError):
            read(bad)
    with pytest.raises(SealedFileError):
        read(data, (b"z" * 32,))


@pytest.mark.parametrize(
    "values",
    [
        None,
        {"format": 2, "revoked": []},
        {"format": 1, "revoked": [], "but": [], "crit": ["but"]},
        {"format": 1},
        {"format": 1, "revoked": {}},
        {"format": 1, "revoked": [[b"short", 1, 2]]},
        {"format": 1, "revoked": [[OF_ANN, -1, 2]]},
        {"format": 1, "revoked": [[OF_ANN, 1]]},
        {"format": 1, "revoked": [[OF_ANN, "1", 2]]},
    ],
)
def test_what_is_no_list_is_not_read(values):
    with pytest.raises(SealedFileError):
        read(pack(values))
