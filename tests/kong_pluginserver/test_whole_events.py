"""Events that come in one frame: what is carried is read, what is changed goes back, and all else is no verdict."""

from __future__ import annotations

import json
import struct

import pytest
from kongside import Link, frame, until

MARK = b"\0KW2"
PLUGIN = """
import json, time
version = "1.0.0"
priority = 10
Schema = []
refusal = (503, {"X-Refused-By": "plugin"}, b"refused")
unreadable = (400, {"X-Refused-By": "plugin"}, b"no text")

def swallow(work):
    try:
        work()
    except BaseException:
        pass

class Plugin:
    def __init__(self, config):
        self.do = config["do"]

    def access(self, kong):
        exec(self.do, {**globals(), 'kong': kong})

    log = access
"""


def request(instance, *, phase="access", text=(), values=(), body=None, path=None, unreadable=None):
    """Return the event behind its sequence number: `text` and `values` are carried, by the names of PDK methods."""
    lines = [(f"t {name}", value if isinstance(value, bytes) else value.encode()) for name, value in dict(text).items()]
    lines += [(f"j {name}", json.dumps(value).encode()) for name, value in dict(values).items()]
    lines += [(kind, value) for kind, value in (("b", body), ("f", path), ("e", unreadable)) if value is not None]
    names = "\n".join([phase, *(line for line, _ in lines)]).encode()
    sizes = struct.pack(f"={len(lines)}I", *(len(value) for _, value in lines))
    return struct.pack("=II", instance, len(names)) + names + sizes + b"".join(value for _, value in lines)


def ask(link, data):
    """Send an event and return its verdict, None where the connection closes instead."""
    link.sequence += 1
    link.socket.sendall(frame(MARK + struct.pack("=I", link.sequence) + data))
    said = link.read_frame()
    if said is None:
        return None
    verdict = json.loads(said)
    assert (verdict.pop("format"), verdict.pop("sequence")) == (1, link.sequence)
    return verdict


@pytest.fixture
def server(serve):
    return serve({"odd.py": PLUGIN}, "--workers", "1", "--deadline", "1")


@pytest.fixture
def verdict(server):
    """Return what runs a plugin's lines in one event, and gives the verdict."""
    with Link(server.path) as link:
        yield lambda do, **carried: ask(link, request(link.start("odd", {"do": do}), **carried))


@pytest.mark.requirement("FAST-009")
def test_the_number_of_a_verdict_is_the_last_of_it(server):
    with Link(server.path) as link:
        instance = link.start("odd", {"do": "kong.ctx.shared.set('k', 'v')"})
        link.sequence += 1
        link.socket.sendall(frame(MARK + struct.pack("=I", link.sequence) + request(instance)))
        assert link.read_frame().endswith(b'"sequence":%d}' % link.sequence)


@pytest.mark.requirement("FAST-001")
def test_what_is_carried_is_read_and_what_is_changed_goes_back_in_its_order(verdict):
    said = verdict(
        "kong.ctx.shared.set('got', [kong.request.get_path(), kong.client.get_consumer()['username'], "
        "kong.request.get_raw_body().decode(), kong.ctx.shared.get('k'), kong.nginx.get_var('none') is None])\n"
        "assert kong.service.set_upstream('replicas') is True\n"
        "kong.service.request.set_headers({'a': 'b', 'gone': [], 'many': ['1', '2']})\n"
        "kong.log.set_serialize_value('mcp', {'x': 1, 'nothing': None, 'never': False})",
        text={"kong.request.get_path": "/caf\xe9", "kong.ctx.shared.get k": "v", "kong.nginx.get_var none": ""},
        values={"kong.client.get_consumer": {"username": "ann"}},
        body=b"{}",
    )
    assert said == {
        "do": [
            ["kong.ctx.shared.set", "got", ["/caf\xe9", "ann", "{}", "v", True]],
            ["kong.service.set_upstream", "replicas"],
            ["kong.service.request.set_headers", {"a": "b", "gone": [], "many": ["1", "2"]}],
            ["kong.log.set_serialize_value", "mcp", {"x": 1}],
        ]
    }


@pytest.mark.requirement("FAST-001")
def test_an_answer_ends_the_request_and_nothing_follows_it(verdict):
    said = verdict("swallow(lambda: kong.response.exit(403, 'no', {'A': 'b'}))\nkong.service.set_upstream('replicas')")
    assert said == {"do": [], "exit": [403, "no", {"A": "b"}]}


@pytest.mark.requirement("FAST-001")
def test_a_body_that_kong_keeps_in_a_file_is_read_there(verdict, tmp_path):
    file = tmp_path / "body"
    file.write_bytes(b"x" * 200_000)
    assert verdict("kong.ctx.shared.set('n', len(kong.request.get_raw_body()))", path=str(file).encode()) == {
        "do": [["kong.ctx.shared.set", "n", 200_000]]
    }


