"""An agent that holds the key to its token (RFC 9449): the SDK's provider, with a proof on all that it sends.

The SDK knows bearer's tokens alone. Its flow stays as it is; what it sends and what it gets pass by here.
"""

import base64
import contextlib
import hashlib
import json
import time
import uuid

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from mcp.client.auth import OAuthClientProvider, OAuthTokenError

_BEARER = "Bearer "
_DPOP = "DPoP "
_REFUSED = (400, 401)
"""How a token endpoint and a resource server ask for a nonce (sections 8 and 9)."""


class Holder:
    """A key, and the last nonce of each origin."""

    def __init__(self):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._public = json.loads(ECAlgorithm.to_jwk(self._key.public_key()))
        self._nonces = {}

    def proof(self, request, token=None):
        """Return a proof for one request, which brings `token`."""
        claims = {
            "jti": str(uuid.uuid4()),
            "htm": request.method,
            "htu": str(request.url.copy_with(query=None, fragment=None)),
            "iat": int(time.time()),
        }
        if token is not None:
            claims["ath"] = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode().rstrip("=")
        if nonce := self._nonces.get(_origin(request)):
            claims["nonce"] = nonce
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"typ": "dpop+jwt", "jwk": self._public})

    def hears(self, response):
        """Keep the nonce of an answer. Return whether it is one that the request should have had."""
        nonce = response.headers.get("DPoP-Nonce")
        if nonce is None:
            return False
        self._nonces[_origin(response.request)] = nonce
        return response.status_code in _REFUSED and "dpop" in response.request.headers


def _origin(request):
    return request.url.scheme, request.url.host, request.url.port


class BoundOAuthProvider(OAuthClientProvider):
    """Asks for a token that is bound to its key, and brings it with a proof each time."""

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        self._holder = Holder()

    async def _auth_flow(self, request):
        flow = super()._auth_flow(request)
        async with contextlib.aclosing(flow):
            with contextlib.suppress(StopAsyncIteration):
                outgoing = await anext(flow)
                while True:
                    asks = self._prove(outgoing)
                    response = yield outgoing
                    if self._holder.hears(response) and await _wants_nonce(response):
                        self._prove(outgoing)
                        response = yield outgoing
                        self._holder.hears(response)
                    outgoing = await flow.asend(await _as_the_sdk_knows(response) if asks else response)

    def _prove(self, request):
        """Put a proof on a request that needs one. Return whether it asks for a token."""
        metadata = self.context.oauth_metadata
        asks = metadata is not None and request.method == "POST" and str(request.url) == str(metadata.token_endpoint)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if asks:
            request.headers["DPoP"] = self._holder.proof(request)
        elif token and scheme in (_BEARER.strip(), _DPOP.strip()):
            request.headers["Authorization"] = _DPOP + token
            request.headers["DPoP"] = self._holder.proof(request, token)
        return asks


async def _wants_nonce(response):
    """Return whether an answer refuses a proof for its nonce: at a resource server the challenge says so."""
    said = response.headers.get("WWW-Authenticate")
    return "use_dpop_nonce" in (said if said is not None else (await response.aread()).decode())


async def _as_the_sdk_knows(response):
    """Return the answer with a token in the words that the SDK knows. Of a token that is not bound it gets none."""
    if response.status_code != 200:
        return response
    granted = json.loads(await response.aread())
    if granted["token_type"].lower() != "dpop":
        raise OAuthTokenError("the token is bound to no key")
    return httpx2.Response(200, json={**granted, "token_type": "Bearer"}, request=response.request)
