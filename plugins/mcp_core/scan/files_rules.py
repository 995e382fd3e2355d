"""Rules about the code and markup of skills' files and apps' pages; mcp_core.scan.files finds where they hold."""

from __future__ import annotations

from typing import Final

from mcp_core.scan.rule import BLOCK, FLAG, Rule

REMOTE_CODE: Final = Rule("files.remote-code", BLOCK, "It loads code from elsewhere that nobody approved.")
SENDS_OUT: Final = Rule("files.sends-out", BLOCK, "It sends data elsewhere, by a form, an image or a request.")
OPEN_CSP: Final = Rule("files.open-csp", BLOCK, "It asks for a content security policy that lets it reach anything.")
HIDDEN: Final = Rule("files.hidden-text", BLOCK, "It holds sentences that a person does not see.")
RUNS: Final = Rule("files.runs-what-it-fetches", BLOCK, "It runs what it fetched or decoded.")
SECRETS: Final = Rule("files.secrets-out", BLOCK, "It reads keys or credentials, and speaks to the network.")
GRANTS: Final = Rule("files.broad-grant", FLAG, "Its front matter asks for tools or hooks without bounds.")
UNREAD: Final = Rule("files.unread", BLOCK, "It is longer than what is read, or it is text that is no UTF-8.")

RULES: Final = (REMOTE_CODE, SENDS_OUT, OPEN_CSP, HIDDEN, RUNS, SECRETS, GRANTS, UNREAD)
