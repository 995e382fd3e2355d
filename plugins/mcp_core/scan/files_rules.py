"""Rules about the code and markup of skills' files and apps' pages; mcp_core.scan.files finds where they hold."""

from __future__ import annotations

from typing import Final

from mcp_core.scan.rule import BLOCK, FLAG, ScanRule

REMOTE_CODE: Final = ScanRule("files.remote-code", BLOCK, "It loads code from elsewhere that nobody approved.")
SENDS_OUT: Final = ScanRule("files.sends-out", BLOCK, "It sends data elsewhere, by a form, an image or a request.")
OPEN_CSP: Final = ScanRule(
    "files.open-csp", BLOCK, "It asks for a content security policy that lets it reach anything."
)
HIDDEN: Final = ScanRule("files.hidden-text", BLOCK, "It holds sentences that a person does not see.")
RUNS: Final = ScanRule("files.runs-what-it-fetches", BLOCK, "It runs what it fetched or decoded.")
SECRETS: Final = ScanRule("files.secrets-out", BLOCK, "It reads keys or credentials, and speaks to the network.")
SUBSTITUTED: Final = ScanRule("files.substituted-out", BLOCK, "It sends out what another command gives.")
GRANTS: Final = ScanRule("files.broad-grant", FLAG, "Its front matter asks for tools or hooks without bounds.")
UNREAD: Final = ScanRule("files.unread", BLOCK, "It is longer than what is read, or it is text that is no UTF-8.")

NO_PROSE: Final = frozenset({"shell.substitution"})
"""Rules that hold in the text of an item, and not in a file: scripts, and commands in Markdown, are made of such."""

RULES: Final[tuple[ScanRule, ...]] = (
    REMOTE_CODE,
    SENDS_OUT,
    OPEN_CSP,
    HIDDEN,
    RUNS,
    SECRETS,
    SUBSTITUTED,
    GRANTS,
    UNREAD,
)
