"""Which verdicts may be used again, for a request that differs in nothing but its id and its arguments.

The word stands in the question, and names the files by which the verdict stands: of each a letter and the first bytes
of its MAC. It is good as long as these are what stands there, and for a second at most. See spec/decisions/374. In
Kong's own way the guard hears that a verdict is used, and by which law it was made: see spec/decisions/377.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from mcp_core import methods
from mcp_core.decide import Admitted
from mcp_core.jsonrpc import Limits
from mcp_kong.acting import Deputies

if TYPE_CHECKING:
    from mcp_kong.settings import Settings

SWITCH: Final = "KONG_MCP_REUSE"
"""Environment variable of the plugin server: `off` has every call asked."""
_BORN: Final = secrets.token_bytes(16)
"""Which plugin server this is: its workers are forked with it, and another one's verdicts are not used."""
SECONDS: Final = 1
"""How long a verdict is used at most; as again.lua has it."""
_LEAST: Final = Limits(body=16384, depth=16, keys=16384, values=16384, id_length=64, digits=32)
"""What no message that again.lua takes can be over. Where less is allowed, the guard counts each time."""
_COUNTED: Final = ("body", "depth", "keys", "values", "id_length", "digits")


class Reuse:
    """What one guard says of its verdicts.

    Attributes:
        law: by what they are made: a text of this plugin server's for this configuration, and no other's.
    """

    def __init__(
        self,
        settings: Settings,
        config: Mapping[str, Any],
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Look whether anything that the guard holds calls to is in their arguments, or good for one call alone.

        `config` is what `settings` were read from; `clock` gives Unix time in seconds.
        """
        written = json.dumps(config, sort_keys=True, default=repr).encode()
        self.law = hashlib.blake2b(written, key=_BORN, digest_size=12).hexdigest()
        self._clock = clock
        guard = settings.guard
        one_by_one = settings.tokens, settings.server_tokens, settings.virtual, settings.pages
        of_arguments = guard.constraints, guard.param_headers
        small = any(getattr(guard.limits, name) < getattr(_LEAST, name) for name in _COUNTED)
        self._never = (
            any(one_by_one)
            or any(of_arguments)
            or small
            or settings.deputies is not Deputies.NOBODY
            or environment.get(SWITCH, "").lower() == "off"
        )
        files = {"s": settings.snapshot, "r": settings.revoked, "h": settings.health}
        self._files = tuple((letter, file) for letter, file in files.items() if file is not None)
        self._most_age = settings.session_max_age - SECONDS

    def word(self, admitted: Admitted) -> str | None:
        """Return what a verdict that lets a call pass stands by, None where it is for this one alone."""
        if self._never or admitted.method != methods.CALL or admitted.would_refuse or admitted.id is None:
            return None
        # What a message says of its trace is written over its header, which nobody compares. See spec/decisions/380.
        if admitted.trace:
            return None
        if admitted.session is not None and admitted.session.opened + self._most_age < self._clock():
            return None
        return self._signs()

    def stands(self) -> str:
        """Return the law, and behind a blank the word of what stands by the files as they are now.

        Kong's word that a verdict is used may have waited here, behind the reading of a large file, for what closed it.
        """
        for _, file in self._files:
            file.look()
        return f"{self.law} {self._signs()}"

    def _signs(self) -> str | None:
        signs = [(letter, file.sign) for letter, file in self._files]
        return None if None in (sign for _, sign in signs) else "".join(f"{letter}={sign};" for letter, sign in signs)
