"""The fuzzers' corpus, run again: what was found once stays found, on every machine.

Seeds are named after the class of what they try; `0-` is what honest clients and servers send.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fuzz import oracles, readers
from fuzz.checks import CHECKS
from fuzz.readers import check_text
from mcp_core.outcome import Reject

CORPUS = Path(__file__).parent / "corpus"
FILES = sorted(path for path in CORPUS.rglob("*") if path.is_file())
LISTED = b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"hidden","inputSchema":{"type":"object"}}]}}'


def inputs(paths):
    return pytest.mark.parametrize("path", [pytest.param(path, id=f"{path.parent.name}/{path.name}") for path in paths])


def passes(path):
    outcome = CHECKS[path.parent.name](path.read_bytes())
    return bool(outcome) and not isinstance(outcome, Reject)


@pytest.mark.requirement("FUZZ-001")
@pytest.mark.requirement("FUZZ-002")
@inputs(path for path in FILES if path.name.startswith("found-") or path.parent.name == "stream")
def test_no_reader_makes_more_of_an_input_than_the_core(path):
    passes(path)


@pytest.mark.requirement("FUZZ-001")
@pytest.mark.requirement("FUZZ-002")
@inputs(path for path in FILES if path.name.startswith("0-") and "update" not in path.name)  # a hidden one
def test_what_honest_peers_send_passes(path):
    """Without this, everything else here could be refused for the wrong reason."""
    assert passes(path)


@pytest.mark.requirement("FUZZ-001")
@inputs(path for path in FILES if path.name[0] in "1234567" and path.parent.name == "request")
def test_every_class_of_evasion_is_refused(path):
    assert not passes(path)


@pytest.mark.requirement("FAST-010")
@inputs(path for path in FILES if path.name[0] in "1234567" and path.parent.name == "again")
def test_what_is_not_plain_or_not_the_same_is_asked_anew(path):
    assert not passes(path)


@pytest.mark.requirement("FUZZ-002")
@inputs(path for path in FILES if path.name[0] in "1234567" and path.parent.name == "answer")
def test_of_every_class_of_hostile_answer_nothing_hidden_passes(path):
    outcome = CHECKS["answer"](path.read_bytes())
    assert isinstance(outcome, Reject) or b"hidden" not in outcome


@pytest.mark.requirement("FUZZ-001")
@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"okay","ur\xc4\xb1":"no:/a"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"okay","__proto__":{}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"okay","name":"hidden"}}',
    ],
)
def test_the_oracle_for_requests_knows_what_it_looks_for(body):
    with pytest.raises(AssertionError):
        oracles.check_readings(oracles.pairs(body))


@pytest.mark.requirement("FUZZ-002")
@pytest.mark.parametrize("text", [LISTED, LISTED.replace(b"tools", b"TOOLS"), b'{"__proto__":%b}' % LISTED])
def test_the_oracle_for_answers_knows_what_it_looks_for(text):
    with pytest.raises(AssertionError):
        check_text(text)


@pytest.mark.requirement("FUZZ-002")
@pytest.mark.parametrize("end", ["\n", "\u2028", "\x85", "\x1e"], ids=repr)
def test_the_oracle_for_streams_ends_lines_as_readers_do(end):
    stream = f'data: "{end}data: {LISTED.decode()}{end}"\n\n'.encode()
    assert any(json.loads(text) == json.loads(LISTED) for text in readers.messages(stream) if text.startswith('{"'))
