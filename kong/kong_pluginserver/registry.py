"""Which instance id means which plugin and configuration: kept in the supervisor's memory, never on disk.

Laws: ids are from 1 to 2**31 - 1, start anywhere and advance by any step, and none is given twice by one server.
Another server's old id is therefore unknown here, but for a chance of one in two billion for each instance.
"""

from __future__ import annotations

import secrets
from typing import Final

from kong_pluginserver.recent import Recent

_PRIME: Final = 2**31 - 1
# Kong closes instances only when it replaces one; what a killed nginx worker leaves behind must not pile up.
_MOST: Final = 8192


class Registry:
    """Instances by id, at most `most`: the one that was asked for longest ago is forgotten.

    Workers ask for what they have not made, or not kept. Kong starts anew what it still needs.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._known: Recent[int, tuple[str, bytes]] = Recent(most)
        self._step = secrets.randbelow(_PRIME - 1) + 1
        self._last = secrets.randbelow(_PRIME)

    def add(self, name: str, config: bytes) -> int:
        """Return the new id of an instance of plugin `name` with its configuration as Kong sent it."""
        # Steps of one size modulo a prime meet every number once before any comes again.
        self._last = (self._last + self._step) % _PRIME
        instance_id = self._last + 1
        self._known.keep(instance_id, (name, config))
        return instance_id

    def get(self, instance_id: int) -> tuple[str, bytes] | None:
        """Return plugin name and configuration, None if the id is not known."""
        return self._known.use(instance_id)

    def remove(self, instance_id: int) -> None:
        """Forget an instance."""
        self._known.forget(instance_id)
