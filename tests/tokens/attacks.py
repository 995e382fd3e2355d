"""The table of attacks on tokens: what is sent, and with which status and word for the log it must be refused.

One table for the pure core and for the whole gateway: none of these calls may reach a server.
"""

import json
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tokens.kit import b64, json_of, jwk, private_keys

ROWS = []


@dataclass
class Attack:
    """`make(kit)` returns the values of Authorization, in order, or a text that stands behind the path instead."""

    name: str
    make: object
    status: int
    reason: str

    def sent(self, kit):
        """Return (values of Authorization, query)."""
        made = self.make(kit)
        if isinstance(made, tuple):
            return made
        return ([made] if isinstance(made, str) else made), ""


def row(name, status, reason, make):
    ROWS.append(Attack(name, make, status, reason))


def token(name, reason, make, status=401):
    row(name, status, reason, lambda kit: f"Bearer {make(kit)}")


def unsigned(header, claims):
    return f"{b64(json_of(header))}.{b64(json_of(claims))}."


def public_pem(name):
    return private_keys()[name].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def edited(good, part, change):
    parts = good.split(".")
    parts[part] = change(parts[part])
    return ".".join(parts)


def doubled(claims, name, value):
    """Return claims as text in which a name stands twice, the good value last."""
    return json.dumps(claims)[:-1].replace("{", "{" + json.dumps(name) + ":" + json.dumps(value) + ",", 1) + "}"


HEADER = {"alg": "RS256", "typ": "at+jwt", "kid": "RS256"}
EVIL = "https://evil.example/keys"

# How the token is brought.
row("no header", 401, "no-token", lambda _kit: [])
row("another scheme", 401, "no-token", lambda _kit: "Basic YW5uOnNlY3JldA==")
row("an empty header", 401, "no-token", lambda _kit: "")
row("a token without a scheme", 401, "no-token", lambda kit: kit.token())
row("a scheme glued to the token", 401, "no-token", lambda kit: f"Bearer{kit.token()}")
row("a scheme that only begins so", 401, "no-token", lambda kit: f"Bearers {kit.token()}")
row("a tab for the blank", 401, "no-token", lambda kit: f"Bearer\t{kit.token()}")
row("DPoP for the scheme", 401, "token-scheme", lambda kit: f"DPoP {kit.token()}")
row("a scheme alone", 400, "token-malformed", lambda _kit: "Bearer")
row("two tokens with a comma", 400, "token-malformed", lambda kit: f"Bearer {kit.token()}, Bearer {kit.token()}")
row("two tokens with a blank", 400, "token-malformed", lambda kit: f"Bearer {kit.token()} {kit.token()}")
row("a quoted token", 400, "token-malformed", lambda kit: f'Bearer "{kit.token()}"')
row("a parameter for the token", 400, "token-malformed", lambda kit: f'Bearer token="{kit.token()}"')
row("a letter beyond ASCII in the token", 400, "token-malformed", lambda kit: f"Bearer {kit.token()}\u00e9")
row("padding inside the token", 400, "token-malformed", lambda kit: f"Bearer {kit.token().replace('.', '=.', 1)}")
row("a percent sign in the token", 400, "token-malformed", lambda kit: f"Bearer {kit.token().replace('.', '%2e', 1)}")
row("a token in the query", 400, "token-in-query", lambda kit: ([], f"?access_token={kit.token()}"))
row(
    "a token in the query, spelled otherwise",
    400,
    "token-in-query",
    lambda kit: ([], f"?x=1&Access%5Ftoken={kit.token()}"),
)

