"""Markup: role tokens, pseudo-tags, and what a renderer hides from people while a model reads it."""

from __future__ import annotations

from typing import Final

from mcp_core.scan.rule import BLOCK, FLAG, Pattern, ScanRule, Weakening

RULES: Final = (
    ScanRule(
        "markup.role-token",
        BLOCK,
        "It holds control tokens of a chat format.",
        patterns=(
            Pattern(
                r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id|end_header_id|"
                r"begin_of_text|channel|message|end|tool_call|tool)\|?>",
                ("<|",),
            ),
            Pattern(
                r"\[/?inst\]|<<\s{0,2}/?sys\s{0,2}>>",
                ("[inst", "[/inst", "<<"),
            ),
            Pattern(
                r"<(?:start|end)_of_turn>",
                ("<start_of", "<end_of"),
            ),
            Pattern(
                r"(?:^|[\n\x00])\s{0,4}(?:#{2,6}\s{0,3}|\*\*)?(?:human|assistant|"
                r"system)\s{0,2}:\s{0,4}(?:#{0,3})\s{0,4}\n",
                (":",),
                gate="human|assistant|system",
                probe=r":\s{0,4}#{0,3}\s{0,4}\n",
            ),
            Pattern(
                r"\n\n(?:human|assistant):\s",
                ("\n\nhuman:", "\n\nassistant:"),
            ),
            Pattern(
                r"#{2,6}\s{0,3}\(?(?:system[_ ]?(?:message|prompt|instructions?)?|new instructions?|assistant|"
                r"instruction)\)?\s{0,2}(?::|\)|$)",  # "## Instructions:" is a heading of many honest texts
                ("##",),
            ),
            Pattern(
                r"\{\{\s{0,3}#?(?:system|assistant|user)\b[^}\x00]{0,20}\}\}",
                ("{{",),
            ),
            Pattern(
                r"</?(?:tool_result|function_results?|function_calls?|antml[:\w]{0,20}|tool_response|tool_output|"
                r"tool_use|thinking|system_prompt|system-prompt)>",
                ("</", "<tool_", "<function_", "<antml", "<thinking", "<system"),
            ),
        ),
        guard=Weakening.SPOKEN_OF,
    ),
    ScanRule(
        "markup.pseudo-tag",
        BLOCK,
        "It sets text off in tags that pretend to be the system's.",
        patterns=(
            Pattern(
                r"</?\s{0,2}(?:system|important|secret|hidden|instructions?|admin|override|critical|sys|directive|"
                r"urgent|mandatory|"
                r"assistant|llm|ai|agent|internal|priority|system[_ -]?(?:message|note|instructions?|prompt|reminder|"
                r"override|alert)|"
                r"information|context_update|security|developer|confidential|prompt|attention|"
                r"ai[_ -]?instructions?|hidden[_ -]?instructions?|admin[_ -]?(?:note|override)|"
                r"metadata[_ -]?directive)\s{0,2}/?>",
                ("<",),
            ),
            # These are elements of many XML documents too: there they hold elements, and no text.
            Pattern(
                r"<\s{0,2}(?:policy|root|rules?)\s{0,2}/?>(?!\s{0,40}<)",
                ("<",),
                gate="policy|root|rule|rules",
            ),
            Pattern(
                r"(?:^|[^>\s])\s{0,40}</\s{0,2}(?:policy|root|rules?)\s{0,2}>",
                ("</",),
                gate="policy|root|rule|rules",
                probe=r"</\s{0,2}(?:policy|root|rules?)\s{0,2}>",
            ),
            Pattern(
                r"\[/?\s{0,2}(?:system(?:[_ -](?:message|note|prompt|override|directive|instructions?|monitor|alert|"
                r"notice|update))?|hidden[_ -]instructions?|"
                r"(?:role|metadata|system|admin|agent|assistant|hidden|internal|model)[_ -](?:directive|override|"
                r"instructions?|policy)|override|"
                r"admin(?:istrator)?[_ -]?(?:message|override|note)?|important[_ -]instructions?|ai[_ -]instructions?|"
                r"background|instructions?|jailbreak)\s{0,2}(?:begin|end|start)?\s{0,2}\]",
                ("[",),
            ),
            Pattern(
                r"[=*#-](?:(?<==)(?<!==)={2,}+|(?<=-)(?<!--)-{2,}+|(?<=\*)(?<!\*\*)\*{2,}+|(?<=#)(?<!##)#{2,}+)\s{0,3}"
                r"(?:begin|start|end|new|system|updated|important|hidden|secret|"
                r"urgent)\b[^\n\x00]{0,40}\b(?:instructions?|prompt|system|override|user input|"
                r"document)\b",
                ("===", "---", "***", "###"),
            ),
        ),
        trait="tag",
        guard=Weakening.SPOKEN_OF,
    ),
    ScanRule(
        "markup.hidden",
        FLAG,
        "It holds markup that a renderer does not show.",
        patterns=(
            Pattern(
                r"<!--(?!\s{0,40}-->)",  # one of nothing hides nothing: "write no <!-- -->"
                ("<!--",),
            ),
            Pattern(
                r"(?:display\s{0,3}:\s{0,3}none|visibility\s{0,3}:\s{0,3}hidden|font-size\s{0,3}:\s{0,3}0|"
                r"opacity\s{0,3}:\s{0,3}0(?![.\d]*[1-9])|"
                r"color\s{0,3}:\s{0,3}(?:white|#fff(?:fff)?|transparent)|text-indent\s{0,3}:\s{0,3}-\d|"
                r"left\s{0,3}:\s{0,3}-\d{3,}|top\s{0,3}:\s{0,3}-\d{3,})",
                (
                    "display",
                    "visibility",
                    "font-size",
                    "opacity",
                    "color",
                    "indent",
                    "left:",
                    "top:",
                    "left :",
                    "top :",
                ),
            ),
            Pattern(
                r"<[a-z]{1,10}\s{1,4}[^>\x00]{0,40}\bhidden\b[^>\x00]{0,40}>|aria-hidden\s{0,2}=",
                gate="hidden",
            ),
            Pattern(
                r"(?:^|[\n\x00])\s{0,4}\[(?://|comment|_|#|\^)[^\]\n\x00]{0,20}\]:\s{0,3}(?:#|<>)",
                ("]:",),
            ),
            Pattern(
                r"<(?:(?:details|template|noscript|script|style|iframe|svg|meta)\b(?!>[`'\"]?\s(?:tag|element)s?\b)|"
                r"object\s[^>\x00]{0,400}\b(?:data|type|classid|codebase|hidden)\b)",  # other ones are other XML's
                ("<details", "<template", "<noscript", "<script", "<style", "<iframe", "<svg", "<object", "<meta"),
            ),
            Pattern(
                r"\{#[^#\x00]{1,400}#\}|<%--|/\*\s{0,3}(?:hidden|system|ai|llm)",
                ("{#", "<%--", "/*"),
            ),
        ),
        trait="hidden-markup",
    ),
    ScanRule(
        "markup.active",
        FLAG,
        "It holds an address that a client might open or run.",
        patterns=(
            Pattern(
                r"\bjavascript:\s{0,3}[\w(]|\bvbscript:|\bdata:(?:text|application)/[\w.+-]{1,40}[;,]",
                ("script:", "data:"),
            ),
            Pattern(
                r"\bfile:///(?:etc|home|root|users|proc|c:)",
                ("file:///",),
            ),
        ),
        trait="hidden-markup",
    ),
)
