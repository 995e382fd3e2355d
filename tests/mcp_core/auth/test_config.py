import json

import pytest

from mcp_core.auth import config, metadata
from mcp_core.auth.config import AuthError
from mcp_core.auth.denied import INSUFFICIENT_SCOPE, Denied, KeysMissing, challenge, unavailable
from mcp_core.reasons import Reason

GOOD = {"resource": "https://gateway.example/notes/mcp", "issuers": [{"issuer": "https://idp.example"}]}
FILLED = {
    "resource": None,
    "issuers": [],
    "required_scopes": [],
    "scope_rules": {},
    "implied_scopes": None,
    "denial": "hide",
    "skew": config.SKEW,
    "max_actors": config.ACTORS,
}
"""What Kong makes of a section that nobody wrote."""


@pytest.mark.parametrize("section", [None, {}, FILLED])
def test_where_nothing_is_written_there_is_no_authorization(section):
    assert config.read(section) is None


@pytest.mark.requirement("AUTH-009")
@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ("on", "auth"),
        ({"isuers": []}, "isuers"),
        ({"issuers": []}, "issuers"),
        ({"issuers": None}, "issuers"),
        ({"issuers": "https://idp.example"}, "issuers"),
        ({"issuers": ["https://idp.example"]}, "issuers[0]"),
        ({"issuers": [{}]}, "issuers[0].issuer"),
        ({"issuers": [{"issuer": "https://idp.example"}] * 2}, "twice"),
        ({"issuers": [{"issuer": f"https://{number}.example"} for number in range(17)]}, "issuers"),
        ({"issuers": [{"issuer": "http://idp.example"}]}, "issuer"),
        ({"issuers": [{"issuer": "https://idp.example?x=1"}]}, "issuer"),
        ({"issuers": [{"issuer": "https://idp.example#x"}]}, "issuer"),
        ({"issuers": [{"issuer": "https://ann@idp.example"}]}, "issuer"),
        ({"issuers": [{"issuer": "idp.example"}]}, "issuer"),
        ({"issuers": [{"issuer": "https://idp.example", "algorithms": ["HS256"]}]}, "HS256"),
        ({"issuers": [{"issuer": "https://idp.example", "algorithms": ["none"]}]}, "none"),
        ({"issuers": [{"issuer": "https://idp.example", "audience_only": "no"}]}, "audience_only"),
        ({"issuers": [{"issuer": "https://idp.example", "jwks": {}}]}, "jwks"),
        ({"resource": None}, "resource"),
        ({"resource": "http://gateway.example/notes/mcp"}, "resource"),
        ({"resource": "https://gateway.example"}, "resource"),
        ({"resource": "https://gateway.example/notes/mcp?x"}, "resource"),
        ({"resource": "https://gateway.example/notes/mcp#"}, "resource"),
        ({"resource": 'https://gateway.example/"'}, "resource"),
        ({"resource": 7}, "resource"),
        ({"required_scopes": ["a b"]}, "required_scopes"),
        ({"required_scopes": 'a"'}, "required_scopes"),
        ({"scope_rules": [{"scopes": ["a"]}]}, "scope_rules[0]"),
        ({"scope_rules": [{"tools": ["a"]}]}, "scope_rules[0]"),
        ({"scope_rules": [{"scopes": ["a"], "tools": "x"}]}, "scope_rules[0].tools"),
        ({"scope_rules": [{"scopes": ["a"], "tool": ["x"]}]}, "tool"),
        ({"implied_scopes": {"a": "b"}}, "implied_scopes.a"),
        ({"implied_scopes": ["a"]}, "implied_scopes"),
        ({"denial": "open"}, "denial"),
        ({"skew": -1}, "skew"),
        ({"skew": 301}, "skew"),
        ({"max_actors": -1}, "max_actors"),
        ({"max_actors": 16}, "max_actors"),
        ({"max_actors": True}, "max_actors"),
        ({"skew": True}, "skew"),
    ],
)
def test_a_section_that_cannot_be_used_is_an_error_that_names_the_field(changed, named):
    section = changed if isinstance(changed, str) else GOOD | changed
    with pytest.raises(AuthError) as error:
        config.read(section)
    assert named in str(error.value)


