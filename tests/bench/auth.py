"""What it costs to know who calls by an access token, beside what else is done for a call, PyJWT, and Kong's key-auth.

The core's rows are ratios of processor time in the same rounds. On a gateway two servers are the same but for one
thing: callers of the one have keys of Kong's key-auth, those of the other a token that was verified before; they are
measured in turn, and each round's ratio counts.
"""

import shutil
import statistics
import tempfile
import time
import tracemalloc
from contextlib import ExitStack
from pathlib import Path

import jwt

from bench import token_costs
from bench.core import KIB, call, decide_small
from bench.measure import row, seconds, shown
from bench.stand import KEYS, measure, start_server, start_stand
from mcp_core.auth import bearer, keysets
from mcp_core.auth.cache import TokenCache
from mcp_core.auth.judge import Expected, Verified
from mcp_core.auth.keyfile import IssuerKeys
from mcp_core.auth.verify import Verifier
from mcp_core.principal import TOKEN, Principal
from mcp_core.seal import parse_keys
from mcp_kong.keyfiles import ISSUER_KEYS_VARIABLE
from mcp_sidecar.auth.keyfile import KeyFileWriter
from tokens.kit import Kit, private_keys

_LIVE = 100_000
_KEYED, _TOKEN = "keyed-guard", "token-guard"
_RESOURCE = "http://127.0.0.1/notes/mcp"


def run(*, quick):
    """Measure the core, then a real Kong where there is one, else the devkit, whose row has no bar."""
    kind = "kong" if shutil.which("kong") else "devkit"
    kit = Kit(resource=_RESOURCE)
    rows = [*_core(kit, 5 if quick else 25), _memory()]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kong-mcp-")))
        rows += _gateway(stack, kind, kit, folder, 1 if quick else 3, 3 if quick else 9)
    return [*rows, *token_costs.rows(quick=quick)]


def _verifier(kit):
    expected = Expected(kit.issuer, frozenset({kit.resource}), frozenset(keysets.ALGORITHMS))
    return Verifier({kit.issuer: expected}, skew=30, cache=TokenCache(b"s" * 32), purpose=b"p" * 32)


def _core(kit, rounds):
    keys, now, body = keysets.read(kit.jwks()), time.time(), call(KIB)
    find = {kit.issuer: keys}.get
    headers = {"authorization": f"Bearer {kit.token('ES256')}"}
    known = _verifier(kit)

    def again():
        known.verify(bearer.read(headers), find, now=now)

    pairs = [(seconds(again, 300), seconds(lambda: decide_small(body), 300)) for _ in range(3 * rounds)]
    taken, share = statistics.median(one for one, _ in pairs), statistics.median(one / other for one, other in pairs)
    public = private_keys()["ES256"].public_key()
    ratios, firsts = [], []
    for number in range(rounds):
        fresh = [kit.token("ES256", jti=f"{number}-{one}") for one in range(20)]
        verifier, left, right = _verifier(kit), iter(fresh), iter(fresh)
        first = seconds(lambda: verifier.verify(next(left), find, now=now), len(fresh))  # noqa: B023 - called at once
        theirs = seconds(
            lambda: jwt.decode(next(right), public, ["ES256"], audience=kit.resource, issuer=kit.issuer),  # noqa: B023
            len(fresh),
        )
        ratios.append(first / theirs)
        firsts.append(first)
    return [
        shown("core: a token that was verified before", taken * 1e6, "us"),
        row(f"core: the same, to the decision over a call of {len(body):,} bytes", share, "ratio", 0.25),
        shown("core: an ES256 token for the first time", statistics.median(firsts) * 1e6, "us"),
        row("core: the same, to jwt.decode of PyJWT", statistics.median(ratios), "ratio", 1.5),
    ]


def _memory():
    """Return what a worker's memory of verified tokens takes. Texts and sets are each token's own, as if read."""
    tracemalloc.start()
    try:
        cache, key = TokenCache(b"s" * 32), bytes(32)
        for number in range(_LIVE):
            groups, scopes = frozenset([f"g{number % 50}", "all"]), frozenset(f"mcp notes:{number % 50}".split())
            who = Principal(TOKEN, f"user-{number}-0123456789abcdef", "https://idp.example", groups, scopes, "agent")
            cache.put(cache.digest(b"p" * 32, f"token-{number}"), Verified(who, 2e9), key)
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    return row(f"core: {len(cache):,} live tokens in one worker", used / 1e6, "MB", 100)


def _take_tokens(kit):
    """Return a change of the gateway's document that has one of the two servers take tokens in place of keys."""

    def change(document):
        for service in document["services"]:
            if service["name"] == f"mcp-{_TOKEN}":
                service["plugins"] = [one for one in service.get("plugins", ()) if one["name"] != "key-auth"]
                for plugin in (one for route in service["routes"] for one in route.get("plugins", ())):
                    if plugin["name"] == "mcp-guard":
                        issuers = [{"issuer": kit.issuer}]
                        plugin["config"]["auth"] = {"resource": kit.resource, "issuers": issuers}

    return change


def _gateway(stack, kind, kit, folder, lasting, rounds):
    file = folder / "issuer-keys"
    keys = IssuerKeys(keysets.read(kit.jwks()), time.time() + 3600)
    KeyFileWriter(str(file), parse_keys(KEYS), "bench").write({kit.issuer: keys})
    url = start_server(stack, "instant_server.py")
    environment = {ISSUER_KEYS_VARIABLE: str(file)}
    urls = {_KEYED: url, _TOKEN: url}
    _, port, _ = start_stand(stack, kind, folder, urls, ["good"], change=_take_tokens(kit), environment=environment)
    bearer_header = {"credential": f"Authorization: Bearer {kit.token('ES256')}"}
    ways = {"key": (f"/{_KEYED}/mcp", {}), "token": (f"/{_TOKEN}/mcp", bearer_header)}
    for path, credential in ways.values():
        measure(port, path, 16, 1, **credential)
    rates = {name: [] for name in ways}
    medians = {name: [] for name in ways}
    for number in range(rounds):
        # Whichever comes second finds the machine warmer: they change places.
        for name in list(ways)[:: 1 if number % 2 else -1]:
            path, credential = ways[name]
            rates[name].append(measure(port, path, 16, lasting, **credential)["rate"])
            medians[name].append(measure(port, path, 1, lasting, **credential)["median_ms"])
    ratio = statistics.median(token / key for token, key in zip(rates["token"], rates["key"], strict=True))
    one = statistics.median(token / key for token, key in zip(medians["token"], medians["key"], strict=True))
    barred = {"bar": ">= 0.8", "holds": ratio >= 0.8} if kind == "kong" else {}
    name = f"{kind}: token + guard / key-auth + guard"
    return [
        shown(f"{name}, throughput, 16 connections", ratio, "ratio") | barred,
        shown(f"{name}, median, 1 connection", one, "ratio"),
        shown(f"{kind}: key-auth + guard (this machine, this minute)", statistics.median(rates["key"]), "1/s"),
        shown(f"{kind}: token + guard (this machine, this minute)", statistics.median(rates["token"]), "1/s"),
    ]
