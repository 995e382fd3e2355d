"""again.lua, which uses verdicts again, run by the LuaJIT that lupa brings: its clock and its environment are ours."""

import json
import re
from pathlib import Path

from lupa.luajit21 import LuaRuntime

LUA = Path(__file__).parents[2] / "plugins/lua"
NOT_PLAIN = re.compile(rb"[^ -~]")
KONG = b"""
return function(now, getenv, finds, decode)
  os.getenv = getenv
  ngx = { now = now, re = { find = finds } }
  package.loaded["cjson.safe"] = { decode = decode }
end
"""


class AgainHand:
    """again.lua, loaded once. Texts are bytes on both sides.

    Attributes:
        now: what its clock says, in seconds.
        environment: what os.getenv knows.
        failing: whether no regular expression works.
    """

    def __init__(self):
        self.now, self.environment, self.failing = 1000.0, {}, False
        self._lua = lua = LuaRuntime(encoding=None, unpack_returned_tuples=True)

        def finds(text, pattern, _options):
            assert pattern == b"[^ -~]"
            found = NOT_PLAIN.search(text)
            if self.failing:
                return None, None, b"pcre_exec() failed: -27"
            return found and found.start() + 1

        def decode(text):
            try:
                value = json.loads(text)
            except ValueError:
                return None
            return lua.table_from({k.encode(): v.encode() if isinstance(v, str) else v for k, v in value.items()})

        lua.execute(KONG)(lambda: self.now, self.environment.get, finds, decode)
        loaded = lua.globals()[b"package"][b"loaded"]
        loaded[b"kong.plugins.mcp-answers.law"] = lua.execute((LUA / "kong/plugins/mcp-answers/law.lua").read_bytes())
        self.module = lua.execute((LUA / "kong/plugins/mcp-answers/again.lua").read_bytes())
        self._configuration = lua.table_from({})

    def shape(self, body):
        """Return what stands around the holes of a message, or None."""
        return self.module[b"shape"](body)

    def id_of(self, shape, body):
        """Return the id as it is written, where a message is plain and fits; else None."""
        return self.module[b"id_of"](shape, body) if self.module[b"is_plain"](b"", body) else None

    def keep(self, body, question, headers=b"{}", told=b"", at=None):
        """Offer what a verdict let pass."""
        at = self.now if at is None else at
        self.module[b"keep"](self._configuration, headers, told, body, at, question)

    def question(self, body, headers=b"{}", told=b"", configuration=None, *, plain=True):
        """Return the question that is used again, as JSON has it, or None; `plain` looks first whether the body is."""
        if plain and not self.module[b"is_plain"](headers, body):
            return None
        found = self.module[b"question"](configuration or self._configuration, headers, told, body)
        if found is None:
            return None
        return {name.decode(): one.decode() if isinstance(one, bytes) else one for name, one in found.items()}

    def another(self):
        """Return another configuration."""
        return self._lua.table_from({})
