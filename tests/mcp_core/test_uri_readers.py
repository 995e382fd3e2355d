"""A deny list beside real readers of URIs: what any of them takes for something denied is denied in every spelling."""

from __future__ import annotations

import random

import pytest
from uri_readings import READERS

from mcp_core.methods import Kind
from mcp_core.policy import Matcher, Policy
from mcp_core.principal import NOBODY

# glob of what is denied -> a URI that it stands for
DENIED = {
    "file:///priv/*": "file:///priv/x",
    "file:///c:/priv/*": "file:///c:/priv/x",
    "FILE:/old/*": "FILE:/old/x",
    "note://private/*": "note://private/x",
    "note://private": "note://private",
    "note://exact/one": "note://exact/one",
    "note://Capital/*": "note://Capital/x",
    "note://user@house/*": "note://user@house/x",
    "note:///top/*": "note:///top/x",
    "note:/root/*": "note:/root/x",
    "memo:private/*": "memo:private/x",
    "note://h/my docs/*": "note://h/my docs/x",
    "note://h/%C3%BCber/*": "note://h/%C3%BCber/x",
    "note://[::1]/*": "note://[::1]/x",
    "https://docs.example/priv/*": "https://docs.example/priv/x",
    "https://alone.example/*": "https://alone.example/",
    "https://one.example": "https://one.example",
    "https://port.example:443/*": "https://port.example:443/x",
    "https://other.example:8443/*": "https://other.example:8443/x",
    "https://b\u00fccher.example/*": "https://xn--bcher-kva.example/x",
    "http://127.0.0.1/*": "http://127.0.0.1/x",
    "http://0x7f.2/*": "http://127.0.0.2/x",
    "ws://live.example/*": "ws://live.example/x",
    "*://anywhere/*": "odd://anywhere/x",
}
VIEW = Policy.from_config({"resources": {"allow": ["*"], "deny": list(DENIED)}}).view(NOBODY)
MATCHER = Matcher(list(DENIED))

# What is the same to some reader, spelled by hand.
TABLE = [
    *("file:/priv/x", "file:priv/x", "file://localhost/priv/x", "file://elsewhere/priv/x", "file:////priv/x"),
    *("FILE:///priv/x", "file:\\priv\\x", "file://c:/priv/x", "file:c|/priv/x", "file:///C|/priv/x", "file:///old/x"),
    *("note://private:/x", "note://PRIVATE/x", "note://@private/x", "note://:@private/x", "note://u:p@private/x"),
    *("note://a%2Fb@private/x", "note://a%23@private/x", "note://a\uff0f@private/x", "note://private:0080/x"),
    *("note://private.:80/x", "note://private/x?", "note://private/x#", "note://private/./x", "note://private/a/../x"),
    *("note://exact/one?q", "note://exact/one#f", "note://exact/one?q#f", "note://exact/o%6ee", "note://exact/one\n"),
    *("note:/top/x", "note:///root/x", "note://h/my%20docs/x", "note://h/\u00fcber/x", "note://H/%c3%bcber/x"),
    *("note://[0:0:0:0:0:0:0:1]/x", "note://[0::1]:9/x", "note://[::0.0.0.1]/x", "note://user:@house:/x"),
    *(
        "https:docs.example/priv/x",
        "https:/docs.example/priv/x",
        "https:///docs.example/priv/x",
        "https://alone.example",
    ),
    *("https://alone.example?q", "https://alone.example#f", "https://one.example/", "https://port.example/x"),
    *("https://docs.example./priv/x", "https://docs\u3002example/priv/x", "https://docs.example/priv;a/x;b"),
    *("https://B\u00dcCHER.example/x", "https://b\u00fccher.example/x", "https://XN--BCHER-KVA.example/x"),
    *("https://xn--bcher-kva.example./x", "http://0x7f.1/x", "http://017700000001/x", "http://2130706433/x"),
    *("http://127.1/x", "http://0x7f.0x0.0x0.0x1./x", "http://\uff11\uff12\uff17.0.0.1/x", "http:127.2/x"),
    *("file:///c://priv/x", "note://exact:///one", "note://a[::1]/x", "ws://a%2F@li%C2%adve.example/x"),
    *("url:file:///priv/x", "<note://private/x>", " note://private/x ", "ODD://ANYWHERE:9/x", "no\tte://private/x"),
]


def swap_case(text, rng):
    at = rng.randrange(len(text))
    return text[:at] + text[at].swapcase() + text[at + 1 :]


def encode_one(text, rng):
    at = rng.randrange(len(text))
    return text[:at] + "".join(f"%{byte:02{rng.choice('xX')}}" for byte in text[at].encode()) + text[at + 1 :]


def encode_percent(text, _rng):
    return text.replace("%", "%25", 1)


def insert(text, rng):
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(["\t", "\n", "\r", "/", "\\", ".", "%2F", "%5c", "%00", " ", "\u00ad"]) + text[at:]


