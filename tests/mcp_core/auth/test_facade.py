"""The gateway speaks for a provider: what it hands on, what it refuses, and that it issues nothing."""

import json
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_core.auth import config
from mcp_core.auth.facade import FORM, Answer, Facade

pytestmark = pytest.mark.requirement("LOGIN-007")
RESOURCE = "https://gateway.example/notes/mcp"
LOGIN = "https://idp.example/authorize"
TOKEN = "https://idp.example/token"
FACADE = Facade(RESOURCE, LOGIN, TOKEN, "api://notes/", "client-1", ("mcp",))
AUTHORIZE, REGISTER = "/notes/mcp/oauth/authorize", "/notes/mcp/oauth/register"


def authorize(query, facade=FACADE):
    return facade.answers(AUTHORIZE, "GET", query, b"")


def test_the_document_is_where_clients_look_and_names_itself():
    found = FACADE.answers("/.well-known/oauth-authorization-server/notes/mcp", "GET", "", b"")
    said = json.loads(found.body)
    assert (found.status, said["issuer"]) == (200, RESOURCE)
    assert said["authorization_endpoint"] == f"{RESOURCE}/oauth/authorize"
    assert said["token_endpoint"] == f"{RESOURCE}/oauth/token"
    assert said["registration_endpoint"] == f"{RESOURCE}/oauth/register"
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert "jwks_uri" not in said
    assert "authorization_response_iss_parameter_supported" not in said


def test_a_person_is_sent_on_without_the_resource_and_with_the_providers_scopes():
    query = (
        "client_id=a&scope=mcp+notes%3Awrite%20openid&resource=https%3A%2F%2Fgateway.example%2Fnotes%2Fmcp&state=%2Bx"
    )
    found = authorize(query)
    assert found.status == 302
    where = urlsplit(found.headers["Location"])
    assert f"{where.scheme}://{where.netloc}{where.path}" == LOGIN
    assert parse_qsl(where.query) == [
        ("client_id", "a"),
        ("scope", "api://notes/mcp api://notes/notes:write openid"),
        ("state", "+x"),
    ]
    kept = Facade(RESOURCE, f"{LOGIN}?p=1", TOKEN)
    assert authorize("client_id=a&scope=mcp", kept).headers["Location"] == f"{LOGIN}?p=1&client_id=a&scope=mcp"


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("client_id=a&client_id=b", "invalid_request"),
        ("client_id=a&client%5Fid=b", "invalid_request"),
        ("scope=mcp&sc%6Fpe=admin", "invalid_request"),
        ("resource=https://other.example/mcp", "invalid_target"),
        ("re%73ource=https://other.example/mcp", "invalid_request"),
        ("resource[]=https://other.example/mcp", "invalid_request"),
        ("state=x;resource=https://other.example/mcp", "invalid_request"),
        (" resource=https://other.example/mcp", "invalid_request"),
        ("a=b=c", "invalid_request"),
        ("a=%zz", "invalid_request"),
        ("", "invalid_request"),
        ("&", "invalid_request"),
        ("resource=", "invalid_target"),
        ("a=b\r\nSet-Cookie: x", "invalid_request"),
        ("a=b#c", "invalid_request"),
        ("a=b c", "invalid_request"),
    ],
)
def test_what_two_readers_could_take_otherwise_is_refused(query, error):
    found = authorize(query)
    assert (found.status, json.loads(found.body)["error"]) == (400, error)
    assert "Location" not in found.headers


def test_a_form_goes_to_the_provider_as_it_came_but_for_resource_and_scope():
    form = (
        b"grant_type=authorization_code&code=a%2Fb&resource=https%3A%2F%2Fgateway.example%2Fnotes%2Fmcp&redirect_uri=x"
    )
    assert FACADE.token_request(FORM, form) == b"grant_type=authorization_code&code=a%2Fb&redirect_uri=x"
    renewed = FACADE.token_request(f"{FORM}; charset=UTF-8", b"grant_type=refresh_token&refresh_token=r&scope=mcp")
    assert renewed == b"grant_type=refresh_token&refresh_token=r&scope=api%3A%2F%2Fnotes%2Fmcp"


