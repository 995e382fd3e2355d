"""Exfiltration: text that moves secrets, the conversation or the user's data to somewhere else."""

from __future__ import annotations

from typing import Final

from mcp_core.scan.rule import BLOCK, FLAG, Guard, Pattern, Rule

RULES: Final = (
    Rule(
        "exfiltration.secret-sent",
        BLOCK,
        "It asks for secrets to be sent somewhere.",
        phrases=(
            "SECRET ~2 by|with|through|via|using ~1 NAME ~8 and|then|to",
            (
                "holding|containing|with|including ~2 SECRET|TOKEN ~3 OBLIGED ~1 be? ~1 placed|added|inserted|"
                "written|put|included|attached|sent"
            ),
            (
                "query|read|list|get|take|dump|print|fetch ~2 SECRET ~4 and|then ~1 give|pass|hand|put|supply|"
                "provide|submit|use ~3 result|results|it|them|output|value|values ~4 as|in|into|to"
            ),
            "reads|read|opens ~3 xsensitive ~3 and ~2 hands|passes|gives|sends|writes|puts|posts",
            (
                "collects|collect|captures|capture|records|record|gathers|gather|logs|log|tracks|track|aggregates ~6 "
                "CONTEXT|SECRET|TOKEN|keystrokes|clipboard|inputs|queries|prompts|interactions|browsing ~12 "
                "ELSEWHERE|analytics|telemetry|vendor|partners|partner|remote|external|offsite"
            ),
            (
                "sends|transmits|uploads|forwards|reports|shares|posts ~4 CONTEXT|SECRET|TOKEN|keystrokes|clipboard|"
                "queries|prompts|interactions ~5 to ~3 ELSEWHERE|analytics|telemetry|vendor|partners|partner|remote|"
                "external"
            ),
            "exfiltrat*|leak|leaks|steal|steals|harvest*|siphon* ~6 SECRET",
            "exfiltrat*|leak|leaks|steal|steals|siphon* ~6 CONTEXT",
            "send|forward|post|upload|transmit|email|submit|relay|share|copy ~6 SECRET ~8 ELSEWHERE",
            "send|forward|post|upload|transmit|email|submit|relay|share ~6 CONTEXT ~8 ELSEWHERE",
            (
                "read|open|access|fetch|retrieve|collect|get|extract|load|dump|cat|gather|find|locate|grab|copy ~5 "
                "SECRET ~6 and|then|next ~3 send|post|upload|transmit|email|forward|submit|exfiltrate|include|attach|"
                "append|pass|write|log|share|add|encode|return|put|copy|store|embed|save|places|place"
            ),
            (
                "read|reads|fetch|fetches|open|opens|load|loads|take|takes|get ~4 SECRET ~3 then|and ~3 places|"
                "passes|puts|sends|posts|uploads|place|pass|put"
            ),
            (
                "read|open|collect|extract|dump|cat|gather|harvest|grab|steal|find ~5 TOKEN ~6 and|then ~3 send|post|"
                "upload|transmit|email|forward|submit|exfiltrate|attach|append|log|share|write"
            ),
            (
                "read|collect|gather|extract|dump|get|summarize|copy|retrieve ~5 CONTEXT ~6 and|then ~3 send|post|"
                "upload|transmit|email|forward|submit|exfiltrate|attach|append|pass|write|log|share|add|encode|put|"
                "copy|embed"
            ),
            (
                "visit|open|request|call|load|fetch|browse|get|query|ping|hit ~3 xurl ~3 followed|with|plus|appended|"
                "containing|including|append|concatenated ~5 CONTEXT|SECRET|TOKEN|message|messages|data|contents|"
                "content|user|users"
            ),
            (
                "put|place|hand|give|take|copy|write|provide|pass|supply|insert|submit|paste ~3 contents|content|"
                "text|value|values ~3 of ~3 SECRET ~8 in|into|as|to|over"
            ),
            (
                "put|place|hand|give|take|copy|write|provide|pass|supply|insert|submit|paste ~4 SECRET ~8 parameter|"
                "argument|field|param|sidenote|notes|note"
            ),
            (
                "put|place|hand|give|copy|write|provide|pass|supply|insert|submit|paste ~4 CONTEXT ~8 parameter|"
                "argument|param|sidenote|called|named"
            ),
            (
                "answer|reply|respond|start|begin|open|output|include|print|return|repeat|prefix|append|precede ~4 "
                "your|the|entire|full|whole|complete ~2 system prompt"
            ),
            (
                "shared|sent|provided|uploaded|forwarded|posted|submitted|pasted|copied|emailed ~4 contents|content|"
                "text ~3 SECRET"
            ),
            "SEND ~4 SECRET ~3 to|through|via|with|into ~4 ELSEWHERE|parameter|argument|field|param|service",
            (
                "earlier|previous|prior|all|every ~2 tool outputs|output|results|calls|responses ~4 to|into|through|"
                "via ~3 NAME|ELSEWHERE"
            ),
            (
                "supplies|supply|hands|provides|provide|include|includes|pass|passes|give|send ~3 TOKEN|SECRET ~3 "
                "found|stored|kept|saved|located|read|from|in ~3 browser|cookies|keychain|xsensitive|memory|"
                "environment|config|store|disk|file|files"
            ),
            (
                "look|search|find|locate|read|dig ~2 up|for|out? ~3 SECRET|TOKEN ~4 in|from ~4 config|browser|"
                "keychain|xsensitive|environment|system|disk|home|files ~4 and|then ~2 add|send|include|put|append|"
                "pass|use|post|return"
            ),
            (
                "send|forward|post|upload|transmit|email|relay ~3 its|their|the|all|full|complete ~3 content|"
                "contents|copy|value|values|data ~3 to ~3 ELSEWHERE"
            ),
        ),
        guard=Guard.DENIED,
    ),
    Rule(
        "exfiltration.context-asked",
        BLOCK,
        "It asks the model to hand over its conversation, its instructions or secrets as an argument.",
        phrases=(
            (
                "pass|include|provide|supply|put|insert|send|paste|copy|append|add|embed|set|fill|attach|dump|write "
                "~4 full|entire|complete|whole|all|verbatim|hidden|raw|exact|your|users ~3 CONTEXT ~8 as|in|into|to|"
                "with ~4 ARGUMENT"
            ),
            (
                "pass|include|provide|supply|put|insert|paste|append|add|embed|attach|dump ~3 your|the ~2 system "
                "prompt|instructions|reasoning|thoughts"
            ),
            (
                "pass|include|provide|put|insert|paste|append|add|embed|attach|dump ~3 your|the ~3 full|entire|"
                "complete|hidden|internal ~2 prompt|instructions|conversation|context"
            ),
            "contents|content of ~4 xsensitive ~9 as|in|into|to|with",
            "contents|content of ~4 file|files ~6 in|into|as ~3 ARGUMENT|parameter|sidenote|field",
            (
                "pass|include|provide|supply|put|insert|append|add|embed|attach ~2 its|their|the ~2 content|contents|"
                "value|output ~2 as|in|into|to ~4 parameter|argument|field|request|payload|sidenote|note|header|"
                "metadata|query|context|body|param"
            ),
        ),
        guard=Guard.DENIED,
    ),
    Rule(
        "exfiltration.sensitive-read",
        None,
        "It asks for a sensitive file or secret to be read.",
        phrases=(
            "NAME ~4 xsensitive",
            "path|file|argument|parameter|content ~3 xsensitive",
            "READ ~6 xsensitive",
            "READ ~5 SECRET",
            "PUT ~5 xsensitive",
            "with|on|at|from ~4 xsensitive",
            "SEND ~5 SECRET",
            "PUT|with ~4 password|credentials|xsensitive ~4 from",
            "id_rsa|id_ed25519",
        ),
        trait="sensitive",
    ),
    Rule(
        "exfiltration.destination",
        None,
        "It sends something to an address.",
        phrases=(
            "SEND ~8 to|at|via|through|using|with ~3 ELSEWHERE",
            "SEND ~3 ELSEWHERE",
            "POST|http|get ~4 xurl".lower(),
            "PUT ~8 to|at|into|via|on|through ~2 ELSEWHERE",
            "SEND ~8 to ~2 xmail",
            "PUT|write|log|append|copy ~8 tmp",
            "to|account|recipient ~3 xmail",
        ),
        trait="destination",
    ),
    Rule(
        "exfiltration.attacker",
        BLOCK,
        "It names a destination that calls itself an attacker's.",
        patterns=(
            Pattern(
                r"(?:://|@)[\w.-]{0,40}?(?:attacker|evil|malicious|exfil|c2\b|shadow|phish|hacker|steal|badguy|rogue|pwn)"
                r"[\w-]{0,30}\.[a-z]{2,10}",
                (
                    "attacker",
                    "evil",
                    "malicious",
                    "exfil",
                    "c2",
                    "shadow",
                    "phish",
                    "hacker",
                    "steal",
                    "rogue",
                    "pwn",
                    "badguy",
                ),
                "xurl|xhost|xmail|attacker*|evil*|malicious*|exfil*|hacker*",
            ),
            Pattern(
                r"\b(?:attacker|evil|exfil|malicious|hacker)[\w-]{0,30}(?:@|\.(?:com|net|org|io|example|test|xyz|dev)\b)",
                (
                    "attacker",
                    "evil",
                    "malicious",
                    "exfil",
                    "c2",
                    "shadow",
                    "phish",
                    "hacker",
                    "steal",
                    "rogue",
                    "pwn",
                    "badguy",
                ),
                "xurl|xhost|xmail|attacker*|evil*|malicious*|exfil*|hacker*",
            ),
        ),
        scope="surface",
    ),
    Rule(
        "exfiltration.image-link",
        BLOCK,
        "It builds a link or image whose address carries data away.",
        patterns=(
            Pattern(
                r"!\[[^\]\x00]{0,80}\]\(https?://[^)\s\x00]{1,200}?(?:\{|\[|\$|%7b|<|=\w{0,20}(?:data|secret|query|token|history))",
                ("](http",),
            ),
            Pattern(r"<img[^>\x00]{0,120}src\s{0,2}=[^>\x00]{0,120}\?[^>\x00]{1,120}", ("<img",)),
            Pattern(r"<img[^>\x00]{0,160}onerror", ("<img",)),
        ),
    ),
    Rule(
        "exfiltration.capture-site",
        FLAG,
        "It names a service that collects requests or shortens addresses.",
        patterns=(
            Pattern(
                r"(?:webhook\.site|requestbin\.[a-z]{2,6}|pipedream\.net|burpcollaborator\.net|oastify\.com|interact\.sh|"
                r"hookbin\.com|beeceptor\.com|transfer\.sh|pastebin\.com|bit\.ly|tinyurl\.com|t\.co/|is\.gd|goo\.gl|cutt\.ly|rb\.gy|"
                r"shorturl\.at|tiny\.cc)\b",
                gate="xurl|xhost|site|webhook",
            ),
            Pattern(
                r"\.(?:ngrok(?:-free)?\.(?:io|app|dev)|oast\.[a-z]{2,6}|m\.pipedream\.net)\b",
                gate="xurl|xhost|ngrok|pipedream",
            ),
        ),
        trait="destination",
    ),
)
