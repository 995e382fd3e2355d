"""Tools that ask the agent something before they answer: in requests of their own, or in results that ask for more.

The same rounds are asked in both eras, so that what comes back can be compared.
"""

import json

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.message import ServerMessageMetadata
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

_NAME = types.ElicitRequest(
    params=types.ElicitRequestFormParams(
        message="What is your name?",
        requested_schema={"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    )
)
_POEM = types.CreateMessageRequest(
    params=types.CreateMessageRequestParams(
        messages=[types.SamplingMessage(role="user", content=types.TextContent(text="Write a poem."))],
        max_tokens=10,
    )
)
_ROOTS = types.ListRootsRequest()
_RESULTS = {
    "elicitation/create": types.ElicitResult,
    "sampling/createMessage": types.CreateMessageResult,
    "roots/list": types.ListRootsResult,
}

ROUNDS = {
    "elicit": [{"name": _NAME}],
    "sample": [{"poem": _POEM}],
    "roots": [{"roots": _ROOTS}],
    "interview": [{"name": _NAME}, {"poem": _POEM, "roots": _ROOTS}],
    "secret_interview": [{"name": _NAME}, {"poem": _POEM, "roots": _ROOTS}],
}
"""Tool -> what it asks, round by round: key of each answer -> request."""


async def ask(
    ctx: ServerRequestContext, params: types.CallToolRequestParams, journal
) -> types.CallToolResult | types.InputRequiredResult:
    """Run the tool of ROUNDS that `params` name, as far as its answers have come."""
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return _one_round(params, journal)
    answers = {}
    for number, questions in enumerate(ROUNDS[params.name], 1):
        journal.write("round", params.name, number)
        for key, question in questions.items():
            about = ServerMessageMetadata(related_request_id=ctx.request_id)
            answers[key] = _plain(await ctx.session.send_request(question, _RESULTS[question.method], metadata=about))
    return _done(params.name, answers, journal)


def _one_round(params: types.CallToolRequestParams, journal) -> types.CallToolResult | types.InputRequiredResult:
    # The state holds characters that a careless hand would change on the way.
    answers = json.loads(params.request_state.removeprefix('"é\u2028 ')) if params.request_state else []
    if params.input_responses:
        answers.append({key: _plain(answer) for key, answer in params.input_responses.items()})
    rounds = ROUNDS[params.name]
    if len(answers) == len(rounds):
        return _done(params.name, {key: value for one in answers for key, value in one.items()}, journal)
    journal.write("round", params.name, len(answers) + 1)
    state = '"é\u2028 ' + json.dumps(answers, ensure_ascii=False)
    return types.InputRequiredResult(input_requests=rounds[len(answers)], request_state=state)


def _plain(answer) -> dict:
    plain = answer.model_dump(mode="json", by_alias=True, exclude_none=True)
    # How an answer of each era says that it is complete differs, and is not what is compared.
    return {key: value for key, value in plain.items() if key not in ("resultType", "_meta")}


def _done(name: str, answers: dict, journal) -> types.CallToolResult:
    journal.write("tool", name)
    return types.CallToolResult(content=[types.TextContent(text=json.dumps(answers, sort_keys=True))])
