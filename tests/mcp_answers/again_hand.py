"""again.lua, which uses verdicts again, run by the LuaJIT that lupa brings: its clock and its environment are ours."""

import json
from pathlib import Path

from lupa.luajit21 import LuaRuntime

LUA = Path(__file__).parents[2] / "plugins/lua"
KONG = b"""
return function(now, getenv, decode)
  os.getenv = getenv
  ngx = { now = now }
  package.loaded["cjson.safe"] = { decode = decode }
end
"""


class AgainHand:
    """again.lua, loaded once. Texts are bytes on both sides.

    Attributes:
        now: what its clock says, in seconds.
        environment: what os.getenv knows.
    """

    def __init__(self):
        self.now, self.environment = 1000.0, {}
        self._lua = lua = LuaRuntime(encoding=None, unpack_returned_tuples=True)

        def decode(text):
            try:
                value = json.loads(text)
            except ValueError:
                return None
            return lua.table_from({k.encode(): v.encode() if isinstance(v, str) else v for k, v in value.items()})

        lua.execute(KONG)(lambda: self.now, self.environment.get, decode)
        loaded = lua.globals()[b"package"][b"loaded"]
        for name in ("law", "bodies", "again"):
            source = (LUA / f"kong/plugins/mcp-answers/{name}.lua").read_bytes()
            loaded[f"kong.plugins.mcp-answers.{name}".encode()] = lua.execute(source)
        self.module = loaded[b"kong.plugins.mcp-answers.again"]
        # A text of Lua lives as long as its function runs, and with it the bytes.
        of = b"""local module, bodies = ...
        return function(shape, body) return module.id_of(shape, bodies.of(body)) end,
          function(conf, headers, told, body)
            local bytes, length = bodies.of(body)
            return module.question(conf, headers, told, bytes, length)
          end"""
        self._id_of, self._question = lua.execute(of, self.module, loaded[b"kong.plugins.mcp-answers.bodies"])
        self._configuration = lua.table_from({})

    def shape(self, body):
        """Return what stands around the holes of a message, or None."""
        return self.module[b"shape"](body)

    def id_of(self, shape, body):
        """Return the id as it is written, where a message is plain and fits; else None."""
        return self._id_of(shape, body)

    def keep(self, body, question, headers=b"{}", told=b"", at=None):
        """Offer what a verdict let pass."""
        at = self.now if at is None else at
        self.module[b"keep"](self._configuration, headers, told, body, at, question)

    def question(self, body, headers=b"{}", told=b"", configuration=None):
        """Return the question that is used again, as JSON has it, or None."""
        found = self._question(configuration or self._configuration, headers, told, body)
        if found is None:
            return None
        return {name.decode(): one.decode() if isinstance(one, bytes) else one for name, one in found.items()}

    def another(self):
        """Return another configuration."""
        return self._lua.table_from({})
