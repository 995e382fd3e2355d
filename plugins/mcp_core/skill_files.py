"""What reading a skill's file or an app's page gave: as an item for pins, and held to what its skill says of it.

A digest is that of the file's raw bytes, its size their number (SEP-2640, Resources; Integrity and Verification): of
`text` the bytes are its UTF-8, of `blob` what the base64 stands for.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from mcp_core.extensions import SKILL_FILE, root_of
from mcp_core.keys import Keys
from mcp_core.loosejson import sound
from mcp_core.methods import CONTENTS

DYNAMIC: Final = "dynamic"
"""What stands for the files of a skill whose content is generated."""
_TEXT: Final = "text"
UNREAD: Final = "unread"
"""The member that says of a content that it is longer than what is read and kept."""
LARGEST: Final = 1024 * 1024
"""Bytes of a file that are read and kept for a reviewer; of a larger one the digest is."""
_CONTENT: Final = Keys.of({"uri", "mimeType", _TEXT, "blob", "_meta"})
_DEEPEST: Final = 50
"""Nesting of what a content holds."""


def raw_bytes(content: Mapping[str, Any]) -> bytes | None:
    """Return the bytes of one content of a result, or None where it has none, or both text and blob."""
    text, blob = content.get(_TEXT), content.get("blob")
    if isinstance(text, str) and blob is None:
        return text.encode(errors="surrogatepass")
    if isinstance(blob, str) and text is None:
        try:
            return base64.b64decode(blob, validate=True)
        except (binascii.Error, ValueError):
            return None
    return None


def _reads_alike(content: dict[str, Any]) -> bool:
    """Return whether every client takes the same text for a content's."""
    return _CONTENT.misread(content) is None and sound(content, _DEEPEST)


def as_item(uri: str, contents: Any) -> dict[str, Any] | None:
    """Return what was read as an item: each content with its text, or where it is none the digest of its bytes.

    None for what no two readers would read alike: no contents, or one without bytes of its own.
    """
    if not isinstance(contents, list) or not contents:
        return None
    kept = []
    for content in contents:
        data = raw_bytes(content) if isinstance(content, dict) and _reads_alike(content) else None
        if data is None:
            return None
        rest = {name: value for name, value in content.items() if name not in (_TEXT, "blob")}
        rest |= {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        try:
            kept.append({**rest, **({UNREAD: True} if len(data) > LARGEST else {_TEXT: data.decode()})})
        except UnicodeDecodeError:
            kept.append(rest)
    return {"uri": uri, CONTENTS: kept}


def is_as_said(item: Mapping[str, Any], manifests: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether a file is what entries of skills say of it: each that holds for it names its digest and size.

    An entry holds for the files in the directory of its SKILL.md, and names all of them. At least one must.
    """
    uri, contents = str(item["uri"]), item[CONTENTS]
    held = [manifest for manifest in manifests if uri.startswith(root_of(str(manifest.get("uri"))))]
    return bool(held) and len(contents) == 1 and all(_names(one.get("resources"), uri, contents[0]) for one in held)


def _names(files: Any, uri: str, content: Mapping[str, Any]) -> bool:
    if files == DYNAMIC:
        return True
    if not isinstance(files, list):
        return False
    said = [file for file in files if isinstance(file, Mapping) and file.get("uri") == uri]
    named = [(one.get("digest"), one.get("size")) for one in said]
    return named == [(f"sha256:{content['sha256']}", content["size"])]


def is_entry(entry: Mapping[str, Any]) -> bool:
    """Return whether an entry of a skill is one that hosts must load (SEP-2640, Skill Entries): its files are its own.

    What hosts must not load, or could read differently, no agent gets.
    """
    uri, front, files = entry.get("uri"), entry.get("frontmatter"), entry.get("resources")
    if not isinstance(uri, str) or not uri.endswith(f"/{SKILL_FILE}") or not isinstance(front, Mapping):
        return False
    name = uri.removesuffix(f"/{SKILL_FILE}").rpartition("/")[2]
    if front.get("name") != name or not isinstance(front.get("description"), str):
        return False
    if files == DYNAMIC:
        return True
    if not isinstance(files, list) or not all(isinstance(file, Mapping) for file in files):
        return False
    named = [file.get("uri") for file in files]
    inside = all(isinstance(one, str) and one.startswith(root_of(uri)) for one in named)
    return inside and uri in named and len(set(map(str, named))) == len(named)


def child(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a child of a directory without anything that a model could take for an instruction (Reading Directories).

    Its name is the last segment of its URI, whatever the server called it.
    """
    uri = str(item["uri"])
    kept: dict[str, Any] = {"uri": uri, "name": uri.rstrip("/").rpartition("/")[2] or uri}
    kind, size = item.get("mimeType"), item.get("size")
    if isinstance(kind, str) and len(kind) <= _LONGEST_TYPE and kind.isascii() and " " not in kind:
        kept["mimeType"] = kind
    if isinstance(size, int) and not isinstance(size, bool):
        kept["size"] = size
    return kept


_LONGEST_TYPE: Final = 100