REFUSED = {"do": [], "exit": [503, "refused", {"X-Refused-By": "plugin"}]}
NO_TEXT = {"do": [], "exit": [400, "no text", {"X-Refused-By": "plugin"}]}
OPEN = "\nkong.service.set_upstream('replicas')"
FAILS = {
    "it raises": ("kong.service.set_upstream('replicas'); raise ValueError", {}, REFUSED),
    "it ends": ("raise SystemExit", {}, REFUSED),
    "it takes too long": ("swallow(lambda: time.sleep(9))" + OPEN, {}, REFUSED),
    "no text": ("kong.request.get_path()" + OPEN, {"text": {"kong.request.get_path": b"\xff"}}, NO_TEXT),
    "no text, swallowed": (
        "swallow(kong.request.get_path)" + OPEN,
        {"text": {"kong.request.get_path": b"\xff"}},
        NO_TEXT,
    ),
    "a body that nobody can read": ("swallow(kong.request.get_raw_body)" + OPEN, {"unreadable": b"x"}, REFUSED),
    "a body in no file": ("kong.request.get_raw_body()" + OPEN, {"path": b"/nowhere/at/all"}, REFUSED),
    "a body beside the way": ("kong.request.get_raw_body()" + OPEN, {"path": b"body"}, REFUSED),
    "a status that is none": ("kong.response.exit(99)", {}, REFUSED),
    "half a surrogate": ("kong.ctx.shared.set('k', '\\ud800')", {}, REFUSED),
    "a value that is none": ("kong.ctx.shared.set('k', {'a': object()})", {}, REFUSED),
    "nothing": ("kong.ctx.shared.set('k', None)", {}, REFUSED),
    "nothing in a list": ("kong.ctx.shared.set('k', ['a', None])", {}, REFUSED),
    "no number": ("kong.ctx.shared.set('k', float('nan'))", {}, REFUSED),
    "bytes that are no text": ("kong.ctx.shared.set('k', b'\\xff')", {}, REFUSED),
}


@pytest.mark.requirement("FAST-002")
@pytest.mark.parametrize("name", FAILS)
def test_a_plugin_that_fails_refuses(verdict, name):
    do, carried, said = FAILS[name]
    assert verdict(do, **carried) == said


LONG = {
    "a header": "kong.request.get_headers(100)",
    "another key": "kong.ctx.shared.get('other')",
    "a consumer": "kong.client.load_consumer('x', True)",
    "a body": "kong.request.get_raw_body()",
    "a change that is not made so": "kong.service.set_target('127.0.0.1', 1)",
}


@pytest.mark.requirement("FAST-003")
@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("form", ["{}", "swallow(lambda: {})"])
def test_what_is_not_carried_is_asked_in_the_long_way(verdict, name, form):
    do = "kong.service.set_upstream('replicas')\n" + form.format(LONG[name]) + OPEN
    assert verdict(do, text={"kong.ctx.shared.get k": "v"}) == {"ask": "long"}


@pytest.mark.requirement("FAST-002")
@pytest.mark.parametrize("instance", [0, 5, 2**31])
def test_an_instance_that_nobody_knows_is_to_be_started(server, instance):
    with Link(server.path) as link:
        assert ask(link, request(instance)) == {"ask": "start"}


NO_EVENTS = {
    "nothing": b"",
    "half a head": b"\1\0\0\0\1",
    "names that break off": struct.pack("=II", 1, 99) + b"access",
    "sizes that break off": request(1, body=b"{}")[:-6],
    "a value that breaks off": request(1, body=b"{}")[:-1],
    "more than its values": request(1, body=b"{}") + b"x",
    "names that are no text": struct.pack("=II", 1, 1) + b"\xff",
    "a name of no kind": struct.pack("=II", 1, 10) + b"access\nx y" + bytes(4),
    "a kind without a name": struct.pack("=II", 1, 8) + b"access\nt" + bytes(4),
    "a body that is not last": struct.pack("=II", 1, 12) + b"access\nb\nt x" + bytes(8),
    "a size beyond all bytes": struct.pack("=II", 1, 8) + b"access\nb" + b"\xff" * 4,
}


@pytest.mark.requirement("FAST-002")
@pytest.mark.parametrize("data", NO_EVENTS.values(), ids=NO_EVENTS)
def test_what_is_no_event_gets_no_verdict(server, data):
    with Link(server.path) as link:
        assert ask(link, data) is None
    with Link(server.path) as link:
        assert link.start("odd", {"do": "pass"})


@pytest.mark.requirement("FAST-002")
def test_a_phase_that_the_plugin_has_not_is_refused(server):
    with Link(server.path) as link:
        assert ask(link, request(link.start("odd", {"do": "pass"}), phase="rewrite"))["exit"][0] == 503


@pytest.mark.requirement("FAST-001")
def test_both_ways_are_asked_on_one_connection_and_know_one_instance(server):
    with Link(server.path) as link:
        instance = link.start("odd", {"do": "kong.ctx.shared.set('k', kong.request.get_path())"})
        for _ in range(3):
            assert ask(link, request(instance, text={"kong.request.get_path": "/a"}))["do"][0][2] == "/a"
            outcome = link.event(instance, pdk={"kong.request.get_path": b"\x0a\x02/b"})
            assert (outcome.kind, [name for name, _ in outcome.calls][-1]) == ("passed", "kong.ctx.shared.set")


@pytest.mark.requirement("FAST-002")
def test_half_a_frame_holds_up_nobody_else(server):
    with Link(server.path) as half, Link(server.path) as whole:
        instance = whole.start("odd", {"do": "pass"})
        half.socket.sendall(frame(MARK + b"\1\0\0\0" + request(instance))[:9])
        assert ask(whole, request(instance)) == {"do": []}


@pytest.mark.requirement("FAST-002")
def test_what_failed_is_logged_with_its_phase(server):
    with Link(server.path) as link:
        ask(link, request(link.start("odd", {"do": "raise ValueError"})))
    (record,) = until(lambda: server.logged("event_refused"))
    assert (record["plugin"], record["phase"]) == ("odd", "access")