# What the token is.
token("no JWT", "token-shape", lambda _kit: "opaque-token-0123456789")
token("two parts", "token-shape", lambda kit: kit.token().rpartition(".")[0])
token("four parts", "token-shape", lambda kit: kit.token() + ".x")
token("an encrypted token", "token-encrypted", lambda _kit: ".".join(["e30"] * 5))
token("no signature", "token-shape", lambda kit: unsigned(HEADER, kit.claims()))
token(
    "base64url that is not canonical",
    "token-shape",
    lambda kit: edited(kit.token("ES256"), 2, lambda part: part[:-1] + chr(ord(part[-1]) + 1)),
)
token("base64 for base64url", "token-shape", lambda kit: edited(kit.token(), 1, lambda part: part + "+"))
token("a header that is no JSON", "token-json", lambda kit: kit.token(header="{alg:RS256}"))
token("a header that is a list", "token-json", lambda kit: kit.token(header='["alg","RS256"]'))
token("claims that are a list", "token-json", lambda kit: kit.token(claims='["iss"]'))
token("something behind the claims", "token-json", lambda kit: kit.token(claims=json.dumps(kit.claims()) + "{}"))
token("claims that are no UTF-8", "token-json", lambda kit: kit.token(claims=b'{"sub":"\xff"}'))
token("alg twice", "token-json", lambda kit: kit.token(header=doubled(HEADER, "alg", "none")))
token("kid twice", "token-json", lambda kit: kit.token(header=doubled(HEADER, "kid", "stranger")))
token("sub twice", "token-json", lambda kit: kit.token(claims=doubled(kit.claims(), "sub", "root")))
token("aud twice", "token-json", lambda kit: kit.token(claims=doubled(kit.claims(), "aud", "https://other.example")))
token(
    "exp twice, once escaped",
    "token-json",
    lambda kit: kit.token(claims=json.dumps(kit.claims()).replace('"exp"', '"\\u0065xp": 1, "exp"')),
)
token(
    "claims nested too deep",
    "token-json",
    lambda kit: kit.token(claims=json.dumps({**kit.claims(), "x": json.loads("[" * 20 + "]" * 20)})),
)

# Who signed it, and how.
token("alg none with a signature", "token-algorithm", lambda kit: kit.token(header={"alg": "none"}))
token("alg None", "token-algorithm", lambda kit: kit.token(header={"alg": "None"}))
token("alg in lower case", "token-algorithm", lambda kit: kit.token(header={"alg": "rs256"}))
token("no alg", "token-header", lambda kit: kit.token(header={"alg": None}))
token("alg that is a list", "token-header", lambda kit: kit.token(header={"alg": ["RS256"]}))
token("HS256 with the public key as PEM", "token-algorithm", lambda kit: kit.hmac_token(public_pem("RS256")))
token(
    "HS256 with the public key as JWK", "token-algorithm", lambda kit: kit.hmac_token(json.dumps(jwk("RS256")).encode())
)
token("HS256 with nothing", "token-algorithm", lambda kit: kit.hmac_token(b""))
token("an algorithm beyond the list", "token-algorithm", lambda kit: kit.token(header={"alg": "RS512"}))
token("ES256K", "token-algorithm", lambda kit: kit.token("ES256K", key="K-256"))
token("alg of another key's type", "token-unknown-key", lambda kit: kit.token(header={"alg": "ES256"}))
token("PS256 said, RS256 signed", "token-signature", lambda kit: kit.token(header={"alg": "PS256"}))
token(
    "a stranger's key under a known kid",
    "token-signature",
    lambda kit: kit.token(key="stranger", header={"kid": "RS256"}),
)
token("a stranger's key", "token-unknown-key", lambda kit: kit.token(key="stranger"))
token("a stranger's key without a kid", "token-signature", lambda kit: kit.token(key="stranger", header={"kid": None}))
token("a kid that is a path", "token-unknown-key", lambda kit: kit.token(header={"kid": "../../dev/null"}))
token("a kid that is a number", "token-header", lambda kit: kit.token(header={"kid": 7}))
token("a kid of 300 characters", "token-header", lambda kit: kit.token(header={"kid": "k" * 300}))
token("an embedded jwk", "token-embedded-key", lambda kit: kit.token(key="stranger", header={"jwk": jwk("stranger")}))
token("jku", "token-embedded-key", lambda kit: kit.token(key="stranger", header={"jku": EVIL}))
token("x5u", "token-embedded-key", lambda kit: kit.token(key="stranger", header={"x5u": EVIL}))
token("x5c", "token-embedded-key", lambda kit: kit.token(key="stranger", header={"x5c": ["MIIB"]}))
token("crit", "token-crit", lambda kit: kit.token(header={"crit": ["exp"]}))
token("an empty crit", "token-crit", lambda kit: kit.token(header={"crit": []}))
token("b64 false", "token-crit", lambda kit: kit.token(header={"b64": False}))
token("zip", "token-crit", lambda kit: kit.token(header={"zip": "DEF"}))
token(
    "claims changed after signing",
    "token-signature",
    lambda kit: edited(kit.token(), 1, lambda _: b64(json_of(kit.claims(sub="root")))),
)
token("a signature cut short", "token-signature", lambda kit: edited(kit.token(), 2, lambda part: part[:-6]))
token("a signature of zeros", "token-signature", lambda kit: edited(kit.token("ES256"), 2, lambda _: b64(bytes(64))))
token(
    "an ECDSA signature in DER",
    "token-signature",
    lambda kit: edited(kit.token("ES256"), 2, lambda _: b64(b"\x30\x06\x02\x01\x01\x02\x01\x01")),
)
token(
    "the signature of another token",
    "token-signature",
    lambda kit: edited(kit.token(), 2, lambda _: kit.token(sub="eve").rpartition(".")[2]),
)

