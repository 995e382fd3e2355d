"""Which labels of flow rules the words of an item speak for."""

import pytest

from mcp_core.adaptive.proposal import propose
from mcp_core.scan import ItemKind

pytestmark = pytest.mark.requirement("FLOW-106")
READS, OPEN = {"readOnlyHint": True}, {"readOnlyHint": True, "openWorldHint": True}


def tool(name, hints=None, arguments=(), **more):
    schema = {"type": "object", "properties": {argument: {} for argument in arguments}}
    return {"name": name, "inputSchema": schema, **({"annotations": hints} if hints else {}), **more}


def said(item, kind=ItemKind.TOOL):
    found = propose(kind, item)
    return found and (sorted(found.reads), found.external)


@pytest.mark.parametrize(
    ("item", "labels"),
    [
        (tool("send_mail", arguments=["recipients", "text"]), ([], True)),
        (tool("readInbox", READS), (["private", "untrusted"], False)),
        (tool("search-issues", OPEN), (["untrusted"], False)),
        (tool("fetch", READS, ["url"]), ([], True)),
        (tool("fetch_page", READS, ["url"]), (["untrusted"], True)),
        (tool("SQLQuery"), (["private"], False)),
        (tool("deploy", {"readOnlyHint": False, "openWorldHint": True}), (["untrusted"], True)),
        (tool("x", READS, title="Customers of the shop"), (["private"], False)),
        (tool("add", arguments=["webhookUrl"]), ([], True)),
        (tool("add"), None),
        (tool("add", READS), None),
        (tool("feeder", READS), None),
    ],
)
def test_words_arguments_and_hints_speak_for_labels(item, labels):
    assert said(item) == labels


@pytest.mark.parametrize(
    "hints", [READS, {"openWorldHint": False}, {"destructiveHint": False}, {"readOnlyHint": "no"}, 1]
)
def test_no_word_of_a_server_about_itself_speaks_against_a_label(hints):
    assert said(tool("get_mail", hints, ["url"])) == (["private", "untrusted"], True)


def test_prompts_and_resources_are_read_and_send_nothing():
    assert said({"name": "send_mail"}, ItemKind.PROMPT) == (["private", "untrusted"], False)
    assert said({"name": "n", "uri": "crm://customers/{id}"}, ItemKind.RESOURCE) == (["private"], False)
    assert said({"name": "n", "uriTemplate": "wiki://{page}"}, ItemKind.TEMPLATE) == (["untrusted"], False)


@pytest.mark.parametrize("item", [{}, {"name": 1, "title": [], "inputSchema": []}, {"name": "é" * 10**6}])
def test_what_is_no_item_speaks_for_nothing(item):
    assert propose(ItemKind.TOOL, item) is None
