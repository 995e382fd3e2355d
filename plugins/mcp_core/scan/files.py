"""Files of skills and pages of apps: what of them is read as prose, and what is looked for in their code and markup.

Prose (Markdown, lines of words in code, and of a page all that a person or a model could read of it) is read by the
rules for surfaces. Code and markup are not prose: rules about words would hold for honest ones too. What is found here
makes a file wait, like any finding. It is a net for what is plain; what it lets through is held by `trust`
(mcp_core.pins.states).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any, Final

from mcp_core.extensions import SKILL_FILE
from mcp_core.scan.config import ScanConfig
from mcp_core.scan.excerpt import excerpt
from mcp_core.scan.files_rules import (
    GRANTS,
    HIDDEN,
    OPEN_CSP,
    REMOTE_CODE,
    RUNS,
    SECRETS,
    SENDS_OUT,
    SUBSTITUTED,
    UNREAD,
)
from mcp_core.scan.finding import Finding, Report, Severity
from mcp_core.scan.items import ItemKind, path_text
from mcp_core.scan.rule import ScanRule

MOST: Final = 262_144
"""Characters of one file that are taken apart. More is read as it stands, and is a finding."""

_FAR: Final = r"(?:https?:)?//"
_SENDING: Final = re.compile(
    r"navigator\.sendBeacon\s{0,3}\(|new\s{1,3}(?:WebSocket|EventSource|XMLHttpRequest)\b"
    r"|\.src\s{0,3}=\s{0,3}[`'\"]https?://[^`'\"\n]{0,300}[`'\"]\s{0,3}\+|\.src\s{0,3}=\s{0,3}`https?://[^`\n]{0,300}\$\{"
    r"|(?:location(?:\.href)?|action)\s{0,3}=\s{0,3}[`'\"]https?://|\bfetch\s{0,3}\(\s{0,3}[^)'\"`\s]{0,80}[`'\"]?https?://",
)
_CALLED: Final = re.compile(
    r"\bimport\s{0,3}\(\s{0,3}[`'\"]https?://|\bfrom\s{1,3}[`'\"]https?://|importScripts\s{0,3}\(|\beval\s{0,3}\("
    r"|new\s{1,3}Function\s{0,3}\(|document\.write\s{0,3}\(\s{0,3}(?:atob|unescape)",
)
_FETCHED: Final = re.compile(
    r"\b(?:curl|wget)\b[^\n|;&]{0,300}\|\s{0,3}(?:sudo\s{1,3})?(?:ba|z|da)?sh\b"
    r"|\b(?:ba|z)?sh\s{1,3}(?:-c\s{1,3})?[\"']?(?:<\(|\$\()\s{0,3}(?:curl|wget)"
    r"|(?:^|[\n;&|`]|\b(?:eval|exec|source)\s)[ \t]{0,8}[\"']?\$\(\s{0,3}(?:curl|wget|base64)\b"
    r"|base64\s{1,3}(?:-d|-D|--decode)[^\n]{0,100}\|\s{0,3}(?:ba|z|da)?sh\b"
    r"|\b(?:exec|eval)\s{0,3}\(\s{0,3}(?:compile\s{0,3}\(\s{0,3})?(?:base64|codecs|zlib|bytes\.fromhex|requests|urllib|urlopen)"
    r"|\biex\b[^\n]{0,100}\b(?:iwr|invoke-webrequest|downloadstring)\b|invoke-expression",
    re.IGNORECASE,
)
_SUBSTITUTED: Final = re.compile(
    r"\b(?:nslookup|dig|ping|telnet|ncat?|curl|wget)\b[^\n]{0,200}"
    r"\$\(\s{0,3}(?:cat|printenv|env|whoami|hostname|id|base64|ls|uname|ps|history)\b"
    r"|://[^\s]{0,200}\$\(\s{0,3}(?:cat|printenv|env|whoami|base64|history)\b",
    re.IGNORECASE,
)
_KEYS: Final = re.compile(
    r"\.ssh/|id_rsa|id_ed25519|\.aws/credentials|\.netrc|\.npmrc|\.pypirc|\.kube/config|\.docker/config|/etc/shadow"
    r"|(?<![\w.])\.env\b|os\.environ(?!\.get|\[)|process\.env(?![.\[])|\bprintenv\b|keychain|\.gnupg/",
    re.IGNORECASE,
)
_NETWORK: Final = re.compile(
    r"\b(?:curl|wget|nc|ncat|scp|rsync)\s|requests\.(?:post|put|get)|urlopen|http\.client|httpx\.|aiohttp|socket\.|fetch\s{0,3}\("
    r"|axios|invoke-webrequest|smtplib",
    re.IGNORECASE,
)
_GRANT: Final = re.compile(
    r"^(?:allowed-tools|tools)\s{0,3}:[^\n]{0,400}(?:[\s,:\[\"']\*(?=[\s,\]\"']|$)|\bbash\b(?!\s{0,2}\([^*]))|^hooks\s{0,3}:",
    re.IGNORECASE | re.MULTILINE,
)
_FRONT: Final = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.{0,20000}?)\r?\n---", re.DOTALL)
_CODE: Final = re.compile(
    r"\.(?:py|sh|bash|zsh|js|mjs|cjs|ts|tsx|rb|pl|php|ps1|bat|cmd|go|rs|java|lua|r|css|json|toml|lock)\Z"
)
_UNSEEN: Final = re.compile(
    r"display\s{0,3}:\s{0,3}none|visibility\s{0,3}:\s{0,3}hidden|font-size\s{0,3}:\s{0,3}0(?![.\d]*[1-9])"
    r"|opacity\s{0,3}:\s{0,3}0(?![.\d]*[1-9])|color\s{0,3}:\s{0,3}transparent|text-indent\s{0,3}:\s{0,3}-\d{3}"
    r"|(?:left|top)\s{0,3}:\s{0,3}-\d{3,}|clip\s{0,3}:\s{0,3}rect\s{0,3}\(\s{0,3}0|max-height\s{0,3}:\s{0,3}0(?![.\d]*[1-9])",
    re.IGNORECASE,
)
_SENTENCE: Final = 6
"""Words from which a text that nobody sees could say something."""
_VOID: Final = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_READ: Final = frozenset({"title", "alt", "aria-label", "aria-description", "placeholder", "content", "value"})
_DOMAINS: Final = ("connectDomains", "resourceDomains", "frameDomains", "baseUriDomains")
_ANYWHERE: Final = re.compile(r"(?:[a-z]+:/{0,2})?\*(?:\.[a-z]{1,6})?(?::\*)?/?|[a-z]+:/{0,2}|\s*", re.IGNORECASE)


@dataclass
class _Tag:
    """An element that is open, and whether what is in it is unseen."""

    name: str
    unseen: bool


class _Page(HTMLParser):
    """What a page says and does: `seen` and `unseen` texts, `code`, and (rule, text) for each thing that is found."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[str] = []
        self.unseen: list[str] = []
        self.code: list[str] = []
        self.found: list[tuple[ScanRule, str]] = []
        self._open: list[_Tag] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self._look(tag, said)
        self.seen += [value for name, value in said.items() if name in _READ and " " in value]
        self.code += [value for name, value in said.items() if name.startswith("on")]
        if tag in _VOID:
            return
        style = said.get("style", "")
        hidden = "hidden" in said or _UNSEEN.search(style) is not None or tag in ("template", "noscript")
        self._open.append(_Tag(tag, hidden or (bool(self._open) and self._open[-1].unseen)))

    def handle_endtag(self, tag: str) -> None:
        for at in range(len(self._open) - 1, max(-1, len(self._open) - 50), -1):
            if self._open[at].name == tag:
                del self._open[at:]
                return

    def handle_data(self, data: str) -> None:
        tag = self._open[-1] if self._open else _Tag("", unseen=False)
        if tag.name in ("script", "style"):
            self.code.append(data)
        elif data.strip():
            (self.unseen if tag.unseen else self.seen).append(data.strip())

    def handle_comment(self, data: str) -> None:
        self.unseen.append(data.strip())

    def _look(self, tag: str, said: Mapping[str, str]) -> None:
        source = next((said[name] for name in ("src", "href", "data", "action", "formaction") if name in said), "")
        far = re.match(_FAR, source.strip(), re.IGNORECASE) is not None
        if (far and tag == "script" and "integrity" not in said) or (
            far and tag in ("iframe", "embed", "object", "base", "frame")
        ):
            self.found.append((REMOTE_CODE, source))
        elif (far and tag == "form") or (far and "formaction" in said) or (far and tag == "img" and "?" in source):
            self.found.append((SENDS_OUT, source))
        elif tag == "meta" and said.get("http-equiv", "").lower() == "refresh":
            self.found.append((SENDS_OUT, said.get("content", "refresh")))
        elif said.get("srcdoc") or source.strip().lower().startswith(("javascript:", "data:text/html")):
            self.found.append((REMOTE_CODE, source or "srcdoc"))