# What it says.
token("no typ", "token-type", lambda kit: kit.token(header={"typ": None}))
token("typ JWT", "token-type", lambda kit: kit.token(header={"typ": "JWT"}))
token("typ of a logout token", "token-type", lambda kit: kit.token(header={"typ": "logout+jwt"}))
token("an ID token", "token-kind", lambda kit: kit.token(at_hash="x"))
token(
    "a logout token",
    "token-kind",
    lambda kit: kit.token(events={"http://schemas.openid.net/event/backchannel-logout": {}}),
)
token("no issuer", "token-issuer", lambda kit: kit.token(iss=None))
token("another issuer", "token-issuer", lambda kit: kit.token(iss="https://evil.example"))
token("the issuer with a slash", "token-issuer", lambda kit: kit.token(iss=kit.issuer + "/"))
token("the issuer in capitals", "token-issuer", lambda kit: kit.token(iss=kit.issuer.upper()))
token("issuers in a list", "token-issuer", lambda kit: kit.token(iss=[kit.issuer]))
token("no audience", "token-audience", lambda kit: kit.token(aud=None))
token("another audience", "token-audience", lambda kit: kit.token(aud="https://gateway.example/other/mcp"))
token("the audience with a slash", "token-audience", lambda kit: kit.token(aud=kit.resource + "/"))
token("the audience's beginning", "token-audience", lambda kit: kit.token(aud=kit.resource[:-4]))
token("the audience in capitals", "token-audience", lambda kit: kit.token(aud=kit.resource.upper()))
token("an empty list of audiences", "token-audience", lambda kit: kit.token(aud=[]))
token("an audience in a list of lists", "token-audience", lambda kit: kit.token(aud=[[kit.resource]]))
token("an audience beside a number", "token-audience", lambda kit: kit.token(aud=[kit.resource, 7]))
token("audiences in one text", "token-audience", lambda kit: kit.token(aud=f"{kit.resource} https://other.example"))
token("an audience that is an object", "token-audience", lambda kit: kit.token(aud={kit.resource: 1}))
token("expired", "token-expired", lambda kit: kit.token(exp=int(kit.now) - 3600))
token("no expiry", "token-times", lambda kit: kit.token(exp=None))
token("an expiry that is text", "token-times", lambda kit: kit.token(exp=str(int(kit.now) + 600)))
token("an expiry that is true", "token-times", lambda kit: kit.token(exp=True))
token("an expiry in a million years", "token-times", lambda kit: kit.token(exp=2**60))
token("an expiry below zero", "token-times", lambda kit: kit.token(exp=-1))
token("nbf in the future", "token-early", lambda kit: kit.token(nbf=int(kit.now) + 3600))
token("nbf that is text", "token-times", lambda kit: kit.token(nbf="0"))
token("iat in the future", "token-early", lambda kit: kit.token(iat=int(kit.now) + 3600))
token("no subject", "token-subject", lambda kit: kit.token(sub=None))
token("an empty subject", "token-subject", lambda kit: kit.token(sub=""))
token("a subject that is a number", "token-subject", lambda kit: kit.token(sub=7))
token("a subject with a NUL", "token-subject", lambda kit: kit.token(sub="ann\0"))
token("a subject of 2,000 characters", "token-subject", lambda kit: kit.token(sub="a" * 2000))
token("a token that is bound by DPoP", "token-bound", lambda kit: kit.token(cnf={"jkt": "x"}))
token("a token that is bound to a certificate", "token-bound", lambda kit: kit.token(cnf={"x5t#S256": "x"}))
token("a scope that is a number", "token-scope", lambda kit: kit.token(scope=7))
token("scopes that hold an object", "token-scope", lambda kit: kit.token(scope=["mcp", {}]))
token("scope and scp that differ", "token-scope", lambda kit: kit.token(scp="mcp admin"))
token("a scope with a quote", "token-scope", lambda kit: kit.token(scope='mcp"x'))
token("no scope where one is needed", "insufficient-scope", lambda kit: kit.token(scope=None), status=403)
token("another scope than is needed", "insufficient-scope", lambda kit: kit.token(scope="mcp2 MCP"), status=403)

