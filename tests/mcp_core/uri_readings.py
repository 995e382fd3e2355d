"""What readers of URIs in several languages make of them: real ones, asked for many at once.

A reading is (scheme, host, path, whole): what a server looks a resource up by, and the text in the reader's own form.
None is what a reader refuses.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlparse, urlsplit, urlunsplit

from pydantic import AnyUrl

from node.tools import node

HERE = Path(__file__).parent / "uri_readers"


def each(read):
    def readings(texts):
        found = []
        for text in texts:
            try:
                found.append(read(text))
            except ValueError:
                found.append(None)
        return found

    return readings


def by_urlsplit(text):
    parts = urlsplit(text)
    return parts.scheme, parts.hostname or "", unquote(parts.path), urlunsplit(parts)


def by_urlparse(text):
    parts = urlparse(text)
    return parts.scheme, parts.hostname or "", parts.path, parts.geturl()


def by_pydantic(text):
    url = AnyUrl(text)
    return url.scheme, url.host or "", url.path or "", str(url)


def child(*command):
    """Return a reader that is another program, or None where its language is not on this machine."""
    if command[0] is None:
        return None

    def readings(texts):
        lines = b"".join(base64.b64encode(text.encode()) + b"\n" for text in texts)
        ended = subprocess.run([str(part) for part in command], input=lines, stdout=subprocess.PIPE, check=True)
        answers = ended.stdout.splitlines()
        assert len(answers) == len(texts)
        return [
            None
            if line == b"!"
            else tuple(base64.b64decode(part).decode(errors="replace") for part in line.split(b" "))
            for line in answers
        ]

    return readings


READERS = {
    "Python's urlsplit": each(by_urlsplit),
    "Python's urlparse": each(by_urlparse),
    "pydantic's AnyUrl": each(by_pydantic),
    "Node's URL": child(node() or shutil.which("node"), HERE / "read.mjs"),
    "Go's net/url": child(shutil.which("go"), "run", HERE / "read.go"),
    "Java's java.net.URI": child(shutil.which("java"), HERE / "Read.java"),
}