@pytest.mark.parametrize(
    ("kind", "form", "error"),
    [
        (FORM, b"grant_type=password&username=ann&password=x", "unsupported_grant_type"),
        (FORM, b"grant%5Ftype=password&username=ann", "unsupported_grant_type"),
        (FORM, b"grant_type=urn:ietf:params:oauth:grant-type:device_code", "unsupported_grant_type"),
        (FORM, b"grant_type=authorization_code&grant_type=password", "invalid_request"),
        (FORM, b"grant_type=authorization_code;grant_type=password", "unsupported_grant_type"),
        (FORM, b"grant_type=authorization_code&grant_type[]=password", "invalid_request"),
        (FORM, b"grant_type=authorization_code&code=x;grant_type=password", "invalid_request"),
        (FORM, b"username=ann&password=x", "unsupported_grant_type"),
        (FORM, b"", "unsupported_grant_type"),
        (FORM, b"grant_type=authorization_code&code=1&resource=https://other.example", "invalid_target"),
        (FORM, b"grant_type=authorization_code&code=\xff", "invalid_request"),
        (FORM, b"grant_type=authorization_code&code=" + b"x" * 70_000, "invalid_request"),
        ("application/json", b'{"grant_type":"authorization_code"}', "invalid_request"),
        ("", b"grant_type=authorization_code", "invalid_request"),
    ],
)
def test_a_form_of_another_use_goes_nowhere(kind, form, error):
    found = FACADE.token_request(kind, form)
    assert isinstance(found, Answer)
    assert (found.status, json.loads(found.body)["error"]) == (400, error)


@given(st.dictionaries(st.from_regex(r"[a-z0-9_.-]{1,8}", fullmatch=True), st.text(max_size=12), max_size=6))
def test_whatever_is_handed_on_says_what_the_client_said(pairs):
    pairs = {name: value for name, value in pairs.items() if name not in ("resource", "scope", "grant_type")}
    form = urlencode({"grant_type": "authorization_code", **pairs, "resource": RESOURCE}).encode()
    found = FACADE.token_request(FORM, form)
    assert isinstance(found, bytes)
    kept = dict(parse_qsl(found.decode(), keep_blank_values=True))
    assert kept == {"grant_type": "authorization_code", **pairs}


def test_whoever_registers_is_given_the_client_that_the_provider_has():
    body = json.dumps({"redirect_uris": ["http://127.0.0.1:9/callback"], "client_name": "x"}).encode()
    found = FACADE.answers(REGISTER, "POST", "", body)
    said = json.loads(found.body)
    assert (found.status, said["client_id"], said["token_endpoint_auth_method"]) == (201, "client-1", "none")
    assert "client_secret" not in said
    for bad in (
        b"",
        b"[]",
        b"{}",
        b'{"redirect_uris": []}',
        b'{"redirect_uris": [7]}',
        b'{"redirect_uris":["a"],"x":1,"x":2}',
    ):
        assert FACADE.answers(REGISTER, "POST", "", bad).status == 400
    closed = Facade(RESOURCE, LOGIN, TOKEN)
    assert REGISTER not in closed.paths
    assert "registration_endpoint" not in json.loads(closed.document())


def test_methods_are_held_to_what_each_endpoint_takes():
    assert FACADE.answers(AUTHORIZE, "POST", "", b"").headers["Allow"] == "GET"
    assert FACADE.answers(REGISTER, "GET", "", b"").headers["Allow"] == "POST"
    assert FACADE.answers(REGISTER, "OPTIONS", "", b"").status == 204


def section(**facade):
    made = {"authorization_endpoint": LOGIN, "token_endpoint": TOKEN, **facade}
    return {"resource": RESOURCE, "issuers": [{"issuer": "https://idp.example", "facade": made}]}


def test_the_resources_document_names_the_gateway_in_place_of_the_provider():
    auth = config.read(section())
    assert json.loads(auth.document())["authorization_servers"] == [RESOURCE]
    assert list(auth.issuers) == ["https://idp.example"]
    plain = config.read({"resource": RESOURCE, "issuers": [{"issuer": "https://idp.example", "facade": None}]})
    assert plain.facade is None
    assert json.loads(plain.document())["authorization_servers"] == ["https://idp.example"]


@pytest.mark.parametrize(
    "facade",
    [
        {"token_endpoint": None},
        {"token_endpoint": "http://idp.example/token"},
        {"token_endpoint": "https://idp.example"},
        {"token_endpoint": f"{TOKEN}?a=b"},
        {"authorization_endpoint": "https://idp.example/a#b"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"scope_prefix": "a b"},
        {"client_id": 7},
        {"secret": "x"},
    ],
)
def test_a_facade_that_cannot_be_one_keeps_the_guard_from_starting(facade):
    with pytest.raises(config.AuthError, match=r"auth\.issuers\[0\]\.facade"):
        config.read(section(**facade))


def test_the_gateway_speaks_for_one_provider():
    both = section()
    both["issuers"].append({**both["issuers"][0], "issuer": "https://other.example"})
    with pytest.raises(config.AuthError, match="one of them may have a facade"):
        config.read(both)
