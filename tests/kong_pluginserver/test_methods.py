from __future__ import annotations

import json
from operator import attrgetter

import pytest
from google.protobuf import struct_pb2
from kongside import M, headers, text

from kong_pluginserver.errors import PDKError, UnknownMethodError
from kong_pluginserver.hub import Hub
from kong_pluginserver.methods import METHODS, exit_arguments
from kong_pluginserver.pdk import build

ARGUMENTS = {
    "kong.client.load_consumer": ("id", True),
    "kong.client.authenticate": ({"id": "c", "tags": ["a"]}, {"id": "k", "consumer_id": "c"}),
    "kong.service.set_target": ("host", 80),
    "kong.response.set_status": (200,),
    "kong.response.exit": (200, "x", {"a": "b"}),
}


def reply(method: str, payload: bytes):
    return METHODS[method][1](payload)


def sent(method: str, *args) -> bytes:
    return METHODS[method][0](*args)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_sends_something_and_takes_an_empty_reply(method):
    send, read = METHODS[method]
    guesses = [(), ("x",), ("k", "v"), ({"a": "b"},)]
    if method in ARGUMENTS:
        guesses = [ARGUMENTS[method]]
    for args in guesses:
        try:
            assert isinstance(send(*args), bytes)
            break
        except (TypeError, AttributeError):
            continue
    else:
        pytest.fail("no arguments fit")
    try:
        assert read(b"") in (None, "", 0, 0.0, False, b"", {}, {"unnamed": [], "named": {}})
    except PDKError:
        assert method == "kong.service.set_upstream"


def test_headers_sent_more_than_once_are_lists():
    assert reply("kong.request.get_headers", headers({"a": "1", "b": ["1", "2"]})) == {"a": "1", "b": ["1", "2"]}


def test_a_header_that_is_not_there_is_none():
    assert reply("kong.request.get_header", b"") is None
    assert reply("kong.request.get_header", text("x")) == "x"


def test_as_many_headers_as_kong_gives_are_asked_for():
    assert M["Int"].FromString(sent("kong.request.get_headers")).v == 1000
    assert M["Int"].FromString(sent("kong.request.get_headers", 5)).v == 5


def test_nobody_known_is_none_and_a_consumer_a_dict():
    assert reply("kong.client.get_consumer", b"") is None
    data = M["Consumer"](id="1", username="ann", tags=["a", "b"], created_at=5).SerializeToString()
    assert reply("kong.client.get_consumer", data) == {
        "id": "1",
        "username": "ann",
        "custom_id": None,
        "tags": ["a", "b"],
        "created_at": 5,
    }


@pytest.mark.parametrize("value", ["text", 5, 2.5, True, ["a", "b"], {"a": {"b": ["c"]}}])
def test_shared_values_go_out_and_come_back(value):
    pair = M["KV"].FromString(sent("kong.ctx.shared.set", "key", value))
    assert pair.k == "key"
    assert reply("kong.ctx.shared.get", pair.v.SerializeToString()) == value


def test_none_is_sent_as_no_value_at_all():
    assert not M["KV"].FromString(sent("kong.ctx.shared.set", "key", None)).HasField("v")
    assert reply("kong.ctx.shared.get", struct_pb2.Value(null_value=0).SerializeToString()) is None


def test_what_is_logged_is_text():
    logged = struct_pb2.ListValue.FromString(sent("kong.log.err", "a", 1, None, False, "\ud800"))
    assert [value.string_value for value in logged.values] == ["a", "1", "None", "False", "\\ud800"]


def test_captures_are_text():
    data = b"\x0a\x01a\x12\x06\x0a\x01k\x12\x01v"
    assert reply("kong.request.get_uri_captures", data) == {"unnamed": ["a"], "named": {"k": "v"}}


def test_exit_takes_text_bytes_and_json():
    told = M["ExitArgs"].FromString(exit_arguments(200, "é"))
    assert (told.body.decode(), dict(told.headers)) == ("é", {})
    told = M["ExitArgs"].FromString(exit_arguments(200, {"a": 1}))
    assert json.loads(told.body) == {"a": 1}
    assert told.headers["Content-Type"].startswith("application/json")
    told = M["ExitArgs"].FromString(exit_arguments(200, [1], {"content-type": "x/y"}))
    assert dict(told.headers) == {"content-type": "x/y"}


@pytest.mark.parametrize("status", [99, 600, "200", True, None])
def test_exit_takes_no_other_status(status):
    with pytest.raises(PDKError):
        exit_arguments(status)


def test_the_pdk_has_all_methods_no_others_and_only_inside_a_phase():
    kong = build(Hub(1, print, print), lambda data: data)
    for path in METHODS:
        at = kong
        for name in path.split(".")[1:]:
            at = getattr(at, name)
        assert callable(at)
    assert kong.request.get_headers is kong.request.get_headers
    for wrong in ("kong.request.get_body", "kong.nothing", "kong.response.error"):
        with pytest.raises(UnknownMethodError, match=wrong.replace(".", r"\.")):
            attrgetter(wrong.removeprefix("kong."))(kong)
    assert not hasattr(kong.request, "get_body")
    with pytest.raises(PDKError, match="only be called in a phase"):
        kong.request.get_headers()
