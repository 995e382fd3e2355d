"""Sign-in with a provider: what its answer must be, against one that signs whatever a test wants."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from urllib.parse import parse_qs, urlsplit

import anyio
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from mcp_sidecar.auth.secret import Secret
from mcp_sidecar.portal.provider import Provider, SignInError
from mcp_sidecar.portal.settings import LoginProvider
from servers.portal_house import KEYS, URL

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
pytestmark = pytest.mark.requirement("WEB-009")


class Login:
    """A provider on this machine: `claims` and `key` are what it signs next, `asked` what it was sent."""

    def __init__(self):
        self.claims, self.key, self.headers, self.asked = {}, KEY, {"kid": "a"}, {}
        self.issuer_said, self.described = None, 0
        login = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                base = login.issuer
                login.described += self.path != "/jwks"
                public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())) | {"kid": "a"}
                said = {
                    "issuer": login.issuer_said or base,
                    "authorization_endpoint": f"{base}/auth",
                    "token_endpoint": f"{base}/token",
                }
                self.answer({"keys": [public]} if self.path == "/jwks" else {**said, "jwks_uri": f"{base}/jwks"})

            def do_POST(self):
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                login.asked = {**{name: one[0] for name, one in form.items()}, "basic": self.headers["authorization"]}
                token = login.claims and jwt.encode(
                    login.claims, login.key, "RS256" if login.key in (KEY, OTHER) else "HS256", login.headers
                )
                self.answer({"id_token": token or "", "access_token": "access", "scope": "openid"})

            def answer(self, value):
                body = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def good(self, begun_with, **changes):
        now = int(time.time())
        self.claims = {
            "iss": self.issuer,
            "sub": "u1",
            "aud": "portal",
            "exp": now + 60,
            "iat": now,
            "nonce": begun_with,
            "name": "Ada",
            "groups": ["ops"],
            **changes,
        }
        self.claims = {name: one for name, one in self.claims.items() if one is not None}


@pytest.fixture
def login():
    made = Login()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def provider(login, monkeypatch):
    monkeypatch.setenv("PORTAL_SECRET", "s/cret")
    return Provider(
        LoginProvider(login.issuer, "portal", Secret("env", "PORTAL_SECRET")), KEYS, URL, [ip_network("127.0.0.0/8")]
    )


async def begun(provider):
    where, cookie = await provider.begin("/portal/tools")
    return {name: one[0] for name, one in parse_qs(urlsplit(where).query).items()}, cookie


@pytest.mark.anyio
async def test_whoever_the_provider_vouches_for_is_signed_in_and_goes_where_they_wanted(login, provider):
    asked, cookie = await begun(provider)
    assert (asked["code_challenge_method"], asked["redirect_uri"]) == ("S256", f"{URL}/portal/callback")
    login.good(asked["nonce"])
    known, next_ = await provider.end(cookie, {"code": "c", "state": asked["state"]})
    assert (known.shown, known.principal.id, known.principal.issuer, known.principal.groups) == (
        "Ada",
        "u1",
        login.issuer,
        {"ops"},
    )
    assert (known.credential, next_) == ({"authorization": "Bearer access"}, "/portal/tools")
    assert base64.b64decode(login.asked["basic"].removeprefix("Basic ")) == b"portal:s%2Fcret"
    assert login.asked["code_verifier"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "other"},
        {"nonce": None},
        {"aud": "another"},
        {"aud": ["portal", "b"]},
        {"azp": "another"},
        {"iss": "https://evil.example"},
        {"sub": None},
        {"exp": 1},
        {"iat": 9999999999},
        {"iat": None},
    ],
)
async def test_a_word_about_somebody_else_or_another_sign_in_signs_nobody_in(login, provider, wrong):
    asked, cookie = await begun(provider)
    login.good(asked["nonce"], **wrong)
    with pytest.raises(SignInError):
        await provider.end(cookie, {"code": "c", "state": asked["state"]})


@pytest.mark.anyio
async def test_a_word_that_another_key_or_none_signed_signs_nobody_in(login, provider):
    asked, cookie = await begun(provider)
    login.good(asked["nonce"])
    for key, headers in (
        (OTHER, {"kid": "a"}),
        (KEY, {"kid": "b"}),
        ("portal-secret-of-32-bytes-or-more!", {"kid": "a"}),
    ):
        login.key, login.headers = key, headers
        with pytest.raises(SignInError):
            await provider.end(cookie, {"code": "c", "state": asked["state"]})
    login.claims = {}
    with pytest.raises(SignInError):
        await provider.end(cookie, {"code": "c", "state": asked["state"]})


@pytest.mark.anyio
async def test_an_answer_to_another_browser_or_of_another_provider_signs_nobody_in(login, provider):
    asked, cookie = await begun(provider)
    login.good(asked["nonce"])
    _, theirs = await begun(provider)
    for given, query in (
        ("", {"code": "c", "state": asked["state"]}),
        (theirs, {"code": "c", "state": asked["state"]}),
        (cookie, {"code": "c", "state": "x"}),
        (cookie, {"code": "c"}),
        (cookie, {"state": asked["state"]}),
        (cookie, {"code": "c", "state": asked["state"], "iss": "https://evil.example"}),
        (cookie, {"error": "access_denied", "state": asked["state"]}),
    ):
        with pytest.raises(SignInError):
            await provider.end(given, query)


@pytest.mark.anyio
async def test_a_provider_that_describes_itself_as_another_one_signs_nobody_in(login, provider):
    login.issuer_said = "https://evil.example"
    with pytest.raises(SignInError):
        await provider.begin("/portal/")


@pytest.mark.anyio
@pytest.mark.requirement("WEB-305")
@pytest.mark.parametrize("said", [None, "https://evil.example"])
async def test_however_many_begin_to_sign_in_the_provider_is_asked_once_a_minute(login, provider, said):
    login.issuer_said, now = said, [0.0]
    provider.clock = lambda: now[0]

    async def begin():
        with contextlib.nullcontext() if said is None else pytest.raises(SignInError):
            await provider.begin("/portal/")

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(begin)
    assert login.described == 1
    now[0] = 61.0
    await begin()
    assert login.described == 2
