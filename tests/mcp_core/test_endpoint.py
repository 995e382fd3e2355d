from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest

from mcp_core import endpoint


@pytest.mark.requirement("OLD-001")
@pytest.mark.parametrize("path", ["/notes/mcp", "/a/b/mcp", "/mcp", "/notes/mcp/"])
def test_the_announced_uri_is_taken_for_what_it_is_and_no_other_path_is(path):
    announced = endpoint.announced_path(path)
    assert endpoint.takes_messages(announced)
    assert not endpoint.takes_messages(path)
    uri = urlsplit(urljoin(f"https://gateway.example{path}", endpoint.announced_uri(announced, "TOKEN")))
    assert (uri.path, endpoint.read_query(uri.query)) == (announced, "TOKEN")


@pytest.mark.requirement("OLD-002")
@pytest.mark.parametrize("query", ["", "session_id=", "session_id", "Session_id=x", "x=1&session_id=x", "token"])
def test_any_other_query_has_no_token(query):
    assert endpoint.read_query(query) is None


@pytest.mark.requirement("OLD-003")
@pytest.mark.parametrize(
    ("data", "uri"),
    [
        ("/messages/?session_id=0a1b", "/messages/?session_id=0a1b"),
        ("/messages", "/messages"),
        ("/a/b.c/d_e~f-1/?x=/y&z=a%20b", "/a/b.c/d_e~f-1/?x=/y&z=a%20b"),
        ("http://10.0.0.7:8080/messages?s=1", "/messages?s=1"),
        ("https://server.example/x", "/x"),
        ("/...", "/..."),
        ("/.well/known", "/.well/known"),
    ],
)
def test_a_plain_path_and_query_is_where_messages_go(data, uri):
    assert endpoint.read_uri(data) == uri


BASES = ["/sse", "/v1/sse", "/v1/sse/", "/a/b/c/sse", "/"]
RELATIVE = [
    *(
        "messages",
        "messages?sessionId=1",
        "./messages?x=/y",
        "../messages",
        "../../x?y=../z",
        "?session=1",
        "a/b/",
        "./",
    ),
    *("../../../../../../x", ".././../messages", "m?x=a:b", "/messages?x=1", "http://h:1/messages?s=1"),
]


@pytest.mark.requirement("OLD-003")
@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("data", RELATIVE)
def test_a_relative_uri_is_resolved_as_urls_are(data, base):
    url = urlsplit(urljoin(f"http://h:1{base}", data))
    wanted = f"{url.path}{'?' * bool(url.query)}{url.query}"
    assert endpoint.read_uri(data, base) == (None if url.path == "/" else wanted)


@pytest.mark.requirement("OLD-003")
@pytest.mark.parametrize("base", [None, *BASES])
@pytest.mark.parametrize(
    "data",
    [
        *("", "//other/x", "javascript:x", "ftp://h/x", "mailto:x", "a:b/c", "x/../../y", "a/./b", "a/..", "%2e%2e/x"),
        *("a%2fb", "a\\b", "a#b", "#a", "a b", "..", ".", "a//b", ".//x", "..//other/x", "./" * 600 + "x"),
    ],
)
def test_a_relative_uri_that_readers_could_resolve_differently_is_none(data, base):
    assert endpoint.read_uri(data, base) is None


@pytest.mark.requirement("OLD-003")
@pytest.mark.parametrize(
    "data",
    [
        *("", "/", "messages", "?session=1", "//other/x", "/a//b", "/../notes", "/a/..", "/a/../b", "/./a", "/a/."),
        *(
            "/a/..?x",
            "/%2e%2e/notes",
            "/a%2fb",
            "/a\\b",
            "/a#b",
            "/a?b#c",
            "/a b",
            "/a\n",
            "/a?b\nc",
            "/caf\xe9",
            "/a;b",
        ),
        *("ftp://server/x", "https://server", "http:///x", "/a?" + "x" * 1024, 'data:text/html,"', "/a?b=\x00"),
    ],
)
def test_what_readers_could_take_for_another_path_is_none(data):
    assert endpoint.read_uri(data) is None
