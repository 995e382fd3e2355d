"""Documents of issuers are fetched from where the operator allows it, and within bounds."""

import socket
import threading

import anyio
import pytest

from mcp_sidecar.auth.addresses import CheckedResolver, ForbiddenAddressError, is_allowed
from mcp_sidecar.auth.discovery import find_keys, places
from mcp_sidecar.auth.fetch import Fetcher, FetchError, network
from tokens.kit import jwk
from tokens.provider import Provider

LOOPBACK = (network("127.0.0.0/8"),)
KEYS = {"keys": [jwk("RS256")]}


@pytest.fixture
def provider():
    provider = Provider()
    yield provider
    provider.close()


def fetch(url, networks=LOOPBACK, seconds=10.0):
    async def run():
        async with Fetcher(networks, seconds=seconds) as fetcher:
            return await fetcher.document(url)

    return anyio.run(run)


def find(issuer, known=None, networks=LOOPBACK):
    async def run():
        async with Fetcher(networks) as fetcher:
            return await find_keys(fetcher, issuer, known)

    return anyio.run(run)


@pytest.mark.requirement("AUTH-014")
@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("240.0.0.1", False),
        ("::", False),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("fd00:ec2::254", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:7f00:1::", False),
        ("::ffff:93.184.216.34", True),
    ],
)
def test_only_public_addresses_are_asked_unless_their_network_is_named(address, allowed):
    assert is_allowed(address, ()) is allowed


def test_a_named_network_is_asked_and_its_neighbours_are_not():
    networks = (network("10.1.0.0/16"), network("fd00::/64"))
    assert is_allowed("10.1.2.3", networks)
    assert is_allowed("::ffff:10.1.2.3", networks)
    assert is_allowed("fd00::7", networks)
    assert not is_allowed("10.2.0.1", networks)
    assert not is_allowed("fd00:1::7", networks)


class Names:
    """Stands in for the name service of a network, which no test can ask."""

    def __init__(self, *addresses):
        self._addresses = addresses

    async def resolve(self, host, port=0, family=socket.AF_INET):
        return [
            {"hostname": host, "host": address, "port": port, "family": family, "proto": 0, "flags": 0}
            for address in self._addresses
        ]

    async def close(self):
        pass


@pytest.mark.requirement("AUTH-014")
@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["169.254.169.254"]])
def test_a_name_with_any_address_that_is_not_allowed_is_not_asked(addresses):
    with pytest.raises(ForbiddenAddressError, match="MCP_SIDECAR_ISSUER_NETWORKS"):
        anyio.run(CheckedResolver((), Names(*addresses)).resolve, "idp.example", 443)


def test_a_name_with_public_addresses_alone_is_asked():
    assert len(anyio.run(CheckedResolver((), Names("93.184.216.34", "93.184.216.35")).resolve, "idp.example", 443)) == 2


@pytest.mark.requirement("AUTH-014")
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/jwks",
        "http://localhost:{port}/jwks",
        "http://[::ffff:127.0.0.1]:{port}/jwks",
        "http://2130706433:{port}/jwks",
        "http://127.1:{port}/jwks",
        "http://0x7f000001:{port}/jwks",
        "http://0:{port}/jwks",
        "https://localhost:{port}/jwks",
    ],
)
def test_this_machine_is_not_asked_unless_that_is_wanted_however_it_is_spelled(provider, url):
    provider.answers["/jwks"] = KEYS
    with pytest.raises(FetchError):
        fetch(url.format(port=provider.port), networks=())
    assert provider.asked == []


@pytest.mark.requirement("AUTH-014")
@pytest.mark.parametrize(
    "url",
    [
        "http://idp.example/jwks",
        "http://93.184.216.34/jwks",
        "ftp://idp.example/jwks",
        "file:///etc/passwd",
        "https://ann:secret@idp.example/jwks",
        "https:///jwks",
        "https://idp.example:0/jwks",
        "https://idp.example:99999/jwks",
        "https://idp.example/jwks#x",
        "https://idp.example/ jwks",
        "https://[::1/jwks",
        f"https://{'a' * 80}.example/jwks",
        "//idp.example/jwks",
        "jwks",
        "",
    ],
)
def test_what_is_no_plain_https_url_is_not_asked(url):
    with pytest.raises(FetchError):
        fetch(url)


