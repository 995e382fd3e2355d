"""What tokens cost that are known, bound or cut off, beside a decision, PyJWT's own decode, and a worker's memory.

The bars are ratios of processor time in the same round, and megabytes.
"""

import statistics
import time
import tracemalloc

import jwt

from bench.core import CALL_HEADERS, KIB, call
from bench.measure import row, seconds
from mcp_core import decide
from mcp_core.auth import config, keysets
from mcp_core.auth.cache import TokenCache
from mcp_core.auth.judge import Binding, Verified
from mcp_core.auth.proof import Proof, Proofs, ProofTarget
from mcp_core.auth.revoked import Revocable, Revoked, Word, digest_of
from mcp_core.auth.upstream import GivenTokens
from mcp_core.auth.verify import Verifier
from mcp_core.policy import Policy
from mcp_core.principal import NOBODY, TOKEN, Principal
from tokens.kit import Kit, private_keys
from tokens.proofs import KEY, bound, proof, thumbprint

_LIVE = 100_000
_TIMES = 20


def rows(*, quick=False):
    """Return the rows."""
    kit, rounds = Kit(), 5 if quick else 25
    return [_known(kit, rounds), _proved(kit, rounds), _memory(kit)]


def _known(kit, rounds):
    """A token that was verified before, of somebody who is not on a list of 100,000, beside a whole decision."""
    auth = config.read({"resource": kit.resource, "issuers": [{"issuer": kit.issuer}]})
    keys = {kit.issuer: keysets.read(kit.jwks())}
    one = Verifier(auth.issuers, skew=auth.skew, cache=TokenCache(b"s" * 32), purpose=auth.fingerprint)
    revoked = Revoked(Word(digest_of(Revocable.SUBJECT, str(number)), 1, 2**40) for number in range(_LIVE))
    policy = Policy.from_config({"tools": {"allow": ["read_*", "search_*"], "deny": ["read_secret*"]}})
    guard, caller, body = decide.GuardTerms(policy), decide.Caller(policy.view(NOBODY)), call(KIB)
    token = kit.token()

    def verified():
        now = time.time()
        revoked.cuts(one.verify(token, keys.get, now=now).principal, now)

    verified()
    ratios = [
        seconds(verified, _TIMES) / seconds(lambda: decide.decide_post(guard, caller, CALL_HEADERS, body), _TIMES)
        for _ in range(rounds)
    ]
    return row("core: a known token, 100,000 cut off", statistics.median(ratios), "of a decision over 1 KB", 0.25)


def _proved(kit, rounds):
    """A proof by ES256, of which each is verified once, beside PyJWT's decode of the same text with its key at hand."""
    token, proofs, public = bound(kit), Proofs((b"k" * 32,)), private_keys()[KEY].public_key()
    shown, request = proof(kit, token), ProofTarget("POST", {kit.resource}, token)

    def checked():
        assert isinstance(proofs.check({"dpop": shown}, thumbprint(), request, now=kit.now), Proof)

    ratios = [
        seconds(checked, _TIMES) / seconds(lambda: jwt.decode(shown, public, algorithms=["ES256"]), _TIMES)
        for _ in range(rounds)
    ]
    return row("core: a proof of possession", statistics.median(ratios), "of PyJWT's decode", 1.5)


def _memory(kit):
    """What a worker's memory takes of bound tokens, with one for a server of every fifth."""
    tracemalloc.start()
    try:
        cache, given = TokenCache(b"s" * 32), GivenTokens()
        for number in range(_LIVE):
            groups, scopes = frozenset([f"g{number % 50}", "all"]), frozenset(f"mcp notes:{number % 50}".split())
            who = Principal(TOKEN, f"user-{number}-0123456789abcdef", kit.issuer, groups, scopes, f"c-{number % 50}")
            jkt = f"{number:043d}"
            digest = cache.digest(b"p" * 32, f"token-{number}")
            cache.put(digest, Verified(who, 1.8e9 + number, Binding(jkt)), bytes(32))
            if number % 5 == 0:
                given.put(digest, {"token": f"{number:01000d}", "seconds": 600}, now=0.0, latest=600.0)
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    return row(f"core: {_LIVE:,} bound tokens, 20,000 for servers", used / 1e6, "MB", 100)
