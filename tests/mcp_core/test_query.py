"""The query with which a server is asked: what may stand in it, how it is sent, and what of it is a secret."""

import pytest

from mcp_core.errand import GOOD_SECONDS, Address, AddressError, Errand, ErrandSigner
from mcp_core.query import MOST, MOST_LENGTH, TEXT, QueryError, is_secret, read, split

KEY = "of-the-server-0123456789"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("a=b", "write NAME: VALUE"),
        ({f"a{number}": "b" for number in range(MOST + 1)}, f"{MOST} parameters at most"),
        ({"": KEY}, "a name before each value"),
        ({1: KEY}, "a name before each value"),
        ({"api_key": ""}, "query.api_key: is empty"),
        ({"api_key": None}, "query.api_key: is empty"),
        ({"api_key": "{vault://env/key}"}, "a vault reference that Kong did not read"),
        ({"api_key": f"{KEY}-{{vault://env/key}}"}, "text around a vault reference"),
        ({"a": "\ud800"}, "UTF-8"),
        ({"a": "x" * MOST_LENGTH}, "longer than"),
        ({f"{KEY}\n": ""}, "query.*: is empty"),
    ],
)
@pytest.mark.requirement("ROUTE-083")
def test_what_cannot_be_sent_is_refused_and_no_value_is_shown(value, says):
    with pytest.raises(QueryError) as refused:
        read(value)
    assert says in str(refused.value)
    assert KEY not in str(refused.value)


@pytest.mark.requirement("ROUTE-083")
def test_a_query_is_sent_in_one_form_and_nothing_in_it_leaves_the_query():
    value = {"z": "a b&c=d#e?f\r\nHost: x", "api key": "ü/+", "plan": "basic"}
    text = read(value)
    assert text == "api%20key=%C3%BC%2F%2B&plan=basic&z=a%20b%26c%3Dd%23e%3Ff%0D%0AHost%3A%20x"
    assert TEXT.fullmatch(text)
    assert split(text) == value
    assert read(None) == read({}) == ""
    assert read({"a": "{vault://env/key}"}, resolved=False) == "a=%7Bvault%3A%2F%2Fenv%2Fkey%7D"


@pytest.mark.parametrize("text", ["a", "a=1&a=2", "=b", "a=b&", "a=b#c", "a=", "a=b&%61=c", "a=x{vault://env/k}"])
@pytest.mark.requirement("ROUTE-083")
def test_a_urls_query_that_could_be_read_in_two_ways_is_refused(text):
    with pytest.raises(QueryError):
        split(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[
            (name, "x")
            for name in ("api_key", "apikey", "apiKey", "APIKEY", "X-Api-Key", "access_token", "sig", "pass")
        ],
        *[(name, "x") for name in ("code", "client.secret", "subscription-key", "authorization", "jwt", "passwd")],
        ("q", "ghp_0123456789abcdefghijABCDEFGHIJ123456"),
        ("id", "9f86d081884c7d659a2feaa0c55ad015"),
        ("api_key", "x{vault://env/k}"),
    ],
)
@pytest.mark.requirement("ROUTE-084")
def test_what_seems_to_be_a_secret_is_one(name, value):
    assert is_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("plan", "basic"),
        ("v", "2"),
        ("profile", "team-sky"),
        ("author", "bob"),
        ("api_key", "{vault://env/weather-key}"),
    ],
)
@pytest.mark.requirement("ROUTE-084")
def test_what_says_what_a_server_is_for_is_none(name, value):
    assert not is_secret(name, value)


@pytest.mark.requirement("ROUTE-085")
def test_an_errand_carries_the_query_and_nothing_that_is_kept_or_printed_does():
    address = Address.read("mcp-a", "https", "/mcp", "api_key=k")
    signer = ErrandSigner([b"k" * 32])
    said = signer.verify(signer.sign(Errand(address, "POST /a", "x", GOOD_SECONDS)), "POST /a", now=0)
    assert said is not None
    assert said.target == address
    assert address.to_json() == ["mcp-a", "https", "/mcp"]
    assert "api_key" not in repr(address)
    assert Address.from_json(address.to_wire()) == address


@pytest.mark.parametrize("query", ["a=b c", "a=b#c", "a?b", "a=b\r\n", "a=ü", 7, None])
@pytest.mark.requirement("ROUTE-085")
def test_an_address_takes_no_query_that_is_more_than_one(query):
    with pytest.raises(AddressError):
        Address.read("mcp-a", "http", "/mcp", query)
