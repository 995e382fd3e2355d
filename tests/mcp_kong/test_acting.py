"""The sidecar's word for whom it acts: forged, replayed, or of who is not known here, it opens nothing."""

import json
import time
from dataclasses import replace

import pytest
from kong_side import ANN, CONFIG, KEY, KongSide
from token_side import AUTH, KIT, OTHER, write

from mcp_core.acting import GOOD_SECONDS, Acting, ActingSigner, digest
from mcp_core.claims import ClaimSigner
from mcp_core.errand import Address, Errand, ErrandSigner
from mcp_core.principal import NOBODY, TOKEN, Principal, consumer
from mcp_kong.guard import Guard
from mcp_kong.keyfiles import ISSUER_KEYS_VARIABLE
from mcp_kong.settings_error import SettingsError

HEADER = "mcp-gateway-acting"
ROUTE = {"id": "r-1", "methods": None}
LEGACY = {"content-type": "application/json", "mcp-protocol-version": "2025-11-25", "host": "mcp-internal"}
CONSUMERS = {"ann": ANN, "c-1": ANN}
SUBJECT = Principal(TOKEN, "ann", KIT.issuer, scopes=frozenset({"mcp"}))


def body(name="open"):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name}}).encode()


def acting(data=None, **changed):
    values = {"server": "notes", "by": "desk", "http_method": "POST", "body": digest(data or body())}
    return Acting(**{**values, "principal": consumer("ann"), "expires": int(time.time()) + GOOD_SECONDS} | changed)


def word(*arguments, key=KEY, **changed):
    return ActingSigner([key]).sign(acting(*arguments, **changed))


def ask(said, data=None, config=None, **request):
    guard = Guard(CONFIG | {"deputies": "for-known", "hosts": ["gateway.example"]} | (config or {}))
    headers = LEGACY | ({} if said is None else {HEADER: said})
    side = KongSide(data or body(), headers, **{"route": ROUTE, "consumers": CONSUMERS} | request)
    guard.access(side.pdk)
    return side


def flipped(text):
    return text[:-1] + ("A" if text[-1] != "A" else "B")


def tampered():
    form, _, mac = word().split(".")
    other = word(principal=consumer("root")).split(".")[1]
    return f"{form}.{other}.{mac}"


def context():
    """The guard's own word to the sidecar, by the same keys."""
    side = KongSide(body(), LEGACY, route=ROUTE, consumer=ANN)
    Guard(CONFIG | {"members": ["weather"]}).access(side.pdk)
    return side.next_hop["mcp-gateway-context"]


def errand():
    asked = f"POST /{'notes'}"
    return ErrandSigner([KEY]).sign(Errand(Address("mcp-notes"), asked, "a", int(time.time()) + 10))


FORGERIES = {
    "none": lambda: None,
    "empty": lambda: "",
    "two of them": lambda: [word(), word()],
    "another key": lambda: word(key=b"x" * 32),
    "a bit changed": lambda: flipped(word()),
    "another principal under the same signature": tampered,
    "another format": lambda: "2" + word()[1:],
    "no signature": lambda: word().rpartition(".")[0],
    "expired": lambda: word(expires=int(time.time()) - 1),
    "good for ever": lambda: word(expires=int(time.time()) + 3600),
    "of another member": lambda: word(server="weather"),
    "of another body": lambda: word(body("bad")),
    "of another HTTP method": lambda: word(http_method="DELETE"),
    "an errand of the same keys": errand,
    "a context of the same keys": context,
}


@pytest.mark.requirement("VIRT-001")
@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_word_that_was_not_signed_for_this_request_opens_nothing(forge):
    side = ask(forge(), consumer=ANN)
    status, said, _ = side.exit
    assert status == 403
    assert json.loads(said)["error"]["message"] == "Forbidden"
    assert side.upstream is None
    assert "client.load_consumer" not in side.names()


@pytest.mark.requirement("VIRT-001")
def test_a_route_of_agents_takes_no_word_however_good():
    side = ask(word(), config={"deputies": "nobody", "hosts": []}, consumer=ANN)
    assert side.exit[0] == 400
    assert side.upstream is None


@pytest.mark.requirement("VIRT-001")
def test_the_member_decides_by_its_own_policy_for_whom_the_word_names():
    rules = {"rules": [{"consumers": ["ann"], "tools": {"allow": ["bad"]}}]}
    assert ask(word(body("bad")), body("bad")).exit[0] == 200  # as of a tool that does not exist
    for_ann = ask(word(body("bad")), body("bad"), rules)
    assert for_ann.exit is None
    assert for_ann.upstream == "notes-replicas"
    by_group = {"rules": [{"groups": ["readers"], "tools": {"allow": ["bad"]}}]}
    assert ask(word(body("bad")), body("bad"), by_group).exit is None