def slashes(text, rng):
    scheme, colon, rest = text.partition(":")
    return scheme + colon + rng.choice(["", "/", "//", "///", "////", "\\\\", "/\\"]) + rest.lstrip("/")


def authority(text, rng):
    """Put a user before the host, or a port or a dot behind it."""
    start, mark, rest = text.partition("://")
    host, slash, path = rest.partition("/")
    user = rng.choice(["", "", "@", ":@", "u@", "u:p@", "a%2F@", "a%3f@", "a@b@", "localhost@"])
    behind = rng.choice(["", "", ":", ":80", ":443", ":0443", ":7", ".", ".:"])
    return start + mark + user + host + behind + slash + path if mark else text


def dots(text, rng):
    at = text.rfind("/")
    return text[:at] + rng.choice(["/.", "/./", "/a/..", "/%2e", "/a/%2E%2e", "/a/.%2e/", "//", "/;p"]) + text[at:]


def end(text, rng):
    return text + rng.choice(["?", "#", "?a=b", "#a", "?a#b", ";p", "/", "/.", " ", "\n", "%20", "."])


def wide(text, rng):
    at = rng.randrange(len(text))
    return text[:at] + (chr(ord(text[at]) + 0xFEE0) if "!" <= text[at] <= "~" else text[at]) + text[at + 1 :]


CHANGES = (swap_case, encode_one, encode_percent, insert, slashes, authority, dots, end, wide)


def spelled(count):
    rng = random.Random(20261128)
    for _ in range(count):
        text = rng.choice(list(DENIED.values()))
        for _ in range(rng.choice([1, 1, 2, 3])):
            text = rng.choice(CHANGES)(text, rng)
        yield text


SPELLED = sorted({*TABLE, *spelled(20_000)} - set(DENIED.values()))


def asked(name):
    reader = READERS[name]
    if reader is None:
        pytest.skip(f"{name} is not on this machine")
    return reader


@pytest.mark.requirement("POL-019")
@pytest.mark.parametrize("name", READERS)
def test_what_a_reader_takes_for_something_denied_is_denied(name):
    read = asked(name)
    denied = [
        (uri, reading) for uri, reading in zip(DENIED.values(), read(list(DENIED.values())), strict=True) if reading
    ]
    # Where a glob names a user or a port, another one is another resource.
    looked_up = {reading[:3] for uri, reading in denied if "@" not in uri and ":8443" not in uri}
    wholes = {reading[3] for _, reading in denied}
    same, let_through = [], []
    for uri, reading in zip(SPELLED, read(SPELLED), strict=True):
        if reading is not None and (reading[:3] in looked_up or reading[3] in wholes or MATCHER.matches(reading[3])):
            same.append(uri)
            if VIEW.allows(Kind.RESOURCE, uri):
                let_through.append((uri, reading))
    assert len(same) > 500, f"{name} hardly ever takes one spelling for another: nothing is compared"
    assert let_through == []


@pytest.mark.requirement("POL-019")
@pytest.mark.parametrize("uri", [*DENIED.values(), *TABLE])
def test_what_is_denied_is_denied_in_every_spelling(uri):
    assert not VIEW.allows(Kind.RESOURCE, uri)


@pytest.mark.requirement("POL-019")
@pytest.mark.parametrize(
    "uri",
    [
        *("file:///public/a.txt", "file:///private/x", "file:/public/x", "file:///c:/x", "file://server/share/x"),
        *("note://Ann/1.2", "note://private-not/x", "note://public/private/x", "note:///priv/x", "memo:private2/x"),
        *("https://docs.example/A?b=c/d#e", "https://docs.example:8080/private", "https://xn--mnchen-3ya.example/x"),
        *("https://other.example/x", "http://localhost:3000/a?u=https://b.example/c", "http://10.0.0.7:8080/x"),
        *("postgres://user@db:5432/sales/orders/schema", "repo://o/r{/path*}{?ref}", "file:///{+path}"),
        *(
            "note://h/a%20b%2Fc",
            "note://h/\u00fc",
            "note://h/%C3%A9t%C3%A9",
            "urn:isbn:0451450523",
        ),
        *("str://x..y/z..", "git+ssh://git@host/repo.git", "memo://insights", "x:y", "note://[::2]/x", "tel:+1-2"),
    ],
)
def test_what_nobody_takes_for_something_denied_stays_allowed(uri):
    assert VIEW.allows(Kind.RESOURCE, uri)


@pytest.mark.requirement("POL-019")
def test_an_allow_list_holds_exactly_what_is_written():
    view = Policy.from_config({"resources": {"allow": ["note://public/*"], "deny": ["note://x/*"]}}).view(NOBODY)
    assert view.allows(Kind.RESOURCE, "note://public/x")
    for uri in ("note://Public/x", "note://public:/x", "note://u@public/x", "note:public/x"):
        assert not view.allows(Kind.RESOURCE, uri)