# What else strangers try.
token("alg none without a signature", "token-shape", lambda kit: unsigned({**HEADER, "alg": "none"}, kit.claims()))
token("an empty alg", "token-algorithm", lambda kit: kit.token(header={"alg": ""}))
token("alg with a blank", "token-algorithm", lambda kit: kit.token(header={"alg": "RS256 "}))
token("RS1", "token-algorithm", lambda kit: kit.token(header={"alg": "RS1"}))
token("HS256 with the kid as its key", "token-algorithm", lambda kit: kit.hmac_token(b"RS256"))
token("a kid for a database", "token-unknown-key", lambda kit: kit.token(header={"kid": "x' OR '1'='1"}))
token("a kid in capitals", "token-unknown-key", lambda kit: kit.token(header={"kid": "rs256"}))
token(
    "x5t#S256 of another key and jwk null",
    "token-embedded-key",
    lambda kit: kit.token(header={"jwk": None, "x5u": EVIL}),
)
token("a JWT within the JWT", "token-json", lambda kit: kit.token(claims=json.dumps(kit.token())))
token("a signed text for claims", "token-json", lambda kit: kit.token(claims='"sub"'))
token(
    "claims behind a byte order mark",
    "token-json",
    lambda kit: kit.token(claims=b"\xef\xbb\xbf" + json_of(kit.claims()).encode()),
)
token("claims in UTF-16", "token-json", lambda kit: kit.token(claims=json.dumps(kit.claims()).encode("utf-16")))
token(
    "iss twice, once escaped",
    "token-json",
    lambda kit: kit.token(
        claims=json.dumps(kit.claims()).replace('"iss"', '"i\\u0073s": "https://evil.example", "iss"')
    ),
)
token(
    "an expiry that is not a number",
    "token-json",
    lambda kit: kit.token(claims=json.dumps({**kit.claims(), "exp": float("nan")})),
)
token(
    "an expiry without end",
    "token-json",
    lambda kit: kit.token(claims=json.dumps({**kit.claims(), "exp": 0}).replace('"exp": 0', '"exp": 1e999')),
)
token("an expiry in a list", "token-times", lambda kit: kit.token(exp=[int(kit.now) + 600]))
token("iat that is text", "token-times", lambda kit: kit.token(iat="now"))
token("a subject in a list", "token-subject", lambda kit: kit.token(sub=["ann"]))
token(
    "a subject that is half a letter",
    "token-json",
    lambda kit: kit.token(claims=json.dumps({**kit.claims(), "sub": "\ud800"})),
)
token("an audience that is null in a list", "token-audience", lambda kit: kit.token(aud=[None, kit.resource]))
token("an audience with a fragment", "token-audience", lambda kit: kit.token(aud=f"{kit.resource}#x"))
token("an audience with a query", "token-audience", lambda kit: kit.token(aud=f"{kit.resource}?x=1"))
token("an audience with a glob", "token-audience", lambda kit: kit.token(aud="*"))
token(
    "the audience with its port written out",
    "token-audience",
    lambda kit: kit.token(aud=kit.resource.replace("/notes", ":80/notes")),
)
token("a token that is bound in a way that nobody knows", "token-bound", lambda kit: kit.token(cnf={"kid": "x"}))
token("a binding that is text", "token-bound", lambda kit: kit.token(cnf="jkt"))
token("a binding to nothing", "token-bound", lambda kit: kit.token(cnf={}))
token("an actor that is text", "token-actor", lambda kit: kit.token(act="gateway"))
token("an actor without a name", "token-actor", lambda kit: kit.token(act={}))
token("typ of a proof", "token-type", lambda kit: kit.token(header={"typ": "dpop+jwt"}))
token("typ of an assertion", "token-type", lambda kit: kit.token(header={"typ": "oauth-id-jag+jwt"}))
token("typ with a parameter", "token-type", lambda kit: kit.token(header={"typ": "at+jwt; x"}))
token("typ that is a list", "token-header", lambda kit: kit.token(header={"typ": ["at+jwt"]}))
row("a token in a form's scheme", 401, "no-token", lambda kit: f"access_token={kit.token()}")
row("a token in two lines", 400, "token-malformed", lambda kit: f"Bearer {kit.token()},")
