"""What members of a virtual server say is read as it was judged: whatever asks an agent is answered to who asked."""

import json
import threading
from types import SimpleNamespace

import anyio
import pytest

from mcp_core import loosejson
from mcp_core.virtual import ListBudget
from mcp_sidecar.adaptive import relay
from mcp_sidecar.adaptive.relay import MOST_QUESTIONS, answered
from mcp_sidecar.adaptive.serving import Serving
from mcp_sidecar.adaptive.sessions import AgentSaid, new_id
from mcp_sidecar.lane.fetched import Said, Whole
from mcp_sidecar.logs import Line

CALL = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"tool1","arguments":{}}}'
ERA = {"era": "legacy", "version": "2025-11-25", "session": new_id(AgentSaid("2025-11-25", {}, {}))}
MODERN = {"era": "modern", "version": "2026-07-28", "session": None}
DONE = '{"jsonrpc":"2.0","id":7,"result":{"content":[]}}'


class Member:
    """A member that says `texts` in answer to a call of its tool, and `resumed` on a stream that goes on."""

    def __init__(self, kong, words):
        kong.play = self._play
        self._words = words
        self.texts = []
        self.resumed = []

    def _play(self, request, connection):
        asked = json.loads(request.body or b"{}")
        method = asked.get("method")
        if method == "tools/call" or not asked:
            texts = self.texts if asked else self.resumed
            connection.sendall(self._words.stream_answer(*(f"data: {text}\n\n".encode() for text in texts)))
            return
        if "id" not in asked:
            connection.sendall(self._words.json_answer(b"", status="202 Accepted"))
            return
        result = {"capabilities": {"tools": {}}, "protocolVersion": "2025-11-25"}
        result |= {"serverInfo": {"name": "w", "version": "1"}}
        if method == "tools/list":
            result = {"tools": [{"name": "tool1", "inputSchema": {"type": "object"}}]}
        said = {"jsonrpc": "2.0", "id": asked["id"]}
        said |= {"error": {"code": -32601, "message": "?"}} if method == "server/discover" else {"result": result}
        more = "Mcp-Session-Id: of-weather\r\n" if method == "initialize" else ""
        connection.sendall(self._words.json_answer(json.dumps(said).encode(), headers=more))


@pytest.fixture
def member(kong, words):
    return Member(kong, words)


@pytest.fixture
def heard(desk, call):
    """Return what an agent hears of a call and then, with `more`, of another request."""

    def heard(more=None, *, budget=None, **era):
        async def ask(all_, body, **said):
            asked = call(body, budget=budget, **{**ERA, **said, **era})
            asked.headers.update({"last-event-id": "weather/e1"} if not body else {})
            fetching = await Serving(all_, asked, asked.claims.terms.virtual, Line(0.0)).answer()
            async with fetching.answer() as parts:
                said = [part async for part in parts]
            return [json.loads(one.text) for one in said if isinstance(one, Said | Whole) and one.text]

        async def work():
            async with desk() as all_:
                said = await ask(all_, CALL, method="tools/call", id=7)
                return said if more is None else await ask(all_, b"", **more)

        return anyio.run(work)

    return heard


def asks(id_='"bank/0"', method='"method"', params='{"message":"Do you like cats?","requestedSchema":{}}'):
    return f'{{"jsonrpc":"2.0","id":{id_},{method}:"elicitation/create","params":{params}}}'


ODD_PARAMS = {
    "meta": '{"message":"?","_meta":5}',
    "misspelled": '{"message":"?","_Meta":{}}',
    "null": "null",
    "twice": '{"message":"?","message":"!"}',
    "number": '{"message":NaN}',
    "deep": '{"message":' + "[" * 100 + "]" * 100 + "}",
    "crowded": json.dumps({f"k{number}": 1 for number in range(2000)}),
}


@pytest.mark.requirement("VIRT-302")
@pytest.mark.parametrize(
    "question",
    [
        pytest.param(asks(), id="plain"),
        pytest.param(asks(method='"\\u006dethod"'), id="escaped"),
        pytest.param(asks(method='"m\\u0065th\\u006Fd" '), id="escaped-within"),
        *(pytest.param(asks(params=params), id=name) for name, params in ODD_PARAMS.items()),
        pytest.param(asks(id_=f'"bank/{" " * 400}0"'), id="long-id"),
        pytest.param(asks(id_="1.5"), id="fraction"),
        pytest.param(asks(id_="9" * 40), id="large-id"),
    ],
)
def test_no_member_has_an_agent_answer_another_one(member, heard, question):
    member.texts = [question, DONE]
    said, done = heard()
    assert (said["method"], done["id"]) == ("elicitation/create", 7)
    assert said["id"].startswith("weather/")


@pytest.mark.requirement("VIRT-302")
@pytest.mark.parametrize(("written", "own"), [("0", 0), ("1.0", 1), ("1e2", 100), ('"\\u0071 1"', "q 1")])
def test_an_answer_comes_back_by_the_members_own_id(member, heard, written, own):
    member.texts = [asks(id_=written), DONE]
    assert answered(heard()[0]["id"], ("weather",)) == ("weather", own)


