"""Results that are too long for the budget: what is shown, and who reads the whole for how long."""

import json
import tracemalloc
from dataclasses import replace

import pytest

from mcp_core.principal import Principal, consumer
from mcp_core.token_count import text_tokens
from mcp_sidecar.adaptive.finding import output_fits
from mcp_sidecar.adaptive.outputs import EACH, KEPT_SECONDS, CutOutput, Outputs, cut

LONG = "word " * 2_000


def block(text):
    return {"type": "text", "text": text}


def output(text="x"):
    whole = [{"mimeType": "text/plain", "text": text}]
    return CutOutput({}, (), tuple(whole), json.dumps(whole).encode())


A, B, C = map(consumer, "abc")
TOOL = ("notes", "good")
GRANTED = {"scopes": frozenset({"mail", "web"}), "groups": frozenset({"staff"})}
CALLED = Principal("token", "ada", "https://i", client="desktop", via="proxy", **GRANTED)


@pytest.mark.requirement("VIRT-411")
def test_what_fits_is_not_touched():
    assert cut({"content": [block("short")]}, 100) is None
    assert cut({"content": "none"}, 100) is None
    assert cut({}, 100) is None


@pytest.mark.requirement("VIRT-411")
def test_the_beginning_is_shown_and_the_whole_is_linked():
    found = cut({"content": [block("first"), block(LONG), block("last")], "isError": True}, 200)
    shown = [one["text"] for one in found.shown]
    assert shown[0] == "first"
    assert LONG.startswith(shown[1])
    assert 150 < sum(map(text_tokens, shown)) <= 200
    assert [one["text"] for one in found.whole] == ["first", LONG, "last"]
    linked = found.linked("kong-mcp-output://desk/1")
    assert linked["isError"]
    assert linked["content"][-1]["type"] == "resource_link"
    assert linked["content"][-1]["uri"] == "kong-mcp-output://desk/1"
    assert "too many to be kept" in found.linked(None)["content"][-1]["text"]


@pytest.mark.requirement("VIRT-411")
def test_no_part_comes_after_one_that_was_cut_and_pictures_stay():
    picture = {"type": "image", "data": "AAAA", "mimeType": "image/png"}
    within = {"type": "resource", "resource": {"uri": "a:b", "text": LONG, "mimeType": "text/markdown"}}
    found = cut({"content": [within, picture, block("last")]}, 100)
    assert found.shown == (picture,)
    assert found.whole[0] == {"mimeType": "text/markdown", "text": LONG}


STRING = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
EXACT = {"type": "object", "properties": {"text": {"const": LONG}}, "required": ["text"]}
MANY = {"content": [block("short")], "structuredContent": {"text": ["x"] * 500}}


def by(schema):
    return output_fits({"outputSchema": schema})


@pytest.mark.requirement("VIRT-411")
def test_structured_content_that_no_schema_asks_for_goes_first():
    found = cut({"content": [block("short")], "structuredContent": {"text": LONG}}, 100, output_fits({}))
    assert "structuredContent" not in found.result
    assert found.shown == (block("short"),)
    assert found.whole[-1]["mimeType"] == "application/json"


@pytest.mark.requirement("VIRT-411")
def test_strings_of_structured_content_are_cut_as_far_as_the_schema_lets_them():
    result = {"content": [block(LONG)], "structuredContent": {"text": LONG}}
    found = cut(result, 100, by(STRING))
    short = found.result["structuredContent"]["text"]
    assert short.endswith(" ... [cut]")
    assert text_tokens(json.dumps({"text": short})) <= 100
    assert json.loads(found.whole[-1]["text"]) == {"text": LONG}
    kept = cut(result, 100, by(EXACT))
    assert kept.result["structuredContent"] == {"text": LONG}
    assert [one["mimeType"] for one in kept.whole] == ["text/plain"]


@pytest.mark.requirement("VIRT-411")
@pytest.mark.parametrize("schema", [EXACT, {"type": 7}, STRING])
def test_what_cannot_be_cut_passes_whole(schema):
    assert cut(MANY, 100, by(schema)) is None


