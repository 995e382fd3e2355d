"""What a listen for many URIs takes of a sidecar: nothing of the event loop, and one place of whoever asks."""

import json
import threading

import anyio
import pytest

from mcp_core.pins.templates import Template
from mcp_core.reasons import Reason
from mcp_sidecar.adaptive import inventory
from mcp_sidecar.adaptive.inventory import MOST_TEMPLATES, merge
from mcp_sidecar.adaptive.serving import Serving
from mcp_sidecar.adaptive.warm import MemberList

LISTENS = {"method": "subscriptions/listen", "era": "modern", "version": "2026-07-28"}


def listen(*uris):
    params = {"notifications": {"resourceSubscriptions": list(uris)}}
    return json.dumps({"jsonrpc": "2.0", "id": 7, "method": "subscriptions/listen", "params": params}).encode()


def lists_templates(kong, words, *texts):
    def play(request, connection):
        asked = json.loads(request.body)
        result = {"capabilities": {"resources": {}}, "resultType": "complete", "resources": []}
        result["resourceTemplates"] = [{"name": text, "uriTemplate": text} for text in texts]
        said = {"jsonrpc": "2.0", "id": asked["id"], "result": result}
        connection.sendall(words.json_answer(json.dumps(said).encode()))

    kong.play = play


@pytest.mark.requirement("VIRT-431")
def test_templates_are_read_once_and_held_against_uris_apart_from_the_event_loop(
    desk, kong, call, line, words, monkeypatch
):
    read, held = [], []

    class Watched(Template):
        def __init__(self, text):
            read.append(threading.get_ident())
            super().__init__(text)

        def matches(self, uri):
            held.append(threading.get_ident())
            return super().matches(uri)

    monkeypatch.setattr(inventory, "Template", Watched)
    lists_templates(kong, words, "note://{id}", "memo://{id}")

    async def work():
        async with desk() as all_:
            asked = call(listen("note://1", *(f"gone://{at}" for at in range(50))), **LISTENS)
            serving = Serving(all_, asked, asked.claims.terms.virtual, line)
            await serving.take()
            before = len(read)
            stream = await serving.answer()
            assert len(read) == before > 0
            return stream

    stream = anyio.run(work)
    assert stream._place.wanted["resourceSubscriptions"] == ["note://1"]
    assert len(held) > 50
    assert threading.get_ident() not in {*read, *held}


@pytest.mark.requirement("VIRT-431")
def test_looking_uris_up_takes_a_place_of_whoever_asks(desk, kong, call, line, words):
    lists_templates(kong, words, "note://{id}")

    async def work():
        async with desk(open_per_caller=1) as all_:
            asked = call(listen("note://1"), **LISTENS)
            with all_.parts.shares.take("desk", asked.claims.principal.seal_key, lasting=False):
                return await Serving(all_, asked, asked.claims.terms.virtual, line).answer()

    assert anyio.run(work).reason is Reason.SHARE_OF_CALLER
    assert kong.requests == []


@pytest.mark.requirement("VIRT-431")
def test_so_many_templates_of_a_member_are_offered_and_all_of_the_next_one(call):
    many = [{"uriTemplate": f"many{at}://{{id}}"} for at in range(MOST_TEMPLATES + 1)]
    listed = [MemberList("many", {"resourceTemplates": many}), MemberList("one", {"resourceTemplates": many[-1:]})]
    claims = call(members=("many", "one")).claims
    merged = merge(listed, claims.terms.virtual, claims.terms.view)
    assert len(merged.templates) == MOST_TEMPLATES + 1
    assert merged.of_uri(f"many{MOST_TEMPLATES - 1}://1") == "many"
    assert merged.of_uri(f"many{MOST_TEMPLATES}://1") == "one"