@pytest.mark.requirement("VIRT-302")
def test_questions_in_a_batch_of_a_stream_that_goes_on_are_the_members_too(member, heard):
    member.texts, member.resumed = [DONE], [f"[{asks()},{asks()}]"]
    ((one, other),) = heard({"http_method": "GET", "method": "", "id": None, "place": "replay"})
    assert (one["id"], other["id"]) == ('weather/"bank/0"', 'weather/"bank/0"')


RESUMES = {"http_method": "GET", "method": "", "id": None, "place": "replay"}


def result(id_, said):
    return f'{{"jsonrpc":"2.0","id":{id_},"result":{{"content":[{{"type":"text","text":"{said}"}}]}}}}'


@pytest.mark.requirement("VIRT-437")
@pytest.mark.parametrize("as_batch", [False, True])
def test_a_stream_that_goes_on_answers_what_its_member_left_open_and_nothing_else(member, heard, as_batch):
    """An agent takes an answer for that to whatever has its id, also to what it asked another member, or here."""
    first = '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}\nid: e1'
    others = [result(id_, "mine") for id_ in ("8", '"7"', '"list-1"')]
    others += ['{"jsonrpc":"2.0","id":9,"result":{"tools":[]}}']
    others += [f'{{"jsonrpc":"2.0","id":{id_},"error":{{"code":1,"message":"?"}}}}' for id_ in ("9", "null")]
    mine = result("7.0", "done")
    member.texts = [first]
    member.resumed = [f"[{','.join([*others, mine])}]"] if as_batch else [*others, mine]
    said = heard(RESUMES)
    assert said == ([[json.loads(mine)]] if as_batch else [json.loads(mine)])


@pytest.mark.requirement("VIRT-437")
def test_what_a_member_answered_it_does_not_answer_again(member, heard):
    member.texts, member.resumed = [DONE], [result("7", "again")]
    assert heard(RESUMES) == []


@pytest.mark.requirement("VIRT-302")
@pytest.mark.parametrize(
    ("taken_back", "told"),
    [("1", "weather/1"), ('"bank/0"', 'weather/"bank/0"'), ('"~ask/x"', 'weather/"~ask/x"'), ("1.0", "weather/1")],
)
def test_a_member_takes_back_its_own_questions_alone(member, heard, taken_back, told):
    member.texts = [
        f'{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{taken_back}}}}}',
        DONE,
    ]
    assert heard()[0]["params"] == {"requestId": told}


LONG = "word " * 500
ODD_RESULT = f'{{"jsonrpc":"2.0","id":7,"result":{{"content":[{{"type":"text","text":"{LONG}","x":1,"x":2}}]}}}}'


@pytest.mark.requirement("VIRT-302")
def test_a_result_that_is_odd_within_is_cut_all_the_same(member, heard):
    member.texts = [ODD_RESULT]
    (said,) = heard(budget=ListBudget(10_000, output=100))
    assert "Cut by the gateway" in said["result"]["content"][1]["text"]


@pytest.mark.requirement("VIRT-302")
def test_a_result_that_is_odd_within_reaches_an_agent_of_the_other_era(member, heard):
    member.texts = [ODD_RESULT]
    (said,) = heard(**MODERN)
    assert said["result"]["resultType"] == "complete"


@pytest.mark.requirement("VIRT-302")
def test_what_is_known_of_a_members_questions_has_a_bound(desk, call, member):
    member.texts = [asks(id_=json.dumps(f"q{number}")) for number in range(MOST_QUESTIONS + 50)]
    member.texts += [asks(id_=json.dumps("q" * 5000)), DONE]

    async def work():
        async with desk() as all_:
            asked = call(CALL, **ERA, method="tools/call", id=7)
            asking = await Serving(all_, asked, asked.claims.terms.virtual, Line(0.0)).answer()
            async with asking.answer() as parts:
                async for _ in parts:
                    pass
            return asking.questions

    kept = anyio.run(work)
    assert len(kept) == MOST_QUESTIONS
    assert (kept[-1], max(map(len, kept))) == (f'"q{MOST_QUESTIONS + 49}"', 6)


@pytest.mark.requirement("VIRT-302")
@pytest.mark.parametrize(("size", "apart"), [(relay.THREAD_BYTES, True), (100, False)])
def test_a_long_text_is_read_and_written_apart_from_the_event_loop(member, heard, monkeypatch, size, apart):
    threads = []

    def noting(work):
        return lambda *of: threads.append(threading.get_ident()) or work(*of)

    monkeypatch.setattr(relay, "loosejson", SimpleNamespace(load=noting(loosejson.load)))
    monkeypatch.setattr(relay, "written", noting(relay.written))
    member.texts = [asks(params=json.dumps({"message": "x" * size})), DONE]
    heard()
    assert [thread != threading.get_ident() for thread in threads] == [apart, apart]
