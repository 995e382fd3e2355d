"""mcp-internal's access phase: it opens an upstream for what the sidecar signed, and to all else is an unknown route.

The service behind the route has no targets of its own. Two values are read, in one trip: the request line, and the
sidecar's word, which nginx joins with any second one of its name.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any, Final

from mcp_core import methods
from mcp_core.errand import ErrandSigner
from mcp_core.reasons import Ending, Reason
from mcp_core.record import KEY, Hop, Record, RefusedBecause
from mcp_core.seal import KeyRingError, parse_keys
from mcp_kong.pdk import Kong
from mcp_kong.settings import KEYS_VARIABLE
from mcp_kong.settings_error import SettingsError

LINE: Final = "request"
"""The nginx variable of the request line: method, target and protocol, as they were sent."""
WORD: Final = f"http_{methods.TARGET_HEADER.replace('-', '_')}"
"""The nginx variable of the sidecar's word."""
STATUS: Final = 404
HEADERS: Final = {"Content-Type": "application/json; charset=utf-8"}
NO_ROUTE: Final = "no Route matched with those values"
"""What Kong says of a route that it does not know, with the id of the request."""
REFUSAL: Final = (STATUS, HEADERS, f'{{"message":"{NO_ROUTE}"}}'.encode())
"""What the plugin server answers when this plugin fails: (status, headers, body)."""
UNSIGNED: Final = Record(Hop.INTERNAL, Ending.UNSIGNED, refused=RefusedBecause(Reason.UNSIGNED))
"""The record of a request that is not the sidecar's."""


class Internal:
    """One instance of the plugin: there is one internal route for all servers."""

    def __init__(self, _config: Mapping[str, Any]) -> None:
        """Read the keys. Raises SettingsError, which leaves the route closed."""
        try:
            self._signer = ErrandSigner(parse_keys(os.environ.get(KEYS_VARIABLE, "")))
        except KeyRingError as error:
            raise SettingsError(f"{KEYS_VARIABLE} in the plugin server's environment: {error}") from None

    def access(self, kong: Kong) -> None:
        """Open the upstream that the sidecar named."""
        asked = (kong.nginx.get_var(LINE) or "").rpartition(" ")[0]
        errand = self._signer.verify(kong.nginx.get_var(WORD) or "", asked, now=time.time())
        if errand is None:
            # One that came late still names a query, which may be a secret, and log plugins write headers down.
            kong.service.request.set_headers({methods.TARGET_HEADER: []})
            kong.log.set_serialize_value(KEY, UNSIGNED.to_json())
            number = kong.nginx.get_var("kong_request_id")
            body = f'{{\n  "message":"{NO_ROUTE}",\n  "request_id":"{number}"\n}}'
            kong.response.exit(STATUS, body, HEADERS)
            return
        target = errand.target
        kong.service.set_upstream(target.upstream)
        if target.scheme != "http":
            kong.service.request.set_scheme(target.scheme)
        kong.service.request.set_path(target.path)
        if target.query:
            kong.service.request.set_raw_query(target.query)
            # It may be a secret, and Kong's log plugins write both down. A name with dots changes their record alone.
            kong.log.set_serialize_value("request.querystring", {})
            kong.log.set_serialize_value("upstream_uri", target.path)
        # Set to no values at all, a header is cleared (lua-nginx-module).
        changes: dict[str, str | list[str]] = {methods.TARGET_HEADER: [], methods.AFFINITY_HEADER: errand.affinity}
        kong.service.request.set_headers(changes)
