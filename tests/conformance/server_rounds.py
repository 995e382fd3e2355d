"""The tools and the prompt of the official suite that ask before they answer (2026-07-28, multi-round-trip)."""

import json

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.prompts.base import Prompt, UserMessage
from mcp.types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
    ListRootsRequest,
    SamplingMessage,
    TextContent,
)


def ask(message, **properties):
    fields = {name: {"type": kind} for name, kind in properties.items()}
    schema = {"type": "object", "properties": fields, "required": list(fields)}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def _sample(text, max_tokens):
    messages = [SamplingMessage(role="user", content=TextContent(type="text", text=text))]
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=messages, max_tokens=max_tokens))


PREFIX = "test_input_required_result_"
NAME = ask("What is your name?", name="string")
CONFIRM = ask("Please confirm", ok="boolean")

ONE_ROUND = {
    "elicitation": ({"user_name": NAME}, None),
    "sampling": ({"capital_question": _sample("What is the capital of France?", 100)}, None),
    "list_roots": ({"client_roots": ListRootsRequest()}, None),
    "request_state": ({"confirm": CONFIRM}, "asked to confirm"),
    "tampered_state": ({"confirm": CONFIRM}, "asked to confirm"),
    "multiple_inputs": (
        {"user_name": NAME, "greeting": _sample("Generate a greeting", 50), "client_roots": ListRootsRequest()},
        "asked three things",
    ),
}
"""Name of a tool, behind its prefix -> (the questions it asks, the state that it wants to see again)."""

STEPS = (
    {"step1": ask("Step 1: What is your name?", name="string")},
    {"step2": ask("Step 2: What is your favorite color?", color="string")},
)


def add_rounds(server):
    for name, (questions, state) in ONE_ROUND.items():
        _add_one_round(server, f"{PREFIX}{name}", questions, state)
    server.add_tool(multi_round, name=f"{PREFIX}multi_round")
    server.add_tool(capabilities, name=f"{PREFIX}capabilities")
    server.add_tool(streaming_elicitation, name="test_streaming_elicitation")
    server.add_prompt(Prompt.from_function(prompt, name=f"{PREFIX}prompt"))


def answers(ctx):
    return ctx.input_responses or {}


def _add_one_round(server, name, questions, state):
    async def tool(ctx: Context) -> str | InputRequiredResult:
        given = answers(ctx)
        if ctx.request_state != state or not questions.keys() <= given.keys():
            return InputRequiredResult(input_requests=questions, request_state=state)
        said = {key: given[key].model_dump(mode="json") for key in questions}
        return f"state-ok: {json.dumps(said)}"

    server.add_tool(tool, name=name, description=f"Ask for {', '.join(questions)}, then answer.")


async def multi_round(ctx: Context) -> str | InputRequiredResult:
    """Ask twice, one thing after the other."""
    done = int(ctx.request_state) if ctx.request_state else 0
    if done and not STEPS[done - 1].keys() <= answers(ctx).keys():
        done -= 1
    if done == len(STEPS):
        return "asked everything"
    return InputRequiredResult(input_requests=STEPS[done], request_state=str(done + 1))


async def capabilities(ctx: Context) -> str | InputRequiredResult:
    """Ask only what the client says it can answer."""
    can = ctx.client_capabilities
    questions = {}
    if can is not None and can.sampling is not None:
        questions["sample"] = _sample("Say hello", 50)
    if can is not None and can.elicitation is not None:
        questions["ask"] = NAME
    return InputRequiredResult(input_requests=questions, request_state="asked what can be answered")


async def streaming_elicitation(ctx: Context) -> str | InputRequiredResult:
    """Ask the user; in the modern era the question is in the answer, never a request of its own."""
    given = answers(ctx)
    return "answered" if "user_name" in given else InputRequiredResult(input_requests={"user_name": NAME})


async def prompt(ctx: Context) -> list[UserMessage] | InputRequiredResult:
    """Ask for the context of a prompt."""
    given = answers(ctx)
    if "user_context" in given:
        said = given["user_context"].content["context"]
        return [UserMessage(content=TextContent(type="text", text=f"Use this context: {said}"))]
    question = ask("What context should the prompt use?", context="string")
    return InputRequiredResult(input_requests={"user_context": question})