@pytest.mark.requirement("VIRT-412")
def test_a_whole_is_its_callers_on_its_server_alone():
    outputs = Outputs()
    uri = outputs.keep("desk", A, TOOL, output("all \u6f22"))
    assert outputs.find("desk", A, uri).contents == ({"mimeType": "text/plain", "text": "all \u6f22", "uri": uri},)
    assert outputs.find("desk", B, uri) is None
    assert outputs.find("few", A, uri) is None
    assert outputs.find("desk", A, uri + "0") is None


@pytest.mark.requirement("FLOW-115")
@pytest.mark.parametrize(
    ("changes", "finds"),
    [
        ({}, True),
        ({"scopes": frozenset({"mail", "web", "more"})}, True),
        ({"groups": frozenset({"staff", "g"})}, True),
        ({"groups": frozenset({"g"})}, False),
        ({"scopes": frozenset({"mail"})}, False),
        ({"scopes": frozenset()}, False),
        ({"client": "other"}, False),
        ({"client": ""}, False),
        ({"via": ""}, False),
        ({"via": "other"}, False),
        ({"issuer": "https://j"}, False),
        ({"id": "bob"}, False),
    ],
)
def test_a_whole_is_for_the_client_that_called_with_the_scopes_and_groups_of_the_call(changes, finds):
    outputs = Outputs()
    uri = outputs.keep("desk", CALLED, TOOL, output())
    assert (outputs.find("desk", replace(CALLED, **changes), uri) is not None) is finds


@pytest.mark.requirement("VIRT-412")
def test_wholes_go_with_their_time():
    now = [0.0]
    outputs = Outputs(lambda: now[0])
    uri = outputs.keep("desk", A, TOOL, output())
    now[0] = KEPT_SECONDS - 1
    assert outputs.find("desk", A, uri)
    now[0] = KEPT_SECONDS
    assert outputs.find("desk", A, uri) is None
    outputs.keep("desk", B, TOOL, output())
    assert len(outputs) == 1


def takes(places):
    """Return an output that takes so many hundredths of 100 * EACH bytes."""
    beside = EACH + len(json.dumps([TOOL, [], []])) + len(output("").written)
    return output("x" * (places * EACH - beside))


@pytest.mark.requirement("VIRT-412")
def test_who_has_much_loses_his_own_oldest():
    outputs = Outputs(most=100 * EACH, of_caller=50 * EACH)
    mine = [outputs.keep("desk", A, TOOL, takes(20)) for _ in range(4)]
    assert [outputs.find("desk", A, uri) is not None for uri in mine] == [False, False, True, True]
    assert outputs.keep("desk", C, TOOL, takes(51)) is None
    assert outputs.size == 40 * EACH


@pytest.mark.requirement("FLOW-115")
def test_all_together_are_bounded_and_whoever_has_most_makes_room():
    outputs = Outputs(most=100 * EACH, of_caller=50 * EACH)
    few = outputs.keep("desk", B, TOOL, takes(10))
    much = [outputs.keep("desk", A, TOOL, takes(25)) for _ in range(2)]
    more = [outputs.keep("desk", C, TOOL, takes(20)) for _ in range(2)]
    outputs.keep("desk", consumer("d"), TOOL, takes(5))
    assert outputs.find("desk", B, few), "the oldest, of whoever has least"
    assert [outputs.find("desk", A, uri) is not None for uri in much] == [False, True]
    assert all(outputs.find("desk", C, uri) for uri in more)
    assert outputs.size == 80 * EACH


@pytest.mark.requirement("FLOW-115")
@pytest.mark.parametrize("text", ["x", "\u6f22" * 5_000, "\U0001f600" * 5_000 + "x" * 5_000])
@pytest.mark.parametrize("granted", [1, 100])
def test_what_is_counted_is_what_is_held(text, granted):
    found = cut({"content": [block(text * (1 if len(text) > 1 else 20_000))]}, 100)
    outputs = Outputs(most=2**40, of_caller=2**40)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(50):
            # Each request brings its own.
            many = frozenset(f"of-the-company-{at}" for at in range(granted))
            principal = replace(CALLED, scopes=many, groups=frozenset(f"group-{at}" for at in range(granted)))
            outputs.keep("desk", principal, TOOL, replace(found, written=bytes(bytearray(found.written))))
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held <= outputs.size <= 2 * held + 50 * EACH
