"""What find_tools finds on a virtual server by meaning, and what that may take."""

import json
import threading

import anyio
import pytest

from mcp_core.principal import consumer
from mcp_sidecar.adaptive import finding
from mcp_sidecar.adaptive.finding import MemberFinder
from mcp_sidecar.adaptive.inventory import Inventory, MemberOffer
from mcp_sidecar.search import models
from mcp_sidecar.search.models import quick_embedder

ALICE, BOB = consumer("alice"), consumer("bob")
SAID = {
    "get_forecast": "Tells the temperature and rain for a city.",
    "list_invoices": "All bills of a customer.",
    "read_file": "Reads a text from the disk.",
    "translate": "Says a sentence in another language.",
    "play_song": "Plays music.",
}


def offered(said=SAID, *names):
    tools = {name: said[name] for name in names or said}
    return Inventory(
        {name: MemberOffer("house", name, {"name": name, "description": one}) for name, one in tools.items()},
        {},
        {},
        {},
    )


def found(finder, caller, inventory, query):
    said = anyio.run(finder.find, caller, inventory, {"query": query})
    return json.loads(said["content"][0]["text"])


class Counting:
    """The model, which counts what it read, and in which threads."""

    def __init__(self, model):
        self.model = model
        self.name = model.name
        self.texts = []
        self.threads = set()

    def embed(self, texts):
        self.texts += texts
        self.threads.add(threading.get_ident())
        return self.model.embed(texts)


@pytest.mark.requirement("FIND-401")
@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("is it going to be cold and wet tomorrow", "get_forecast"),
        ("what must be paid", "list_invoices"),
        ("hear a melody", "play_song"),
    ],
)
def test_a_tool_is_found_that_has_no_word_of_the_query(query, name):
    by_words = found(MemberFinder(lambda: None), ALICE, offered(), query)
    assert "note" in by_words
    by_meaning = found(MemberFinder(), ALICE, offered(), query)
    assert by_meaning["tools"][0]["name"] == name
    assert "note" not in by_meaning


@pytest.mark.requirement("FIND-401")
@pytest.mark.parametrize("query", ["", " ", "...", "\x00", "quagga", "\U0001f980"])
def test_an_answer_is_never_empty_and_says_where_nothing_fits(query):
    said = found(MemberFinder(), ALICE, offered(), query)
    assert len(said["tools"]) == len(SAID)
    assert ("note" in said) or any(one.isalpha() for one in query)


@pytest.mark.requirement("FIND-401")
def test_a_tool_is_read_once_for_all_callers_apart_from_the_event_loop():
    model = Counting(quick_embedder())
    finder = MemberFinder(lambda: model)
    for caller, names in ((ALICE, ()), (BOB, ()), (BOB, ("get_forecast", "read_file"))):
        found(finder, caller, offered(SAID, *names), "rain")
    read = [text for text in model.texts if text != "rain"]
    # Its meaning and its name: two texts a tool.
    assert len(read) == 2 * len(SAID)
    assert threading.get_ident() not in model.threads
    found(finder, ALICE, offered(SAID | {"read_file": "Reads another text."}), "rain")
    assert len([text for text in model.texts if text != "rain"]) == 2 * len(SAID) + 2


@pytest.mark.requirement("FIND-401")
def test_what_a_caller_may_not_see_does_not_change_how_others_are_found():
    finder, some = MemberFinder(), ("get_forecast", "play_song")
    found(finder, ALICE, offered(), "weather song")
    after = found(finder, BOB, offered(SAID, *some), "weather song")
    assert after == found(MemberFinder(), BOB, offered(SAID, *some), "weather song")


@pytest.mark.requirement("FIND-401")
def test_all_indexes_together_are_bounded(monkeypatch):
    monkeypatch.setattr(finding, "MOST_INDEXED", 7)
    read, plain = [], finding.Index
    monkeypatch.setattr(finding, "Index", lambda *of: read.append(of) or plain(*of))
    finder = MemberFinder()
    whole, part = offered(), offered(SAID, "read_file", "translate", "play_song")
    for inventory, made in ((whole, 1), (whole, 1), (part, 2), (part, 2), (whole, 3)):
        found(finder, ALICE, inventory, "rain")
        assert len(read) == made


@pytest.mark.requirement("FIND-402")
def test_a_model_that_cannot_be_read_leaves_a_search_by_words(monkeypatch, capsys):
    def broken():
        yield json.loads("the table is cut off")

    monkeypatch.setattr(models, "installed_embedders", broken)
    finder = MemberFinder(quick_embedder.__wrapped__)
    assert found(finder, ALICE, offered(), "bills of a customer")["tools"][0]["name"] == "list_invoices"
    assert "it finds without it" in capsys.readouterr().out


@pytest.mark.requirement("FIND-340")
def test_tools_are_found_by_the_model_that_the_settings_name(desk, monkeypatch):
    model = Counting(quick_embedder())
    monkeypatch.setattr("mcp_sidecar.adaptive.serving.EMBEDDERS", {"wordllama": lambda: None, "both": lambda: model})

    async def notes(setting):
        async with desk(search_model=setting) as all_:
            said = await all_.finder.find(ALICE, offered(), {"query": "hear a melody"})
            return "note" in json.loads(said["content"][0]["text"])

    assert anyio.run(notes, "wordllama")
    assert not model.texts
    assert not anyio.run(notes, "both")
    assert "hear a melody" in model.texts
