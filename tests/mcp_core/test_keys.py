from __future__ import annotations

import pytest
from core_cases import call, text

from mcp_core import keys
from mcp_core.jsonrpc import parse
from mcp_core.keys import fold
from mcp_core.outcome import Reject

# reader -> spellings that it takes for the key
READERS = {
    "exactly": [("name", "name")],
    "without regard to case": [("NAME", "name"), ("taskid", "taskId"), ("TASKID", "taskId")],
    "as Go's encoding/json folds": [("ta\u017fk", "task"), ("tas\u212a", "task"), ("\u017ftate", "state")],
    "as Java's equalsIgnoreCase folds": [("ur\u0131", "uri"), ("ur\u0130", "uri"), ("\u0130D", "id")],
    "trimmed by Java": [("\x01name", "name"), ("\0name", "name"), ("name\x1f", "name"), ("name \0", "name")],
    "trimmed by ECMAScript": [("\ufeffname", "name"), ("name\u2028", "name"), ("name\u3000", "name")],
    "cut as C cuts": [("name\0", "name"), ("name\0x", "name"), ("name \0x", "name")],
    "as another language spells": [("task_id", "taskId"), ("task-id", "taskId"), ("meta", "_meta")],
}


@pytest.mark.requirement("RPC-002")
@pytest.mark.parametrize(
    ("key", "taken_for"),
    [
        pytest.param(*pair, id=f"{reader} {number}")
        for reader, all_ in READERS.items()
        for number, pair in enumerate(all_)
    ],
)
def test_a_key_folds_to_what_a_lax_reader_takes_it_for(key, taken_for):
    assert fold(key) == fold(taken_for)


@pytest.mark.requirement("RPC-002")
@pytest.mark.parametrize("key", ["names", "na me", "n\u0430me", "", "\0", "x\0name", "uri2", "titleName"])
def test_a_key_that_no_reader_confuses_folds_to_something_else(key):
    assert not keys.PARAMS.could_be(key)


@pytest.mark.requirement("RPC-002")
@pytest.mark.parametrize("key", sorted(keys.PARAMS.deciding))
def test_every_key_that_decides_has_one_spelling(key):
    for spelling in {key.upper(), key + "\0", f" {key}", key + "_"} - {key}:
        assert isinstance(parse(text(call(**{spelling: {}}))), Reject)


@pytest.mark.requirement("RPC-012")
@pytest.mark.parametrize("key", ["__proto__", "constructor", "prototype"])
@pytest.mark.parametrize("place", ["the message", "the params", "_meta", "ref"])
def test_no_object_of_the_protocol_names_a_prototype(key, place):
    message = call()
    if place == "the message":
        message[key] = {"method": "tools/list"}
    elif place == "the params":
        message["params"][key] = {"name": "shut"}
    else:
        message["params"][place.removeprefix("the ")] = {key: {"name": "shut"}}
    refusal = parse(text(message))
    assert isinstance(refusal, Reject)
    assert refusal.reason == "misspelled-key"


@pytest.mark.requirement("RPC-012")
def test_arguments_may_hold_any_key():
    arguments = {"__proto__": {}, "constructor": 1, "Name": 2, "name": 3}
    assert parse(text(call(arguments=arguments))).params["arguments"] == arguments
