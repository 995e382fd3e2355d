"""A guard that takes tokens, and requests to it."""

import json
import os
import time

import msgspec
from kong_side import CONFIG, KEY, KongSide

from mcp_core.auth import keyfile, keysets
from mcp_core.auth.keyfile import IssuerKeys
from mcp_kong.guard import Guard
from tokens.kit import Kit

KIT = Kit()
OTHER = Kit(issuer="https://other.example")
AUTH = {"resource": KIT.resource, "issuers": [{"issuer": KIT.issuer}], "required_scopes": ["mcp"]}
LEGACY = {"content-type": "application/json", "mcp-protocol-version": "2025-11-25"}
CALL = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "open"}}).encode()
LIST = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
METADATA = "/.well-known/oauth-protected-resource/notes/mcp"


def write(path, document=None, *, until=None, ring=(KEY,)):
    keys = keysets.read(document or KIT.jwks())
    issuers = dict.fromkeys((KIT.issuer, OTHER.issuer), IssuerKeys(keys, until or time.time() + 600))
    values = keyfile.to_values("1", issuers)
    beside = path.with_suffix(".new")
    beside.write_bytes(keyfile.FILE.seal(msgspec.msgpack.encode(values), ring))
    os.utime(beside, ns=(time.time_ns(), time.time_ns()))
    beside.replace(path)


def guard(auth=None, **config):
    return Guard(CONFIG | {"auth": AUTH | (auth or {})} | config)


def ask(one, *values, body=CALL, headers=LEGACY, **request):
    brought = {} if not values else {"authorization": values[0] if len(values) == 1 else list(values)}
    side = KongSide(body, headers | brought, **request)
    one.access(side.pdk)
    return side


def bearer(**changed):
    return f"Bearer {KIT.token(**changed)}"


def challenge_of(side):
    status, _, headers = side.exit
    return status, headers.get("WWW-Authenticate")