@pytest.mark.requirement("AUTH-014")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("where", ["/other", "http://169.254.169.254/latest/meta-data", "https://evil.example/"])
def test_no_redirect_is_followed(provider, status, where):
    provider.answers |= {"/jwks": (status, {"Location": where}, b""), "/other": KEYS}
    with pytest.raises(FetchError, match="redirects are not followed"):
        fetch(f"{provider.url}/jwks")
    assert provider.asked == ["/jwks"]


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b" " * 65536)
    except OSError:
        return


@pytest.mark.requirement("AUTH-014")
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((500, {}, b"{}"), "500"),
        ((204, {}, b""), "204"),
        ((200, {}, b"<html>"), "JSON"),
        ((200, {}, b'{"keys":[],"keys":[]}'), "JSON"),
        ((200, {}, b"\xff\xfe{}"), "JSON"),
        ((200, {}, b"[" * 1000), "JSON"),
        ((200, {"Content-Encoding": "gzip"}, b"{}"), "Content-Encoding"),
        ((200, {}, b'"' + b"x" * 300_000 + b'"'), "bytes"),
        (endless, "bytes"),
        ((200, {"Content-Length": "500"}, b"{}"), "cannot be reached"),
        (
            (200, {f"X-{number}": "x" * 1000 for number in range(50)} | {"X-Long": "x" * 20_000}, b"{}"),
            "cannot be reached",
        ),
    ],
)
def test_a_document_that_is_not_one_is_an_error_that_says_why(provider, answer, why):
    provider.answers["/jwks"] = answer
    with pytest.raises(FetchError, match=why):
        fetch(f"{provider.url}/jwks")


@pytest.mark.requirement("AUTH-014")
def test_a_provider_that_never_answers_is_given_up(provider):
    over = threading.Event()
    provider.answers["/jwks"] = lambda _handler: over.wait(30) and None
    try:
        with pytest.raises(FetchError, match="too long"):
            fetch(f"{provider.url}/jwks", seconds=0.2)
    finally:
        over.set()


def test_nobody_there_is_an_error(provider):
    provider.close()
    with pytest.raises(FetchError, match="cannot be reached"):
        fetch(f"{provider.url}/jwks")
    provider._thread = threading.Thread()
    provider.close = lambda: None


def test_an_issuer_is_looked_for_in_the_order_of_the_specification():
    assert list(places("https://idp.example/tenant/1")) == [
        "https://idp.example/.well-known/oauth-authorization-server/tenant/1",
        "https://idp.example/.well-known/openid-configuration/tenant/1",
        "https://idp.example/tenant/1/.well-known/openid-configuration",
    ]
    assert list(places("https://idp.example/")) == [
        "https://idp.example/.well-known/oauth-authorization-server",
        "https://idp.example/.well-known/openid-configuration",
    ]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_an_issuer_is_found_in_each_of_those_places(provider, number):
    issuer = f"{provider.url}/t"
    provider.publishes(issuer, KEYS)
    said = provider.answers.pop("/.well-known/oauth-authorization-server/t")
    provider.answers[list(places(issuer))[number].removeprefix(provider.url)] = said
    assert [key.kid for key in find(issuer).keys] == ["RS256"]


@pytest.mark.requirement("AUTH-014")
@pytest.mark.parametrize(
    "said",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": 7},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "http://169.254.169.254/latest"},
        {"jwks_uri": "https://10.0.0.1/jwks"},
    ],
)
def test_metadata_of_another_issuer_or_with_keys_elsewhere_leads_nowhere(provider, said):
    provider.publishes(provider.url, KEYS, **said)
    with pytest.raises(FetchError):
        find(provider.url)
    assert "/jwks" not in provider.asked


@pytest.mark.parametrize("keys", [{"keys": []}, {"keys": [jwk("small")]}, {"keys": [{}] * 65}, []])
def test_a_key_set_without_a_usable_key_is_an_error(provider, keys):
    provider.publishes(provider.url, keys)
    with pytest.raises(FetchError):
        find(provider.url)


def test_keys_that_the_operator_named_need_no_discovery(provider):
    provider.publishes(provider.url, KEYS)
    assert len(find("https://idp.example", f"{provider.url}/jwks").keys) == 1
    assert provider.asked == ["/jwks"]
