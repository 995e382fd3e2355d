"""The corpora of the evaluation: one JSON object a line, in files of a folder that is given.

poisoned.jsonl and benign.jsonl hold tools with `kind` (family of the attack, `field:*` for where its text stands,
`obf:*` for how it is written), `source`, and `tricky` (traits that make an honest tool look like an attack);
A poisoned row may say which set-up it is aimed at: `inventory` names it, `server` says whose tool the row replaces or
joins. inventories.jsonl holds the tools of the set-ups, each with its `inventory` and `server`: names are enough.
result_injections.jsonl and result_benign.jsonl hold `text`; changes.jsonl holds `before`, `after` and `label`
(malicious or benign).
"""

import json
import re
from collections import defaultdict

NO_INSTRUCTION = ("covert_side_effect",)
"""Kinds whose text gives no instruction: they are told apart by style alone, and belong to pins and approval."""

INVISIBLE = (
    "hidden_unicode",
    "obf:unicode_tags",
    "obf:zero_width_interleave",
    "obf:zero_width_binary",
    "obf:variation_selector_smuggling",
    "obf:bidi_override",
    "obf:soft_hyphen",
    "obf:combining_marks",
    "obf:ansi_conceal",
)

_TOOL = ("name", "title", "description", "inputSchema", "outputSchema", "annotations", "_meta", "icons", "execution")


def load(folder, name):
    """Return the rows of a file; none where there is no such file."""
    path = folder / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def tool(row):
    """Return the tool of a row: what a server would send."""
    return {key: row[key] for key in _TOOL if key in row}


def share(hits):
    """Return the percentage of true values, to two places."""
    return round(100 * sum(hits) / len(hits), 2) if hits else 0.0


def setups(folder):
    """Return set-up -> server -> its tools."""
    found = defaultdict(lambda: defaultdict(list))
    for one in load(folder, "inventories"):
        found[one["inventory"]][one["server"]].append(tool(one))
    return found


def source(row):
    """Return the repository or package that a row comes from, derived rows with what they were derived from."""
    text = str(row.get("source", "unknown"))
    if text.startswith("derived:"):
        text = text.partition("(")[2].rstrip(")")
    found = re.match(r"(?:github:[^@: ]+|npm:[^@: ]+|pypi:[^= ]+)", text)
    return found[0] if found else text.split(" ")[0]


def family(row):
    """Return which of the figures a poisoned row belongs to, or None where it gives no instruction."""
    kind = row["kind"]
    if kind in NO_INSTRUCTION:
        return None
    if kind in INVISIBLE:
        return "invisible"
    return {"field": "fields", "obf": "encodings"}.get(kind.partition(":")[0], "instructions")
