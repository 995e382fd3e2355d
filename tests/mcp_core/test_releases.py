"""What other releases wrote is read, or is as if it were not there: tests/releases/format_1.json holds bytes of 0.1."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path

import msgspec
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcp_core.answer import ServerMessages
from mcp_core.claims import ClaimSigner
from mcp_core.inspection import Inspection, Mode
from mcp_core.methods import Era, Kind
from mcp_core.pins.snapshot import FILE, Snapshot, read_file
from mcp_core.pins.states import Pinning
from mcp_core.principal import NOBODY, TOKEN, Principal, consumer
from mcp_core.question import Asked, Question
from mcp_core.seal import ENDPOINT_PURPOSE, REFUSAL_PURPOSE, SESSION_PURPOSE, Sealer, Session, SessionSealer, derive
from mcp_core.sealed_file import SealedFileError
from mcp_core.tasks import Task, TaskSealer

OLD = json.loads((Path(__file__).parents[1] / "releases/format_1.json").read_text())
KEY = base64.b64decode(OLD["key"])
ANN = consumer("ann")


def sessions(purpose=SESSION_PURPOSE):
    return SessionSealer([KEY], AESGCM, InvalidTag, purpose)


def tasks():
    return TaskSealer([KEY], AESGCM, InvalidTag)


def opened(token, principal=ANN, server="notes", purpose=SESSION_PURPOSE):
    return sessions(purpose).open(token, server, principal, now=1000, max_age=60)


@pytest.mark.requirement("SEAL-007")
def test_ids_of_the_last_release_open_for_who_had_them():
    assert opened(OLD["session"]) == Session("notes", ANN, "up-1", "a1", 1000)
    assert opened(OLD["session of nobody"], NOBODY) == Session("notes", NOBODY, "up-1", "a1", 1000)
    assert opened(OLD["endpoint"], purpose=ENDPOINT_PURPOSE).upstream == "/messages?s=1"
    assert tasks().open(OLD["task"], "notes", ANN) == Task("up-1", "a1")
    refusals = Sealer([KEY], AESGCM, InvalidTag, REFUSAL_PURPOSE, ("r",))
    assert json.loads(refusals.open(OLD["refusal"], "notes", ANN)["r"])["id"] == 1


@pytest.mark.requirement("SEAL-006")
@pytest.mark.parametrize(
    "other", [NOBODY, consumer("bob"), Principal(TOKEN, "ann"), Principal(TOKEN, "ann", "https://issuer.example")]
)
def test_ids_of_the_last_release_open_for_nobody_else(other):
    assert opened(OLD["session"], other) is None
    assert opened(OLD["session of nobody"], ANN) is None
    assert opened(OLD["session"], server="files") is None
    assert opened(OLD["endpoint"]) is None
    assert tasks().open(OLD["task"], "notes", other) is None


@pytest.mark.requirement("SEAL-007")
def test_no_text_of_one_format_is_one_of_another():
    new = sessions().seal(Session("notes", ANN, "up-1", "a1", 1000), b"n" * 12)
    assert opened(new) is not None
    bare = new.removeprefix("2.")
    for token in (
        bare,
        f"1.{bare}",
        f"3.{bare}",
        f"02.{bare}",
        f".{bare}",
        f"2.{OLD['session']}",
        f"1.{OLD['session']}",
    ):
        assert opened(token) is None


@pytest.mark.requirement("SEAL-007")
def test_a_guard_of_the_last_release_gets_ids_that_it_reads():
    session, nobodys = Session("notes", ANN, "up-1", "a1", 1000), Session("notes", NOBODY, "up-1", "a1", 1000)
    assert sessions().seal(session, b"twelve bytes", 1) == OLD["session"]
    assert sessions().seal(nobodys, b"twelve bytes", 1) == OLD["session of nobody"]
    assert tasks().seal(Task("up-1", "a1"), "notes", ANN, 1) == OLD["task"]
    token = Principal(TOKEN, "ann", "https://issuer.example")
    sealed = sessions().seal(Session("notes", token, "up-1", "a1", 1000), b"n" * 12, 1)
    assert opened(sealed) is None
    assert opened(sealed, token) is not None


def sealed_anew(value, purpose, server="notes", number="2"):
    """Seal a value as another release might: under the same key, for the same purpose."""
    nonce, bound = b"n" * 12, f"{number}\0{server}".encode()
    data = nonce + AESGCM(derive(KEY, purpose)).encrypt(nonce, json.dumps(value).encode(), bound)
    return f"{number}.{base64.urlsafe_b64encode(data).rstrip(b'=').decode()}"


WHOLE = {"p": ANN.seal_key, "u": "up-1", "a": "a1", "t": 1000}


@pytest.mark.requirement("SEAL-007")
def test_ids_with_members_that_another_release_added_open_unless_those_are_critical():
    more = WHOLE | {"region": "eu"}
    assert opened(sealed_anew(more | {"crit": ["u"]}, SESSION_PURPOSE)) == Session("notes", ANN, "up-1", "a1", 1000)
    assert opened(sealed_anew(more | {"crit": ["region"]}, SESSION_PURPOSE)) is None
    task = {"p": ANN.seal_key, "u": "up-1", "a": "a1", "region": "eu"}
    assert tasks().open(sealed_anew(task, "kong-mcp task"), "notes", ANN) == Task("up-1", "a1")
    assert tasks().open(sealed_anew(task | {"crit": ["region"]}, "kong-mcp task"), "notes", ANN) is None


@pytest.mark.requirement("SEAL-007")
@pytest.mark.parametrize(
    "value",
    [
        [],
        None,
        7,
        [*WHOLE.values()],
        {},
        *({name: value for name, value in WHOLE.items() if name != left} for left in WHOLE),
        *(WHOLE | {name: odd} for name in WHOLE for odd in (None, [], 1.5)),
        *(WHOLE | {"crit": odd} for odd in (None, "u", {}, [7])),
    ],
)
def test_an_id_of_any_other_shape_opens_nothing_and_raises_nothing(value):
    for purpose in (SESSION_PURPOSE, ENDPOINT_PURPOSE):
        assert opened(sealed_anew(value, purpose), purpose=purpose) is None
        assert opened(sealed_anew(WHOLE, purpose, number="3"), purpose=purpose) is None
    task = value if not isinstance(value, dict) else {name: one for name, one in value.items() if name != "t"}
    if task != {name: WHOLE[name] for name in ("p", "u", "a")}:
        assert tasks().open(sealed_anew(task, "kong-mcp task"), "notes", ANN) is None


@pytest.mark.requirement("SEAL-007")
@pytest.mark.parametrize(
    "values", [[], ["ann"], ["ann", "u", "a", 1, 2], {}, 7, None, ["ann", 1, "a", 1], ["ann", "u", "a", "1"]]
)
def test_an_id_of_the_last_release_with_other_fields_opens_nothing(values):
    nonce = b"n" * 12
    data = nonce + AESGCM(derive(KEY, SESSION_PURPOSE)).encrypt(nonce, json.dumps(values).encode(), b"notes")
    assert opened(base64.urlsafe_b64encode(data).rstrip(b"=").decode()) is None


@pytest.mark.requirement("SEAL-008")
def test_contexts_of_the_last_release_are_read():
    claims, target = ClaimSigner([KEY]).verify(OLD["context"], now=0)
    asked = Question(Era.LEGACY, "2025-11-25", asked=(Asked(7, "tools/list"),))
    assert (claims.principal, claims.method, claims.id, claims.question, claims.format) == (
        ANN,
        "tools/list",
        7,
        asked,
        1,
    )
    assert claims.is_for(b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}')
    terms = claims.terms
    assert (terms.enforce, terms.lists_tasks, terms.hide, terms.pins) == (True, True, ("cookie",), Pinning.ENFORCE)
    assert (terms.inspection, terms.scan) == (
        Inspection(Mode.FLAG, Mode.BLOCK, Mode.FLAG),
        {"families": {"secrecy": "off"}},
    )
    assert terms.server_messages == ServerMessages()
    assert terms.view.allows(Kind.TOOL, "read")
    assert not terms.view.allows(Kind.TOOL, "write")
    assert (target.server, target.era, target.session, target.affinity) == ("notes", Era.LEGACY, "up-1", "a1")


@pytest.mark.requirement("SEAL-008")
def test_contexts_of_the_last_release_for_the_oldest_transport_are_read():
    get, stream = ClaimSigner([KEY]).verify(OLD["context of a GET"], now=0)
    assert (get.principal, get.http_method, get.id, get.terms.enforce) == (NOBODY, "GET", None, False)
    assert (get.announce, stream.endpoint, stream.address) == ("/notes/messages", None, None)
    post, target = ClaimSigner([KEY]).verify(OLD["context of 2024-11-05"], now=0)
    assert target.endpoint == "/messages?s=1"
    assert json.loads(post.refusal)["error"]["message"] == "no"


def shot(**more):
    """Return a snapshot file as another release might write it."""
    file = base64.b64decode(OLD["snapshot"])
    payload = msgspec.msgpack.decode(file[36:])
    return FILE.seal(msgspec.msgpack.encode(payload | more), [KEY])


def read(file) -> Snapshot:
    return read_file(file, [KEY], msgspec.msgpack.decode)


@pytest.mark.requirement("SEAL-009")
def test_the_snapshot_of_the_last_release_is_read():
    file = base64.b64decode(OLD["snapshot"])
    snapshot = read(file)
    assert hmac.compare_digest(file[4:36], hmac.digest(derive(KEY, "kong-mcp snapshot"), file[36:], hashlib.sha256))
    assert (snapshot.version, snapshot.generation, snapshot.head) == ("0.1.0", 12, (34, "abc"))
    assert snapshot.refusal("notes", Kind.TOOL, "read") is None
    assert snapshot.refusal("notes", Kind.TOOL, "write") == "drifted"


@pytest.mark.requirement("SEAL-009")
def test_a_snapshot_to_which_another_release_added_something_is_read_unless_that_is_critical():
    digest = b"r" * 32
    added = {
        "expires": 7,
        "servers": {"notes": {"tools": {"read": ["open", digest, "more"]}, "skills": {"s": ["open", digest]}}},
        "also": {"notes": {"skills": {"s": [digest]}}},
        "crit": ["servers"],
    }
    snapshot = read(shot(**added))
    assert snapshot.refusal("notes", Kind.TOOL, "read") is None
    assert snapshot.refusal("notes", Kind.TOOL, "s") == "unknown"
    for crit in (["expires"], "servers", [7], None):
        with pytest.raises(SealedFileError, match="release"):
            read(shot(**added | {"crit": crit}))
    for number in (0, 2, None, "1"):
        with pytest.raises(SealedFileError, match="release"):
            read(shot(format=number))
