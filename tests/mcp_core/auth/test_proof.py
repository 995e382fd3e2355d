"""Proofs of possession, step by step, and certificates that tokens are bound to."""

import base64
import datetime as dt
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from mcp_core.auth import bearer
from mcp_core.auth.denied import Denied
from mcp_core.auth.judge import Binding
from mcp_core.auth.proof import NONCE_SECONDS, Proof, Proofs, ProofTarget, holds_certificate
from tokens.kit import Kit, b64, private_keys
from tokens.proofs import KEY, ROWS, bound, proof, thumbprint

KIT = Kit(at=1_800_000_000)
RING = (b"k" * 32,)
OF_THE_TOKEN = ("token-bearer", "token-scheme")


def check(values, token, *, proofs=None, now=KIT.now, method="POST", url=KIT.resource):
    headers = {} if not values else {"dpop": values[0] if len(values) == 1 else values}
    return (proofs or Proofs(RING)).check(headers, thumbprint(), ProofTarget(method, {url}, token), now=now)


@pytest.mark.requirement("AUTH-104")
@pytest.mark.parametrize("row", [row for row in ROWS if row.reason not in OF_THE_TOKEN], ids=lambda row: row.name)
def test_no_attack_is_a_proof(row):
    token = bound(KIT)
    value, values = row.make(KIT, token)
    assert bearer.is_dpop({"authorization": value})
    denied = check(values, token)
    assert isinstance(denied, Denied)
    assert denied.reason == row.reason


@pytest.mark.requirement("AUTH-104")
@pytest.mark.parametrize("url", [KIT.resource, f"{KIT.resource}?a=b#c"])
def test_a_proof_for_this_request_holds_and_says_until_when_it_is_to_be_remembered(url):
    token = bound(KIT)
    shown = check([proof(KIT, token, url=url)], token)
    assert isinstance(shown, Proof)
    assert shown.until == KIT.now + 61


@pytest.mark.requirement("AUTH-105")
def test_one_jti_of_one_key_is_one_proof_whatever_else_it_says():
    token = bound(KIT)
    first = check([proof(KIT, token, jti="same")], token)
    later = check([proof(KIT, token, jti="same", iat=int(KIT.now) + 1)], token)
    other = check([proof(KIT, token, jti="other")], token)
    assert first.id == later.id != other.id


@pytest.mark.requirement("AUTH-104")
@pytest.mark.parametrize(("seconds", "holds"), [(-61, False), (-60, True), (60, True), (61, False)])
def test_a_proof_is_of_now(seconds, holds):
    token = bound(KIT)
    assert isinstance(check([proof(KIT, token, iat=int(KIT.now) + seconds)], token), Proof) is holds


@pytest.mark.requirement("AUTH-104")
def test_where_nonces_are_demanded_only_ours_of_the_last_minutes_are_taken_on_any_node():
    token, one, other = bound(KIT), Proofs(RING, nonces=True), Proofs((b"n" * 32, *RING), nonces=True)

    def reason(nonce, now=KIT.now):
        found = check([proof(KIT, token, nonce=nonce, iat=int(now))], token, proofs=other, now=now)
        return getattr(found, "reason", None)

    nonce = one.nonce(KIT.now)
    assert reason(nonce) is None
    assert reason(nonce, KIT.now + NONCE_SECONDS) is None
    for bad in (None, "", "x", nonce[:-1], nonce + "A", 7, Proofs((b"z" * 32,)).nonce(KIT.now)):
        assert reason(bad) == "proof-nonce"
    assert reason(nonce, KIT.now + NONCE_SECONDS + 1) == "proof-nonce"
    assert reason(one.nonce(KIT.now + 3600)) == "proof-nonce"


def certificate():
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "agent")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private_keys()[KEY].public_key())
    )
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start)
    return builder.not_valid_after(start + dt.timedelta(days=1)).sign(private_keys()[KEY], hashes.SHA256())


@pytest.mark.requirement("AUTH-106")
def test_a_certificate_is_the_one_that_a_token_names():
    mine, other = certificate(), certificate()
    named = Binding(x5t=b64(hashlib.sha256(mine.public_bytes(Encoding.DER)).digest()))
    pem = mine.public_bytes(Encoding.PEM).decode()
    assert holds_certificate(named, pem)
    assert holds_certificate(named, pem.rstrip("\n"))
    two = pem + other.public_bytes(Encoding.PEM).decode()
    raw = base64.b64encode(mine.public_bytes(Encoding.DER)).decode()
    for shown in (
        other.public_bytes(Encoding.PEM).decode(),
        two,
        raw,
        "",
        None,
        pem.replace("CERTIFICATE", "KEY"),
        "x",
    ):
        assert not holds_certificate(named, shown)
    assert not holds_certificate(Binding(jkt="x"), None)