@pytest.mark.requirement("VIRT-001")
def test_what_is_good_is_counted_for_the_consumer_and_goes_no_further():
    side = ask(word())
    assert side.exit is None
    assert side.names().count("request.get_raw_body") == 1
    assert side.arguments("client.authenticate") == [(ANN, None)]
    assert HEADER not in side.next_hop
    listed = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
    inspected = ask(word(listed), listed)
    assert inspected.upstream == "mcp-sidecar"
    assert HEADER not in inspected.next_hop
    assert HEADER not in ask(word(body("bad")), body("bad")).next_hop


@pytest.mark.requirement("VIRT-002")
@pytest.mark.parametrize("who", [NOBODY, consumer("gone"), SUBJECT, consumer("id:c-9")], ids=repr)
def test_who_is_not_known_to_the_member_gets_nothing(who):
    side = ask(word(principal=who))
    assert side.exit[0] == 403
    assert side.upstream is None
    assert dict(side.arguments("log.set_serialize_value"))["mcp"]["reason"] == "principal-unknown"


@pytest.mark.requirement("VIRT-301")
def test_the_sidecar_hears_why_a_member_refused_what_it_asked_and_nobody_else_does():
    refused, told = ask(word(body("bad")), body("bad")).exit[2], "Mcp-Gateway-Refused"
    refused = {name.lower(): value for name, value in refused.items()}
    assert refused[told.lower()] == "-32602 denied-item"
    side = KongSide(body("bad"), LEGACY, route=ROUTE, consumer=ANN)
    Guard(CONFIG).access(side.pdk)
    assert side.exit[0] == 200
    for stranger in (side, ask(None), ask(word(principal=NOBODY)), ask(tampered())):
        assert told.lower() not in {name.lower() for name in stranger.exit[2]}


@pytest.mark.requirement("VIRT-002")
def test_a_member_that_asks_nobody_who_they_are_is_told_of_nobody():
    rules = {"rules": [{"consumers": ["ann"], "tools": {"allow": ["bad"]}}], "deputies": "for-anyone"}
    assert ask(word(), config=rules).exit is None
    assert ask(word(body("bad")), body("bad"), rules).exit[0] == 200


@pytest.fixture
def issuer_keys(tmp_path, monkeypatch):
    monkeypatch.setenv(ISSUER_KEYS_VARIABLE, str(tmp_path / "issuer-keys"))
    write(tmp_path / "issuer-keys")


TOKENS = {
    "the subject of a token": (SUBJECT, None),
    "a consumer of Kong": (consumer("ann"), "token-issuer"),
    "nobody": (NOBODY, "token-issuer"),
    "the subject of another issuer": (replace(SUBJECT, issuer=OTHER.issuer), "token-issuer"),
    "a subject for whom nine act, one for the other": (replace(SUBJECT, via="x", actors=9), "token-actors"),
    "a subject without the scope that is required": (replace(SUBJECT, scopes=frozenset()), "token-scope"),
}


@pytest.mark.requirement("VIRT-002")
@pytest.mark.usefixtures("issuer_keys")
@pytest.mark.parametrize(("who", "reason"), TOKENS.values(), ids=TOKENS.keys())
def test_where_tokens_are_taken_the_issuers_and_scopes_of_the_member_hold(who, reason):
    side = ask(word(principal=who), config={"auth": AUTH})
    if reason is None:
        assert side.exit is None
        assert side.upstream == "notes-replicas"
    else:
        assert side.exit[0] == 403
        assert dict(side.arguments("log.set_serialize_value"))["mcp"]["reason"] == reason


@pytest.mark.requirement("VIRT-003")
def test_a_virtual_server_is_never_a_member_and_never_takes_the_call_lane():
    with pytest.raises(SettingsError, match="no member of another one"):
        Guard(CONFIG | {"members": ["weather"], "deputies": "for-known"})
    guard = Guard(CONFIG | {"members": ["weather"]})
    side = KongSide(body(), LEGACY, route=ROUTE, consumer=ANN)
    guard.access(side.pdk)
    assert side.upstream == "mcp-sidecar"
    said = ClaimSigner([KEY]).verify(side.next_hop["mcp-gateway-context"], now=time.time())
    claims, _ = said
    assert claims.terms.virtual.members == ("weather",)
    assert claims.principal == consumer("ann", ["readers"])


@pytest.mark.requirement("VIRT-003")
@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({"members": ["a", "a"]}, "members"),
        ({"members": ["A"]}, "members"),
        ({"members": ["a"], "prefix": "often"}, "prefix"),
        ({"members": ["a"], "budget": {"tokens": -1}}, "budget.tokens"),
        ({"members": ["a"], "budget": {"mode": "full"}}, "budget.tokens"),
        ({"members": ["a"], "budget": {"tokens": 5, "mode": "some"}}, "budget.mode"),
        ({"members": ["a"], "budget": {"tokens": 0, "mode": "search"}}, "budget.tokens"),
        ({"members": ["a"], "budget": {"tokens": 5, "pinned": "x"}}, "budget.pinned"),
        ({"deputies": "all"}, "deputies"),
    ],
)
def test_settings_that_cannot_be_used_say_which(config, wanted):
    with pytest.raises(SettingsError, match=wanted):
        Guard(CONFIG | config)