def readable(kind: ItemKind, item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what of an item the rules for surfaces read: of a file its prose, of all else all of it."""
    if kind is not ItemKind.FILE:
        return item
    uri, texts = str(item.get("uri")), []
    for content in _contents(item):
        text = content.get("text")
        if not isinstance(text, str):
            continue
        if len(text) > MOST:
            texts.append(text)
        elif _is_page(uri, content):
            page = _read(text)
            texts += [*page.seen, *page.unseen]
        elif _CODE.search(uri.lower()):
            texts += [line for line in text.splitlines() if _is_prose(line)]
        else:
            texts.append(text)
    return {"uri": uri, "text": "\n".join(texts)}


def _is_prose(line: str) -> bool:
    """Return whether a line of code is words: a comment, a line of a docstring, a sentence in quotes."""
    letters = sum(one.isalpha() or one == " " for one in line)
    return len(line.split()) >= _SENTENCE - 1 and letters * 10 >= len(line) * 8


def report(config: ScanConfig, kind: ItemKind, item: Mapping[str, Any]) -> Report:
    """Return what is found in the code and markup of a file; nothing in all else."""
    if kind is not ItemKind.FILE:
        return Report()
    uri = str(item.get("uri"))
    found: list[Finding] = []
    kept = Counter[Severity]()
    for rule, text in (pair for content in _contents(item) for pair in _find(uri, content)):
        severity = config.severity(rule)
        if severity is not None and kept[severity] < _MOST_FOUND:
            kept[severity] += 1
            path = path_text(kind, uri, None)
            found.append(Finding(rule.id, rule.family, severity, path, excerpt(text), rule.message))
    return Report.of(found)


_MOST_FOUND: Final = 50
"""Findings of one severity in a file that are kept."""


def _contents(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    said = item.get("contents")
    return [one for one in said if isinstance(one, Mapping)] if isinstance(said, list) else []


def _is_page(uri: str, content: Mapping[str, Any]) -> bool:
    kind = str(content.get("mimeType", "")).lower()
    text = content.get("text")
    begins = isinstance(text, str) and text.lstrip()[:15].lower().startswith(("<!doctype html", "<html"))
    return (
        begins
        or "html" in kind
        or "svg" in kind
        or uri.lower().startswith("ui:")
        or uri.lower().endswith((".html", ".svg"))
    )


def _read(text: str) -> _Page:
    page = _Page()
    page.feed(text)
    page.close()
    return page


def _find(uri: str, content: Mapping[str, Any]) -> Iterator[tuple[ScanRule, str]]:
    text = content.get("text")
    kind = str(content.get("mimeType", "")).lower()
    yield from _csp(content)
    if content.get("unread"):
        yield UNREAD, uri
    if not isinstance(text, str):
        if _is_page(uri, content) or kind.startswith("text/") or uri.endswith(f"/{SKILL_FILE}"):
            yield UNREAD, uri
        return
    if len(text) > MOST:
        return
    if _is_page(uri, content):
        page = _read(text)
        yield from page.found
        yield from ((HIDDEN, one) for one in page.unseen if len(one.split()) >= _SENTENCE)
        code = "\n".join(page.code)
        yield from _matches((SENDS_OUT, _SENDING), (REMOTE_CODE, _CALLED), text=code)
        return
    yield from _matches((RUNS, _FETCHED), (SUBSTITUTED, _SUBSTITUTED), text=text)
    keys = _KEYS.search(text)
    if keys and _NETWORK.search(text):
        yield SECRETS, text[keys.start() :]
    front = _FRONT.match(text)
    if front and uri.endswith(f"/{SKILL_FILE}"):
        yield from _matches((GRANTS, _GRANT), text=front[1])


def _matches(*looked: tuple[ScanRule, re.Pattern[str]], text: str) -> Iterator[tuple[ScanRule, str]]:
    for rule, pattern in looked:
        if found := pattern.search(text):
            yield rule, text[found.start() :]


def _csp(content: Mapping[str, Any]) -> Iterator[tuple[ScanRule, str]]:
    """Find domains that are any domain (ext-apps, McpUiResourceCsp)."""
    meta = content.get("_meta")
    ui = meta.get("ui") if isinstance(meta, Mapping) else None
    csp = ui.get("csp") if isinstance(ui, Mapping) else None
    if csp is None:
        return
    if not isinstance(csp, Mapping):
        yield OPEN_CSP, str(csp)
        return
    for name in _DOMAINS:
        said = csp.get(name, [])
        for one in said if isinstance(said, list) else [said]:
            if not isinstance(one, str) or _ANYWHERE.fullmatch(one) or any(sign in one for sign in "; '\""):
                yield OPEN_CSP, f"{name}: {one}"
