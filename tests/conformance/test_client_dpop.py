"""The proofs of the suite's agent, held against the gateway's own judge of proofs."""

import hashlib
import time

import httpx2
import jwt
import pytest

from conformance.client_dpop import Holder
from mcp_core.auth.proof import NEEDS_NONCE, OTHER_METHOD, OTHER_TOKEN, Proof, Proofs, ProofTarget
from tokens.kit import b64, json_of

pytestmark = pytest.mark.requirement("LOGIN-002")

URL = "http://localhost:8000/mcp"
PROOFS = Proofs((b"k" * 32,), nonces=True)


@pytest.fixture
def holder():
    return Holder()


def thumbprint(holder):
    """Return what a token says of the holder's key (RFC 7638)."""
    shown = jwt.get_unverified_header(holder.proof(httpx2.Request("POST", URL)))["jwk"]
    return b64(hashlib.sha256(json_of(dict(sorted(shown.items()))).encode()).digest())


def judge(holder, shown, method="POST", token="a.b.c"):
    return PROOFS.check({"dpop": shown}, thumbprint(holder), ProofTarget(method, {URL}, token), now=time.time())


def answer(request, status=401):
    return httpx2.Response(status, headers={"DPoP-Nonce": PROOFS.nonce(time.time())}, request=request)


def test_a_proof_is_of_one_request_and_needs_the_nonce_that_the_server_named(holder):
    request = httpx2.Request("POST", f"{URL}?a=b")
    assert judge(holder, holder.proof(request, "a.b.c")) == NEEDS_NONCE
    holder.hears(answer(request))
    shown = holder.proof(request, "a.b.c")
    assert isinstance(judge(holder, shown), Proof)
    assert judge(holder, shown, "GET") == OTHER_METHOD
    assert judge(holder, shown, token="a.b.d") == OTHER_TOKEN
    assert judge(holder, shown) != judge(holder, holder.proof(request, "a.b.c"))


def test_a_nonce_is_for_its_origin_alone(holder):
    holder.hears(answer(httpx2.Request("POST", "http://localhost:9000/token")))
    assert judge(holder, holder.proof(httpx2.Request("POST", URL), "a.b.c")) == NEEDS_NONCE


@pytest.mark.parametrize(("status", "proved", "again"), [(401, True, True), (401, False, False), (200, True, False)])
def test_a_request_is_sent_again_if_its_proof_was_refused(holder, status, proved, again):
    request = httpx2.Request("POST", URL, headers={"DPoP": "x"} if proved else {})
    assert holder.hears(answer(request, status)) is again
