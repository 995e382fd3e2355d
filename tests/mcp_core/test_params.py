from __future__ import annotations

import pytest
from core_cases import META, call, legacy, modern, text

from mcp_core import params
from mcp_core.decide import Admitted, Caller, GuardTerms, decide_post
from mcp_core.methods import Era
from mcp_core.outcome import Reject
from mcp_core.params import ParamHeader, ParamHeaderError, read_config, repeating
from mcp_core.policy import Policy
from mcp_core.principal import NOBODY

CONFIG = [
    {"tool": "sql", "header": "Region", "argument": ["region"]},
    {"tool": "sql", "header": "Deep", "argument": ["options", "depth"]},
]
POLICY = Policy.from_config({"tools": {"allow": ["*"]}})
GUARD = GuardTerms(POLICY, param_headers=read_config(CONFIG))


def decide(arguments, headers, tool="sql", era=Era.MODERN):
    message = call(tool, arguments=arguments, **({"_meta": META} if era is Era.MODERN else {}))
    sent = modern("tools/call", tool) if era is Era.MODERN else legacy()
    return decide_post(GUARD, Caller(POLICY.view(NOBODY)), sent | headers, text(message))


@pytest.mark.requirement("PARAM-001")
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("us-west1", "us-west1"),
        ("", ""),
        ("42", "42"),
        ("Hello, \u4e16\u754c", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (True, "true"),
        (False, "false"),
        (42, "42"),
        (42, "42.0"),
        (42.0, "42"),
        (-7, "-7"),
        (9007199254740991, "9007199254740991"),
    ],
)
def test_a_header_that_says_what_the_argument_says_passes(value, said):
    assert isinstance(decide({"region": value}, {"mcp-param-region": said}), Admitted)
    assert isinstance(decide({"options": {"depth": value}}, {"mcp-param-deep": said}), Admitted)


@pytest.mark.requirement("PARAM-001")
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("us-west1", "us-east1"),
        ("us-west1", "US-WEST1"),
        ("us-west1", "us-west1 "),
        ("us-west1", ""),
        ("x", "=?base64?eA=?="),
        ("caf\xe9", "caf\xe9"),
        (True, "True"),
        (True, "1"),
        (1, "true"),
        (42, "43"),
        (42, "0x2a"),
        (42, "4_2"),
        (42, " 42"),
        (9007199254740993, "9007199254740992"),
        (0, "1e-99"),
        (None, "null"),
        (["a"], "a"),
        ({}, "{}"),
    ],
)
def test_a_header_that_says_anything_else_is_a_mismatch(value, said):
    for era in Era:
        refusal = decide({"region": value}, {"mcp-param-region": said}, era=era)
        assert isinstance(refusal, Reject)
        assert (refusal.code, refusal.http_status(), refusal.id) == (-32020, 400, 1)


@pytest.mark.requirement("PARAM-001")
def test_a_header_is_required_where_the_argument_is_there_in_the_modern_era_alone():
    refusal = decide({"region": "us-west1"}, {})
    assert isinstance(refusal, Reject)
    assert (refusal.code, refusal.reason) == (-32020, "param-missing")
    assert isinstance(decide({"region": "us-west1"}, {}, era=Era.LEGACY), Admitted)
    assert isinstance(decide({"region": None}, {}), Admitted)
    assert isinstance(decide({}, {}), Admitted)
    assert isinstance(decide({}, {"mcp-param-region": "x"}), Reject)


@pytest.mark.requirement("PARAM-002")
def test_headers_that_the_configuration_does_not_know_pass_unread():
    assert isinstance(decide({"region": "a"}, {"mcp-param-region": "b"}, tool="other"), Admitted)
    assert isinstance(decide({}, {"mcp-param-other": "=?base64?!!?="}), Admitted)


@pytest.mark.requirement("PARAM-002")
def test_a_configuration_is_read_by_tool():
    region, deep = ParamHeader("mcp-param-region", ("region",)), ParamHeader("mcp-param-deep", ("options", "depth"))
    assert read_config(CONFIG) == {"sql": (region, deep)}
    assert read_config(None) == read_config({}) == read_config([]) == {}


@pytest.mark.requirement("PARAM-002")
@pytest.mark.parametrize(
    ("entry", "where"),
    [
        ("x", "param_headers[0]"),
        ({"tool": "a", "header": "b"}, "param_headers[0]"),
        ({"tool": "", "header": "b", "argument": ["c"]}, "param_headers[0].tool"),
        ({"tool": "a", "header": "b c", "argument": ["c"]}, "param_headers[0].header"),
        ({"tool": "a", "header": "", "argument": ["c"]}, "param_headers[0].header"),
        ({"tool": "a", "header": "b", "argument": []}, "param_headers[0].argument"),
        ({"tool": "a", "header": "b", "argument": "c"}, "param_headers[0].argument"),
    ],
)
def test_an_entry_that_cannot_be_used_is_named(entry, where):
    with pytest.raises(ParamHeaderError) as error:
        params.read_config([entry])
    assert str(error.value).startswith(where)


REGION = {"type": "string", "x-mcp-header": "Region"}


@pytest.mark.requirement("VIRT-403")
@pytest.mark.parametrize(
    ("properties", "arguments", "headers"),
    [
        ({"region": REGION}, {"region": "eu"}, {"mcp-param-region": "eu"}),
        ({"region": REGION}, {"region": "K\u00f6ln"}, {"mcp-param-region": "=?base64?S8O2bG4=?="}),
        ({"region": REGION}, {}, {}),
        ({"region": REGION}, {"region": None}, {}),
        ({"region": REGION}, {"region": ["eu"]}, {}),
        (
            {"n": {"x-mcp-header": "N"}, "b": {"x-mcp-header": "B"}},
            {"n": 7, "b": True},
            {"mcp-param-n": "7", "mcp-param-b": "true"},
        ),
        ({"at": {"properties": {"region": REGION}}}, {"at": {"region": "eu"}}, {"mcp-param-region": "eu"}),
        ({"a": REGION, "b": REGION}, {"a": "first", "b": "second"}, {"mcp-param-region": "first"}),
        ({"region": {"x-mcp-header": "a\r\nhost: b"}}, {"region": "eu"}, {}),
        ({"region": {"x-mcp-header": 7}}, {"region": "eu"}, {}),
        ({"region": REGION}, {"region": "a\r\nhost: b"}, {"mcp-param-region": "=?base64?YQ0KaG9zdDogYg==?="}),
        ("nonsense", {"region": "eu"}, {}),
    ],
)
def test_headers_that_repeat_arguments_are_those_that_a_schema_asks_for(properties, arguments, headers):
    assert repeating({"properties": properties}, arguments) == headers
    assert repeating({"properties": properties}, "text") == {}
