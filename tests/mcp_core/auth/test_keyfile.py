import msgspec
import pytest

from mcp_core.auth import keyfile, keysets
from mcp_core.auth.keyfile import IssuerKeys
from mcp_core.pins import snapshot
from mcp_core.sealed_file import SealedFileError
from tokens.kit import Kit

KIT = Kit()
RING = (b"k" * 32, b"o" * 32)
ISSUERS = {
    KIT.issuer: IssuerKeys(keysets.read(KIT.jwks()), 1.8e9),
    "https://away.example": IssuerKeys(keysets.read_keys([]), 5),
}
VALUES = keyfile.to_values("0.1", ISSUERS)


def sealed(values, ring=RING):
    return keyfile.FILE.seal(msgspec.msgpack.encode(values), ring)


def read(file, ring=RING):
    return keyfile.read_file(file, ring, msgspec.msgpack.decode)


@pytest.mark.requirement("AUTH-010")
def test_what_is_written_is_read_by_every_key_of_the_ring():
    for ring in (RING, RING[::-1], RING[:1]):
        again = read(sealed(VALUES), ring)
        assert {issuer: one.until for issuer, one in again.items()} == {KIT.issuer: 1.8e9, "https://away.example": 5}
        assert [key.id for key in again[KIT.issuer].keys.keys] == [key.id for key in ISSUERS[KIT.issuer].keys.keys]


@pytest.mark.requirement("AUTH-010")
@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"KMI1",
        sealed(VALUES)[:-1],
        sealed(VALUES) + b"x",
        sealed(VALUES, (b"x" * 32,)),
        snapshot.FILE.seal(msgspec.msgpack.encode(VALUES), RING),
        b"KMI1" + snapshot.FILE.seal(msgspec.msgpack.encode(VALUES), RING)[4:],
        keyfile.FILE.seal(b"\xc1", RING),
        sealed([]),
        sealed({**VALUES, "format": 2}),
        sealed({**VALUES, "audience": "all", "crit": ["audience"]}),
        sealed({**VALUES, "issuers": []}),
        sealed({**VALUES, "issuers": {"i": []}}),
        sealed({**VALUES, "issuers": {"i": {"keys": []}}}),
        sealed({**VALUES, "issuers": {"i": {"keys": {}, "until": 5}}}),
        sealed({**VALUES, "issuers": {"i": {"keys": [], "until": True}}}),
    ],
    ids=lambda _: "",  # their bytes differ from run to run
)
def test_a_file_that_cannot_be_believed_is_an_error(file):
    with pytest.raises(SealedFileError):
        read(file)


def test_a_snapshot_of_pins_is_no_file_of_keys_and_the_other_way():
    with pytest.raises(SealedFileError):
        snapshot.read_file(sealed(VALUES), RING, msgspec.msgpack.decode)
