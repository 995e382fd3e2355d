"""What a server asks of an agent (elicitation, sampling, roots) comes back to it, in either era."""

import asyncio
import json

import mcp_types as types
import pytest
from mcp import MCPError

from e2e.ways import MODERN, MODES, THROUGH_A_GATEWAY

NAME = {"action": "accept", "content": {"name": "Zoë \u2028"}}
POEM = {"role": "assistant", "content": {"type": "text", "text": "Roses."}, "model": "none", "stopReason": "endTurn"}
ROOTS = {"roots": [{"uri": "file:///home/zo%C3%AB", "name": "home"}]}
ANSWERS = {
    "elicit": {"name": NAME},
    "sample": {"poem": POEM},
    "roots": {"roots": ROOTS},
    "interview": {"name": NAME, "poem": POEM, "roots": ROOTS},
}


async def give_name(_context, params):
    assert params.message == "What is your name?"
    assert params.requested_schema["required"] == ["name"]
    return types.ElicitResult.model_validate(NAME)


async def write_poem(_context, params):
    assert params.messages[0].content.text == "Write a poem."
    return types.CreateMessageResult.model_validate(POEM)


async def list_roots(_context):
    return types.ListRootsResult.model_validate(ROOTS)


CALLBACKS = {"elicitation_callback": give_name, "sampling_callback": write_poem, "list_roots_callback": list_roots}


@pytest.mark.requirement("CLIENT-001")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tool", list(ANSWERS))
def test_a_server_s_questions_reach_the_agent_and_its_answers_the_server(way, mode, tool):
    async def run():
        async with way.connect(mode, **CALLBACKS) as client:
            return await client.call_tool(tool)

    since = way.mark()
    assert json.loads(asyncio.run(run()).content[0].text) == ANSWERS[tool]
    rounds = 2 if tool == "interview" else 1
    assert way.written(since, "round", "tool") == [
        *(["round", tool, number + 1] for number in range(rounds)),
        ["tool", tool],
    ]


@pytest.mark.requirement("CLIENT-001")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("action", ["decline", "cancel"])
def test_a_declined_question_is_declined_for_the_server_too(way, mode, action):
    async def decline(_context, _params):
        return types.ElicitResult(action=action)

    async def run():
        async with way.connect(mode, elicitation_callback=decline) as client:
            return await client.call_tool("elicit")

    assert json.loads(asyncio.run(run()).content[0].text) == {"name": {"action": action}}


@pytest.mark.requirement("CLIENT-001")
@pytest.mark.parametrize("mode", MODES)
def test_an_agent_that_cannot_answer_says_so_to_the_server(way, mode):
    async def refuse(_context, _params):
        return types.ErrorData(code=-1, message="The user rejected sampling.")

    async def run():
        async with way.connect(mode, sampling_callback=refuse) as client:
            with pytest.raises(MCPError) as caught:
                await client.call_tool("sample")
            return caught.value.error.message

    assert asyncio.run(run()) == "The user rejected sampling."


@pytest.mark.requirement("CLIENT-001")
def test_a_question_on_the_get_stream_of_a_session_is_answered(way):
    async def run():
        since = way.mark()
        async with way.connect("legacy", **CALLBACKS) as client:
            await way.listening(since)
            return await client.call_tool("stream_roots")

    assert asyncio.run(run()).content[0].text == "file:///home/zo%C3%AB"


def retry(way, consumer, tool, asked, **changes):
    """Send the second round of a tool as the official client would, by hand; gives the error that comes back."""
    seed = {"input_responses": {"name": types.ElicitResult.model_validate(NAME)}, "request_state": asked.request_state}

    async def run():
        async with way.connect(MODERN, consumer) as client:
            with pytest.raises(MCPError) as caught:
                await client.session.call_tool(tool, allow_input_required=True, **{**seed, **changes})
            return caught.value.error.code, caught.value.error.message

    return asyncio.run(run())


def first_round(way, consumer):
    """Let a consumer begin the interview, and return what the server asks."""

    async def run():
        async with way.connect(MODERN, consumer, **CALLBACKS) as client:
            return await client.session.call_tool("interview", allow_input_required=True)

    return asyncio.run(run())


@pytest.mark.requirement("CLIENT-002")
def test_an_answer_that_asks_for_more_passes_as_it_is(way):
    asked = first_round(way, "bob")
    assert asked.result_type == "input_required"
    assert asked.request_state == '"é\u2028 []'
    assert list(asked.input_requests) == ["name"]


@pytest.mark.requirement("CLIENT-002")
@THROUGH_A_GATEWAY
def test_every_round_is_authorised_anew(way):
    asked = first_round(way, "bob")
    since = way.mark()
    assert retry(way, "bob", "secret_interview", asked) == (-32602, "Unknown tool: secret_interview")
    assert retry(way, "eve", "interview", asked) == (-32602, "Unknown tool: interview")
    assert retry(way, "bob", "secret_interview", asked, input_responses=None)[0] == -32602
    assert way.written(since, "round", "tool") == []
