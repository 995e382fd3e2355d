"""The Python hand of the law of answers, as the inspect lane runs it, for the cases and the fuzzers."""

import json

import anyio

from mcp_answers.hand import LETTERS
from mcp_core.answer import Judge, ServerMessages
from mcp_core.methods import Era, Kind, Place, ServerKind
from mcp_core.outcome import Reject
from mcp_core.policy import Access, View
from mcp_core.question import Asked, Question
from mcp_core.surface import filter_text, unreadable
from mcp_sidecar.lane.filtering import AnswerView, Filter, Tally
from mcp_sidecar.lane.streams import EventStream

EVERYTHING = View({kind: Access(("*",)) for kind in Kind})


def judge_of(asked):
    """Return the Python hand for a question of the cases."""
    one = () if "id" not in asked else (Asked(asked["id"], asked["method"], asked.get("token")),)
    question = Question(Era(asked["era"]), asked["version"], Place.POST, one)
    # The call lane has no tasks: their ids are sealed.
    kinds = frozenset(map(ServerKind, asked.get("kinds", LETTERS)))
    return Judge(question, ServerMessages(kinds))


def python_judges(asked, text):
    """Return what becomes of a text, in the words of the cases, and what goes on."""
    judge = judge_of(asked)
    passed = filter_text(text, EVERYTHING, judge=judge)
    if isinstance(passed, Reject):
        return "fail", passed.detail
    judge.settle()
    return "answer" if judge.done and passed else "pass" if passed else "drop", passed


def python_streams(asked, chunks):
    """Return all that passes of an event stream in the inspect lane, where it ends with the answer."""

    async def run():
        judge = judge_of(asked)
        stream = EventStream(Filter(), AnswerView(Tally(EVERYTHING), judge=judge), max_event=8 * 1024 * 1024)
        out = b""
        batches = [stream.decode(chunk) for chunk in chunks]
        for event in [*(one for batch in batches for one in batch), *stream.end()]:
            piece = await stream.judge(event)
            if isinstance(piece, Reject):
                return out + error(piece)
            out += b"" if piece is None else piece.encoded
            if judge.done:
                return out
        ended = unreadable("a stream that ended without the answer")
        return out if judge.question.may_end_open(resumable=stream.resumable) else out + error(ended)

    def error(refusal):
        said = {"code": refusal.code, "message": refusal.message}
        whole = {"jsonrpc": "2.0", "id": asked["id"], "error": said}
        return b"data: " + json.dumps(whole, separators=(",", ":")).encode() + b"\n\n"

    return anyio.run(run)
