"""The Lua hand of the law of answers, run by the LuaJIT that lupa brings, with the little of cjson that it needs."""

import json
from pathlib import Path

from lupa.luajit21 import LuaRuntime

LUA = Path(__file__).parents[2] / "plugins/lua/kong/plugins/mcp-answers/law.lua"
CASES = json.loads((Path(__file__).parents[2] / "spec/answers.json").read_text(encoding="utf-8"))
LETTERS = {
    "progress": "p",
    "log": "l",
    "list_changed": "c",
    "resource_updated": "u",
    "cancelled": "x",
    "ping": "i",
    "sampling": "s",
    "elicitation": "e",
    "roots": "r",
}


def _decode(text):
    """Decode as cjson.safe does, which takes no half surrogate pairs."""
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()
    except ValueError:
        return None
    return value


class LuaHand:
    """law.lua, loaded once. Texts are bytes on both sides."""

    def __init__(self):
        self._lua = LuaRuntime(encoding=None, unpack_returned_tuples=True)

        def decode(text):
            value = _decode(text)
            return (
                self._lua.table_from([one.encode() if isinstance(one, str) else one for one in value])
                if value
                else None
            )

        def encode(value):
            return json.dumps(value.decode() if isinstance(value, bytes) else value, ensure_ascii=False).encode()

        cjson = self._lua.table_from({b"decode": decode, b"encode": encode})
        self._lua.globals()[b"package"][b"loaded"][b"cjson.safe"] = cjson
        self._law = self._lua.execute(LUA.read_bytes())

    def question(self, asked):
        """Return a question of the cases as mcp-answers keeps it."""
        kinds = asked.get("kinds", LETTERS)
        said = {name: value for name, value in asked.items() if name not in ("kinds", "place")}
        said["kinds"] = "".join(LETTERS[kind] for kind in kinds)
        plain = {k.encode(): v.encode() if isinstance(v, str) else v for k, v in said.items()}
        return self._lua.table_from(plain)

    def judge(self, asked, text):
        """Return the verdict over one text, and what it says."""
        verdict = self._law[b"judge"](self.question(asked), text)
        verdict, said = verdict if isinstance(verdict, tuple) else (verdict, None)
        return verdict.decode(), said

    def body(self, asked, chunks, limit=None):
        """Return what becomes of a JSON body, and None where nothing can but a cut connection."""
        passed, whole = self.pieces_of_body(asked, chunks, limit)
        return passed if whole else None

    def pieces_of_body(self, asked, chunks, limit=None):
        """Return what passes of a JSON body, and whether the connection is not cut then."""
        body, passed = self._law[b"body"](self.question(asked), limit), []
        for chunk in chunks:
            passed.append(body[b"feed"](body, chunk))
            if passed[-1] is None:
                return b"".join(passed[:-1]), False
        passed.append(body[b"finish"](body))
        return b"".join(piece for piece in passed if piece), passed[-1] is not None

    def stream(self, asked, chunks, limit=None):
        """Return all that passes of an event stream, and whether it failed. Others have their turn between chunks."""
        stream, out = self._law[b"stream"](self.question(asked), limit), []
        for chunk in chunks:
            stream[b"noise"] = 0
            out.append(stream[b"feed"](stream, chunk))
        return b"".join(out) + stream[b"finish"](stream), stream[b"failed"]
