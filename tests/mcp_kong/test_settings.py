from __future__ import annotations

import base64
import dataclasses
import json

import pytest
from kong_side import CONFIG, KEY

from mcp_core.jsonrpc import DEFAULT_LIMITS, Limits
from mcp_kong.schema import GUARD_SCHEMA
from mcp_kong.settings import KEYS_VARIABLE, read_settings
from mcp_kong.settings_error import SettingsError

ENVIRONMENT = {KEYS_VARIABLE: base64.b64encode(KEY).decode()}


@pytest.mark.requirement("GUARD-008")
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"server": None}, "config.server"),
        ({"server": ""}, "config.server"),
        ({"upstream": 7}, "config.upstream"),
        ({"sidecar": ""}, "config.sidecar"),
        ({"path": "mcp"}, "config.path"),
        ({"path": "/mcp?key=1"}, "config.path"),
        ({"path": "/m cp"}, "config.path"),
        ({"scheme": "ws"}, "config.scheme"),
        ({"session_upstream": "a/b"}, "config.upstream"),
        ({"mode": "audit"}, "config.mode"),
        ({"tools": {"allow": "open"}}, "config.tools.allow"),
        ({"rules": [{}]}, "config.rules[0]"),
        ({"limits": {"bodies": 1}}, "config.limits"),
        ({"limits": {"body": "4 MiB"}}, "config.limits.body"),
        ({"limits": {"depth": True}}, "config.limits.depth"),
        ({"limits": {"refusals": 0}}, "config.limits.refusals"),
        ({"limits": {"refusals": "many"}}, "config.limits.refusals"),
        ({"hide_headers": ["x" * 20_000]}, "config: tools"),
        ({"origins": "https://a.example"}, "config.origins"),
        ({"origins": [7]}, "config.origins"),
        ({"query": "api_key=k"}, "config.query"),
        ({"query": {"api_key": ""}}, "config.query.api_key: is empty"),
        ({"query": {"api_key": "{vault://env/key}"}}, "config.query.api_key: is a vault reference that Kong did not"),
        ({"hosts": "gateway.example"}, "config.hosts"),
        ({"param_headers": [{"tool": "open"}]}, "config.param_headers[0]"),
        ({"hide_headers": "authorization"}, "config.hide_headers"),
        ({"session_max_age": "1 day"}, "config.session_max_age"),
        ({"tools": {"allow": ["x" * 20_000]}}, "config: tools"),
        ({"scan": "off"}, "config.scan"),
        ({"scan": {"family": {}}}, "config.scan: 'family'"),
        ({"scan": {"families": {"secrets": "off"}}}, "config.scan: families"),
        ({"scan": {"rules": {"secrecy.no-consent": "deny"}}}, "config.scan: rules.secrecy.no-consent"),
        ({"scan": {"patterns": [{"id": "acme.x", "regex": "(a+)+"}]}}, "config.scan: patterns[0].regex"),
        ({"scan": {"patterns": [{"id": "acme.x", "phrases": ["x" * 20_000]}]}}, "config"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(change, named):
    with pytest.raises(SettingsError) as error:
        read_settings(CONFIG | change, ENVIRONMENT)
    assert str(error.value).startswith(named)


@pytest.mark.requirement("GUARD-008")
@pytest.mark.parametrize("ring", [None, "", "not base64!", base64.b64encode(b"short").decode()])
def test_keys_that_are_absent_or_short_name_the_variable_and_show_nothing(ring):
    with pytest.raises(SettingsError) as error:
        read_settings(CONFIG, {} if ring is None else {KEYS_VARIABLE: ring})
    assert KEYS_VARIABLE in str(error.value)
    assert not ring or ring not in str(error.value)


@pytest.mark.requirement("GUARD-008")
def test_kongs_way_of_writing_empty_lists_is_read():
    empty = {key: {} for key in ("origins", "hosts", "param_headers", "hide_headers", "rules")}
    empty["tools"] = {"allow": {}, "deny": {}}
    settings = read_settings(CONFIG | empty, ENVIRONMENT)
    assert (settings.guard.origins, settings.hide_headers) == ((), frozenset())


@pytest.mark.requirement("GUARD-033")
def test_the_scanners_settings_are_read_as_kong_writes_them():
    pattern = {"id": "acme.project", "severity": "block", "message": None, "phrases": ["project ~2 bluebird"]}
    scan = {"families": {"shell": "flag"}, "rules": None, "patterns": [pattern | {"regex": None}]}
    del pattern["message"]
    assert read_settings(CONFIG | {"scan": scan}, ENVIRONMENT).scan == {
        "families": {"shell": "flag"},
        "patterns": [pattern],
    }
    nothing = {"families": None, "rules": {}, "patterns": {}}
    assert read_settings(CONFIG | {"scan": nothing}, ENVIRONMENT).scan == {}


def fields(schema):
    """Return the fields of a record: name -> specification."""
    return {name: specification for field in schema for name, specification in field.items()}


def every(specification):
    """Walk over a specification and all that it holds."""
    yield specification
    for inner in (*fields(specification.get("fields", ())).values(), specification.get("elements")):
        if inner is not None:
            yield from every(inner)


def defaults(schema):
    """Fill defaults in as Kong does: records exist, and their fields have what they say."""
    return {
        name: defaults(one["fields"]) if one["type"] == "record" else one["default"]
        for name, one in fields(schema).items()
        if one["type"] == "record" or "default" in one
    }


@pytest.mark.requirement("GUARD-009")
def test_kong_accepts_every_description():
    assert json.loads(json.dumps(GUARD_SCHEMA)) == GUARD_SCHEMA
    for name, field in fields(GUARD_SCHEMA).items():
        for one in every(field):
            if "description" in one:
                assert 10 <= len(one["description"]) <= 500, (name, one)
            for inner, specification in fields(one.get("fields", ())).items():
                assert "description" in specification, (name, inner)
        assert "description" in field, name


@pytest.mark.requirement("GUARD-009")
def test_the_schemas_defaults_are_the_codes():
    required = {"server": "notes", "upstream": "notes-replicas"}
    filled, bare = (read_settings(one, ENVIRONMENT) for one in (defaults(GUARD_SCHEMA) | required, required))
    for field in dataclasses.fields(filled):
        if field.name not in ("guard", "signer", "questions", "sessions", "endpoints", "tasks"):
            assert getattr(filled, field.name) == getattr(bare, field.name), field.name
    for name in ("enforce", "origins", "hosts", "param_headers", "server_messages"):
        assert getattr(filled.guard, name) == getattr(bare.guard, name)
    assert filled.guard.limits == bare.guard.limits == DEFAULT_LIMITS
    assert filled.guard.policy.access == bare.guard.policy.access


@pytest.mark.requirement("GUARD-009")
def test_the_schema_has_every_limit_and_allows_its_default():
    limits = fields(fields(GUARD_SCHEMA)["limits"]["fields"])
    assert set(limits) == {field.name for field in dataclasses.fields(Limits)}
    for name, one in limits.items():
        least, most = one["between"]
        default = getattr(DEFAULT_LIMITS, name)
        # What is 0 is no limit, unless somebody sets one.
        assert least <= default <= most or (default == 0 and "default" not in one)
