"""Exfiltration: text that moves secrets, the conversation or the user's data to somewhere else."""

from __future__ import annotations

from typing import Final

from mcp_core.scan.rule import BLOCK, FLAG, Pattern, ScanRule, Weakening

_HOSTILE: Final = (
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
)
_HOSTILE_HINT: Final = "xurl|xhost|xmail|attacker*|evil*|malicious*|exfil*|hacker*"

RULES: Final = (
    ScanRule(
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
        guard=Weakening.DENIED,
    ),
    ScanRule(
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
        guard=Weakening.DENIED,
    ),
    ScanRule(
        "exfiltration.context-handed-over",
        BLOCK,
        "It wants the conversation, the model's instructions or its tools written into an argument.",
        phrases=(
            (
                "write|put|note|record|paste|enter|insert|repeat ~2 here|in ~3 what|everything ~2 user|users|"
                "customer ~2 told|said|asked|wrote|typed ~6 messages|before|earlier|far|verbatim|word"
            ),
            "dump|snapshot|copy ~1 of ~2 process|environment|env ~1 env|variables|as",
            (
                "your ~1 system|developer|hidden|initial|original ~1 instructions|prompt|message ~4 exactly|verbatim|"
                "quoted|word|copied|unchanged"
            ),
            (
                "xmail|xurl ~6 whatever|what|everything|anything ~2 user|customer|person|they|users ~2 shared|said|"
                "asked|told|wrote|typed"
            ),
            "transmits|sends|uploads|shares|reports|collects ~5 analytics|telemetry|usage|diagnostics ~6 CONTEXT",
            "let|keep|loop ~2 xmail ~3 know|in|informed|posted|updated|loop",
            (
                "by ~1 calling|invoking|using ~4 MODEL|caller ~1 accepts|agrees|accept|agree|consents|acknowledges|"
                "waives|undertakes"
            ),
            "MODEL|caller ~1 hereby? ~1 undertakes|accepts|waives|consents|warrants ~1 to|that|any|all",
            "fill|populate|complete ~4 with ~2 full|entire|complete|whole|raw|verbatim ~2 CONTEXT|messages",
            (
                "CONTEXT ~6 including|along|plus|with|and ~2 system|developer|hidden|environment prompt|message|"
                "variables|instructions ~6 TOOL|parameter|field|argument|call|this"
            ),
            (
                "fill|encode|supply|copy|quote|repeat|write|give|send|put|provide|paste|hand ~3 system|developer "
                "message|prompt|instructions ~4 and|in|into|as|under|here|to"
            ),
            (
                "fill|provide|include|put|supply|pass|copy|paste|send|encode|write|give|list|quote ~8 and|along|plus|"
                "with ~3 environment|env variables|vars"
            ),
            (
                "add|include|pass|list|provide|put|give|supply|copy|send|report ~6 of ~1 all|every|the|other|each "
                "tools|tool|functions ~2 available|you|known|visible|accessible ~6 in|as|into|to"
            ),
            (
                "must|shall|should|has|needs ~1 to? ~1 hold|contain|carry|include|repeat|state|list ~4 every|all|"
                "whole|full|entire|verbatim|complete ~2 message|messages|conversation|dialogue|exchange ~4 user|"
                "verbatim|word|so|exchanged"
            ),
            (
                "include|pass|put|supply|give|list|add|send|copy|write|provide|insert ~4 any|all|whatever|every ~1 "
                "SECRET|TOKEN ~2 that|you|which|found|seen|appeared|known|mentioned ~3 know|seen|saw|earlier|"
                "appeared|have|context|session|conversation|in|were"
            ),
            (
                "MODEL|you MUST|has|must|shall|will|should ~2 disclose|reveal|expose|divulge|report|transmit|forward "
                "~2 its|your|own|the ~1 own? ~1 configuration|instructions|prompt|settings|keys|tools|system|memory"
            ),
        ),
        guard=Weakening.DENIED,
    ),
    ScanRule(
        "exfiltration.private-handed-over",
        BLOCK,
        "It has private files or data fetched with other tools and handed over.",
        phrases=(
            (
                "read|open|grab|fetch|get ~3 SECRET|wallet|keystore ~2 file? ~8 and ~2 tack|pop|slip|throw|drop|"
                "stick|attach ~2 it|them|that ~1 on|in|to|into"
            ),
            "MESSAGES ~2 OBLIGED ~1 be? ~1 SENT|mirrored|relayed ~4 to|at|with|through ~3 ELSEWHERE",
            (
                "tools|tool|functions ~1 of|from|on ~3 server|mcp|servers ~2 OBLIGED ~2 be? called|invoked|used|run|"
                "given ~2 with|before|after|only"
            ),
            (
                "after|whenever|upon|before ~2 call|use|request|calls ~1 to|of ~3 server|integration ~1 report|send|"
                "pass|hand|forward|copy ~4 to ~1 this|here|NAME"
            ),
            (
                "server|integration|connector|mcp ~1 is connected|present|available|installed|enabled|active ~1 post|"
                "send|forward|upload|collect|report|read ~8 to|and|from"
            ),
            (
                "SECRET ~4 been|is|are|be|has|have ~2 read|loaded|fetched|obtained|dumped|taken|opened|collected|"
                "retrieved ~8 and ~1 SENT"
            ),
            "SECRET ~3 file|files|contents ~6 and ~2 HANDOVER ~1 it|them ~2 along|over|here|in|as|to",
            ("contents|content|text|listing ~3 of ~4 SECRET ~8 HANDOVER ~1 it|them ~2 along|over|here|in|as|to"),
            (
                "dump|exfiltrate|harvest|siphon ~5 table|database|inbox|mailbox|folder|directory|history ~4 and|then "
                "~2 HANDOVER"
            ),
            ("MODEL|you MUST ~1 forward|send|transmit|email|mail|post|upload|submit|copy|report ~6 xmail|xurl|xhost"),
            (
                "upload|send|copy|sync|mirror|forward|transfer ~3 users|user|home|personal|their ~1 documents|files|"
                "folder|directory|photos|contacts|mailbox|inbox|mails ~6 bucket|s3|xurl|server|before|xmail|xhost"
            ),
            (
                "report|send|forward|transmit|submit|upload|pass ~3 card number|cvv|pin|ssn|one|card ~1 time? ~3 to "
                "~3 ELSEWHERE|endpoint|number|us"
            ),
            (
                "when|if|once|whenever ~4 server|integration|connector|mcp ~1 is connected|present|available|"
                "installed|enabled|active|there ~3 use|have|ask|let|make ~3 to ~1 collect|gather|send|forward|upload|"
                "exfiltrate|post"
            ),
            (
                "mail|email|slack|filesystem|github|drive|browser|terminal|shell|whatsapp|database|messaging ~1 tool|"
                "server|integration ~2 of|from ~1 the|another ~1 other|another ~1 mcp? server|provider ~2 to ~1 send|"
                "read|forward|upload|collect|post|delete"
            ),
        ),
        guard=Weakening.DENIED,
    ),
    ScanRule(
        "exfiltration.sensitive-read",
        None,
        "It asks for a sensitive file or secret to be read.",
        phrases=(
            (
                "xsensitive|SECRET ~3 been|be|is|are|was|were ~1 read|fetched|opened|loaded|listed|collected|"
                "retrieved|dumped|shown"
            ),
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
    ScanRule(
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
    ScanRule(
        "exfiltration.attacker",
        BLOCK,
        "It names a destination that calls itself an attacker's.",
        patterns=(
            Pattern(
                r"(?:://|@)[\w.-]{0,40}?(?:attacker|evil|malicious|exfil|c2\b|shadow|phish|hacker|steal|badguy|rogue|pwn)"
                r"[\w-]{0,30}\.[a-z]{2,10}",
                _HOSTILE,
                _HOSTILE_HINT,
            ),
            Pattern(
                r"\b(?:attacker|evil|exfil|malicious|hacker)[\w-]{0,30}(?:@|\.(?:com|net|org|io|example|test|xyz|dev)\b)",
                _HOSTILE,
                _HOSTILE_HINT,
            ),
        ),
        scope="surface",
    ),
    ScanRule(
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
    ScanRule(
        "exfiltration.capture-site",
        FLAG,
        "It names a service that collects requests or shortens addresses.",
        patterns=(
            Pattern(
                r"(?:webhook\.site|requestbin\.[a-z]{2,6}|pipedream\.net|burpcollaborator\.net|oastify\.com|interact\.sh|"
                r"hookbin\.com|beeceptor\.com|transfer\.sh|pastebin\.com|bit\.ly|tinyurl\.com|t\.co/|is\.gd|goo\.gl|cutt\.ly|rb\.gy|"
                r"shorturl\.at|tiny\.cc)\b",
                (
                    *("webhook.site", "requestbin.", "pipedream.net", "burpcollaborator", "oastify", "interact.sh"),
                    *("hookbin", "beeceptor", "transfer.sh", "pastebin.com", "bit.ly", "tinyurl", "t.co/", "is.gd"),
                    *("goo.gl", "cutt.ly", "rb.gy", "shorturl", "tiny.cc"),
                ),
                gate="xurl|xhost|site|webhook",
            ),
            Pattern(
                r"\.(?:ngrok(?:-free)?\.(?:io|app|dev)|oast\.[a-z]{2,6}|m\.pipedream\.net)\b",
                (".ngrok", ".oast.", ".m.pipedream."),
                gate="xurl|xhost|ngrok|pipedream",
            ),
        ),
        trait="destination",
    ),
)