@pytest.mark.parametrize("alone", [{"denial": "challenge"}, {"skew": 10}, {"required_scopes": ["mcp"]}])
def test_a_section_without_resource_and_issuer_is_never_taken_for_none_at_all(alone):
    with pytest.raises(AuthError):
        config.read(FILLED | alone)


def test_what_is_not_written_is_as_strict_as_can_be():
    auth = config.read(GOOD)
    (expected,) = auth.issuers.values()
    assert expected.audiences == {GOOD["resource"]}
    assert expected.types == {"at+jwt"}
    assert expected.groups_claim == ()


def test_http_is_for_this_machine_alone():
    local = {"resource": "http://127.0.0.1:8000/notes/mcp", "issuers": [{"issuer": "http://[::1]:9000"}]}
    assert config.read(local).metadata_url == "http://127.0.0.1:8000/.well-known/oauth-protected-resource/notes/mcp"
    with pytest.raises(AuthError):
        config.read({**local, "resource": "http://127.0.0.1.example/notes/mcp"})


@pytest.mark.requirement("AUTH-006")
def test_the_document_says_what_clients_need_and_stands_where_they_look():
    auth = config.read(
        GOOD
        | {"required_scopes": ["mcp"], "issuers": [{"issuer": "https://a.example"}, {"issuer": "https://b.example/x"}]}
    )
    assert json.loads(auth.document()) == {
        "resource": "https://gateway.example/notes/mcp",
        "authorization_servers": ["https://a.example", "https://b.example/x"],
        "scopes_supported": ["mcp"],
        "bearer_methods_supported": ["header"],
    }
    assert auth.metadata_url == "https://gateway.example/.well-known/oauth-protected-resource/notes/mcp"
    assert metadata.is_asked("/.well-known/oauth-protected-resource/notes/mcp")
    assert metadata.is_asked("/.well-known/oauth-protected-resource")
    assert not metadata.is_asked("/.well-known/oauth-protected-resources")
    assert not metadata.is_asked("/notes/.well-known/oauth-protected-resource")


@pytest.mark.requirement("AUTH-005")
@pytest.mark.parametrize(
    ("error", "status", "value"),
    [
        ("", 401, 'Bearer scope="mcp", resource_metadata="M"'),
        (
            "invalid_token",
            401,
            'Bearer error="invalid_token", scope="mcp", resource_metadata="M", error_description="It is wrong."',
        ),
        (
            "invalid_request",
            400,
            'Bearer error="invalid_request", scope="mcp", resource_metadata="M", error_description="It is wrong."',
        ),
        (
            "insufficient_scope",
            403,
            'Bearer error="insufficient_scope", scope="mcp", resource_metadata="M", error_description="It is wrong."',
        ),
    ],
)
def test_challenges_are_worded_as_the_specification_has_them(error, status, value):
    refusal = challenge(Denied(error, Reason.FAILED, "It is wrong."), "M", ["mcp"], 7)
    assert refusal.http_status() == status
    assert refusal.headers["WWW-Authenticate"] == value
    assert json.loads(refusal.body())["id"] == 7


def test_a_challenge_without_scopes_names_none():
    refusal = challenge(Denied("", Reason.FAILED, "It is wrong."), "M", [])
    assert refusal.headers["WWW-Authenticate"] == 'Bearer resource_metadata="M"'
    assert (
        challenge(Denied(INSUFFICIENT_SCOPE, Reason.FAILED, "It."), "M", ["a", "b"])
        .headers["WWW-Authenticate"]
        .startswith('Bearer error="insufficient_scope", scope="a b"')
    )


def test_a_node_without_keys_says_that_a_new_token_would_not_help():
    refusal = unavailable(KeysMissing())
    assert refusal.http_status() == 503
    assert "WWW-Authenticate" not in refusal.headers
    assert refusal.headers["Retry-After"] == "1"
