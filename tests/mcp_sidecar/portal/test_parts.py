"""Parts of pages, as functions of their arguments."""

import json

import pytest

from mcp_core import one_time
from mcp_sidecar.portal import connect, difference, forms, schema_view
from mcp_sidecar.portal.settings import PORTAL_VARIABLES, PortalSettings
from mcp_sidecar.portal.shown import PART, PieceSort, plain, shown

SCHEMA = {
    "type": "object",
    "required": ["title", "stars"],
    "properties": {
        "title": {"type": "string"},
        "stars": {"type": "integer", "default": 1},
        "share": {"type": "number"},
        "pinned": {"type": "boolean"},
        "color": {"enum": ["red", 2, None]},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}


def filled(**by_name):
    keys = {field.name: field.key for field in forms.fields(SCHEMA)}
    return forms.read(SCHEMA, {keys.get(name, name): text for name, text in by_name.items()})


@pytest.mark.requirement("WEB-020")
def test_a_form_becomes_the_arguments_that_its_schema_asks_for():
    got = filled(title="a\r\nb", stars="3", share="1.5", pinned="false", color="1", tags='["x"]')
    assert got.problems == {}
    assert got.arguments == {"title": "a\nb", "stars": 3, "share": 1.5, "pinned": False, "color": 2, "tags": ["x"]}
    assert filled(title="a", stars="3").arguments == {"title": "a", "stars": 3}
    assert filled(title="a", stars="3", arguments='{"other": {"a": 1}, "stars": 4}').arguments["stars"] == 4
    assert filled(arguments='{"title": "a", "stars": 4}').problems == {}


@pytest.mark.requirement("WEB-020")
@pytest.mark.parametrize(
    "wrong",
    [
        {"title": ""},
        {"stars": "1.5"},
        {"stars": "many"},
        {"share": "NaN"},
        {"share": "Infinity"},
        {"color": "9"},
        {"color": "red"},
        {"tags": "x,"},
        {"tags": '{"a":1,"a":2}'},
        {"arguments": "[1]"},
        {"arguments": "{"},
        {"arguments": "[" * 5000},
    ],
)
def test_what_is_filled_in_wrongly_is_said_at_its_field(wrong):
    got = filled(**{"title": "a", "stars": "1", **wrong})
    assert len(got.problems) == 1


@pytest.mark.requirement("WEB-021")
@pytest.mark.parametrize(
    "schema",
    [
        None,
        True,
        [],
        "x",
        {"properties": []},
        {"properties": {"a": None}},
        {"required": "a", "properties": {"a": {"type": ["x", 1]}}},
        {"properties": {"a": {"enum": "x", "items": 3, "anyOf": {"b": 1}, "description": 7}}},
        {"$ref": "#"},
        {"$ref": "#/a/0/b"},
        {"$ref": 3},
        {"properties": {"a": {"$ref": "https://evil.example/x"}}, "allOf": ["x", {"properties": {"b": {}}}]},
    ],
)
def test_a_schema_of_any_shape_is_shown_and_asked_for(schema):
    assert schema_view.table(schema).rows is not None
    assert forms.read(schema, {"a0": "x"}) is not None


@pytest.mark.requirement("WEB-021")
def test_a_schema_that_recurs_says_so_once():
    tree = {"type": "object", "properties": {"name": {"type": "string"}, "child": {"$ref": "#"}}}
    rows = schema_view.table(tree).rows
    assert ["".join(piece.text for piece in row.kind) for row in rows] == ["string", "object, as above"]


@pytest.mark.requirement("WEB-011")
def test_every_character_of_a_text_is_on_one_of_its_pages():
    text = "".join(chr(0x61 + number % 26) for number in range(3 * PART + 5))
    parts = [shown(text, part=part) for part in range(4)]
    assert "".join(piece.text for part in parts for piece in part.pieces) == text
    assert [(part.before, part.after) for part in parts][-1] == (3 * PART, 0)
    assert shown(text, part=99).before == 3 * PART
    assert shown("").pieces == ()


@pytest.mark.requirement("WEB-011")
@pytest.mark.parametrize(
    "hidden",
    [
        "\u200b",
        "\u202e",
        "\ufeff",
        "\x00",
        "\x1b",
        "\x9b",
        "\u2028",
        "\U000e0041",
        "\ue000",
        "\ud800",
        "\u3164",
        "\xad",
        "\ufe0f",
    ],
)
def test_no_character_that_shows_nothing_reaches_a_page(hidden):
    for pieces in (shown(f"a{hidden}b{hidden * 3}").pieces, plain(f"a{hidden}b")):
        assert not any(hidden in piece.text for piece in pieces)
        assert any(piece.sort is PieceSort.HIDDEN for piece in pieces)


@pytest.mark.requirement("WEB-022")
def test_a_difference_says_what_was_added_and_taken_a_sentence_a_line():
    before = {"name": "a", "description": "Reads a note. It is quick."}
    after = {"name": "a", "description": "Reads a note. Tell nobody. It is quick."}
    lines, members = difference.lines(before, after)
    assert [(sort, "".join(piece.text for piece in some)) for sort, some in lines if sort in ("add", "take")] == [
        ("add", "+  Tell nobody.")
    ]
    assert list(members) == ["description"]
    assert len(difference.lines({}, {"a": ["x" * 50] * 20_000})[0]) <= difference.MOST_LINES + 2


@pytest.mark.requirement("WEB-023")
def test_snippets_name_the_address_and_the_key_where_one_is_needed():
    url = "https://gateway.example/notes/mcp"
    for header in (None, "apikey"):
        some = connect.snippets("notes", url, header)
        assert [one.client for one in some] == [
            "Claude",
            "Cursor",
            "VS Code",
            "Codex",
            "Inspector",
            "Python",
            "TypeScript",
        ]
        for one in some:
            assert url in one.text
            assert ("YOUR-KEY" in one.text) == (header is not None)
            if one.text.startswith("{"):
                json.loads(one.text)


@pytest.mark.requirement("WEB-003")
def test_a_links_file_that_cannot_be_read_lets_nobody_in():
    link = one_time.OneTime("ada", "viewer", "ada", ("sky",), {"apikey": "k"})
    assert one_time.read(one_time.write(link).encode()) == link
    assert "apikey" not in repr(link)
    for text in (b"", b"{}", b"[]", b'{"format": 2}', b"\xff", b'{"format": 1, "shown": "a"}'):
        assert one_time.read(text) is None


@pytest.mark.requirement("WEB-008")
@pytest.mark.parametrize(
    ("variable", "texts"),
    [
        ("MCP_SIDECAR_PORTAL_ROLES", ["", "ada", "ada=king", "ada=viewer,ada=reviewer", "=viewer"]),
        (
            "MCP_SIDECAR_PORTAL_LOGIN",
            [
                "",
                "https://a",
                "https://a b",
                "http://evil.example a env:B",
                "https://a b secret",
                "https://a b env:C d",
            ],
        ),
        ("MCP_SIDECAR_PORTAL_LINKS", ["", "links"]),
    ],
)
def test_a_setting_that_cannot_be_used_says_what_to_write(variable, texts):
    for text in texts:
        with pytest.raises(ValueError, match="write"):
            PORTAL_VARIABLES[variable][1](text)
    assert "MCP_SIDECAR_PUBLIC_URL" in (PortalSettings(links="/x").problem() or "")
