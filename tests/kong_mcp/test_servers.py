"""NAME=URL[,URL...]: what is read, and how what cannot be used is explained."""

import pytest

from kong_mcp.servers import DevServer, ServerSpecError, parse_server


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("files=http://127.0.0.1:9001/mcp", DevServer("files", "http", "/mcp", ("127.0.0.1:9001",))),
        ("a=http://h:1/x/y,http://h:2/x/y", DevServer("a", "http", "/x/y", ("h:1", "h:2"))),
        ("a=https://files.example/mcp", DevServer("a", "https", "/mcp", ("files.example:443",))),
        ("a=http://files.example", DevServer("a", "http", "/", ("files.example:80",))),
        ("a=http://[::1]:9001/mcp", DevServer("a", "http", "/mcp", ("[::1]:9001",))),
    ],
)
def test_a_server_is_read(text, server):
    assert parse_server(text) == server


@pytest.mark.parametrize(
    ("text", "explanation"),
    [
        ("files", "write NAME=URL"),
        ("files=", "write NAME=URL"),
        ("Files=http://h/mcp", "a-z, 0-9 and -"),
        ("-f=http://h/mcp", "a-z, 0-9 and -"),
        ("a b=http://h/mcp", "a-z, 0-9 and -"),
        ("internal=http://h/mcp", "choose another one"),
        ("sidecar=http://h/mcp", "choose another one"),
        ("a=ftp://h/mcp", "write http://HOST:PORT/PATH"),
        ("a=http://h:99999/mcp", "write http://HOST:PORT/PATH"),
        ("a=http://h:0/mcp", "there is no port 0"),
        ("a=http://user:secret@h/mcp", "without credentials"),
        ("a=http:///mcp", "without credentials"),
        ("a=http://h/mcp?x=1", "without credentials, query"),
        ("a=http://h:1/mcp,https://h:2/mcp", "differ in host and port only"),
        ("a=http://h:1/mcp,http://h:1/mcp", "are the same"),
    ],
)
def test_what_cannot_be_used_is_explained(text, explanation):
    with pytest.raises(ServerSpecError) as caught:
        parse_server(text)
    assert explanation in str(caught.value)
