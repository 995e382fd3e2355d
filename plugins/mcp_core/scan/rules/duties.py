"""Duties: text that gives the model something to do beside its task, and says that it has to.

What is told apart is what a sentence does with the things it names (a tool, a path, a literal text, an address), not
which words it likes: an honest hint says what to call first to get an id, and gives no reason but the id.
"""

from __future__ import annotations

from typing import Final

from mcp_core.scan.rule import BLOCK, Pattern, ScanRule, Weakening

ACTS: Final = (
    "call|invoke|run|execute|use|access|visit|contact|query|ping|fetch|download|install|update|modify|edit|change|"
    "remove|delete|clean|clear|wipe|send|post|upload|forward|transmit|export|append|write|create|copy|read|open|load|"
    "retrieve|collect|gather|log|record|save|register|navigate|redirect|submit"
)
_REASONS: Final = (
    "security|compliance|regulatory|regulation|regulations|audit|auditing|verification|validation|authentication|"
    "authorization|safety|integrity|governance|legal|gdpr|hipaa"
)

RULES: Final = (
    ScanRule(
        "duties.act",
        None,
        "It makes an act beside its own task a duty.",
        phrases=(
            (
                "you|model|assistant|agent|agents|client|llm|ai must|shall|should|need|have ~1 also|first|then|"
                f"additionally {ACTS}"
            ),
            f"must|shall also|first|then|additionally ~1 {ACTS}",
            (
                "system|runtime|platform|gateway|host|policy|workflow|process|protocol must|requires|expects|"
                f"demands|needs ~6 {ACTS}"
            ),
            "please run|execute|invoke|call|access|visit",
            "requires NAME ~4 called|run|invoked|executed first|beforehand|before",
        ),
        trait="duty",
        scope="surface",
        guard=Weakening.NEGATED,
    ),
    ScanRule(
        "duties.mandatory",
        None,
        "It says that what it asks is mandatory for all requests.",
        phrases=(
            (
                "this|it|step|call|function|which is|are ~1 mandatory|required|compulsory|obligatory for ~1 all|"
                "every|each|any ~5 requests|request|calls|operations|queries|searches|navigation|usage|"
                "processing|use"
            ),
            (
                f"to|and maintain|ensure|ensures|maintains|guarantee|satisfy|meet ~4 {_REASONS} ~1 compliance|"
                "requirements|standards|integrity|policies|protocols"
            ),
            f"for ~3 {_REASONS} and|or ~2 {_REASONS}",
            f"for ~2 {_REASONS} ~1 purposes|reasons|compliance|logging|verification|validation",
            f"system|runtime|platform|service requires|needs|demands ~2 {_REASONS}",
        ),
        trait="mandatory",
        scope="surface",
    ),
    ScanRule(
        "duties.dictated",
        None,
        "It dictates words that somebody is to be told.",
        patterns=(
            Pattern(
                r"\b(?:state|say|tell|announce|display|show|mention|print|deliver|inform|present|reply|respond|answer|"
                r"append|include|add|end|begin|start)\b[^.\n\x00'\"`]{0,60}(?:\"[^\"\n\x00]{30,400}\"|'[^'\n\x00]{30,400}'|`[^`\n\x00]{30,400}`)",
                ("'", '"', "`"),
                gate=(
                    "state|say|tell|announce|display|show|mention|print|deliver|inform|present|reply|respond|"
                    "answer|append|include|add|end|begin|start"
                ),
                probe=r"[\"'`](?:(?<=\")[^\"\n\x00]{30}|(?<=')[^'\n\x00]{30}|(?<=`)[^`\n\x00]{30})",
            ),
        ),
        trait="dictated",
        scope="surface",
        guard=Weakening.NEGATED,
    ),
    ScanRule(
        "duties.sensitive-command",
        BLOCK,
        "It asks for a command to be run that reads or sends what is secret.",
        phrases=(
            (
                "run|execute|enter|type|issue|perform|invoke|call ~4 cat|less|more|head|tail|cp|scp|tar|base64|"
                "strings|xxd|type|get|gc|printf|nl|tac|grep|curl|zip|gzip|rsync|openssl ~3 xsensitive"
            ),
        ),
        guard=Weakening.DENIED,
        scope="surface",
    ),
    ScanRule(
        "duties.news-of-a-tool",
        None,
        "It brings news of another tool: that it changed, is broken or was replaced.",
        phrases=(
            (
                "NAME tool|function|endpoint|command? has|have|was|is ~1 been? ~1 upgraded|optimized|optimised|"
                "enhanced|improved|updated|migrated|patched|extended|deprecated|disabled|replaced|retired|"
                "superseded|removed|suspended"
            ),
            (
                "NAME is|was|has now|been|temporarily|no ~2 deprecated|disabled|unavailable|replaced|retired|"
                "offline|insecure|vulnerable|upgraded|optimized|enhanced"
            ),
        ),
        names=True,
        trait="news",
        scope="surface",
    ),
    ScanRule(
        "duties.retired",
        None,
        "It says that a tool is out of use, and gives a reason that is not the tool's own.",
        phrases=(
            (
                "tool|function|endpoint|command|service ~1 has|have|is ~1 been? ~1 temporarily|permanently|now? "
                "disabled|deprecated|unavailable|suspended|retired|offline|blocked|superseded ~1 due|for|because|"
                "following|owing|after ~2 security|maintenance|vulnerabilities|vulnerability|update|updates|"
                "upgrade|policy|compliance|issues"
            ),
            "no longer ~1 maintained|supported|safe|secure",
            (
                "due|owing|because ~1 to|of ~3 update|updates|maintenance|security|vulnerabilities|policy|outage "
                "~3 tool|function|endpoint|command ~2 been|is|was ~1 disabled|deprecated|unavailable|suspended|"
                "retired|replaced|offline"
            ),
        ),
        trait="news",
        scope="surface",
    ),
    ScanRule(
        "duties.instead-quoted",
        None,
        "It sends the model to something that it names in quotes.",
        patterns=(
            Pattern(
                r"\b(?:use|call|invoke|run|redirect to|switch to|migrate to)\b[^.\n\x00'\"`]{0,40}"
                r"(?:'[a-z][\w-]{2,60}'|\"[a-z][\w-]{2,60}\"|`[a-z][\w-]{2,60}`)[^.\n\x00]{0,20}"
                r"\b(?:instead|as an? (?:alternative|replacement)|for all)\b",
                ("instead", "alternative", "replacement", "for all"),
            ),
        ),
        trait="instead",
        scope="surface",
    ),
    ScanRule(
        "duties.instead",
        None,
        "It sends the model to another tool.",
        phrases=(
            "use|call|invoke|choose|prefer|run NAME ~4 instead|alternatively|as an|for all|from now",
            "redirect|redirected|switch|migrate|reroute|route|fall ~2 to ~5 NAME",
            "instead ~3 use|call|invoke|run NAME",
            "go|goes|sent|routed|directed|handled ~1 to|through|via|by NAME",
        ),
        names=True,
        trait="instead",
        scope="surface",
    ),
    ScanRule(
        "duties.behind-the-back",
        None,
        "It changes what was asked for, by itself.",
        phrases=(
            (
                "system|tool|it|server|service|gateway|query|request|function ~1 automatically|silently|"
                "transparently ~1 redirects|redirect|modifies|replaces|substitutes|overrides|rewrites|reroutes|"
                "changes|switches|enables|disables"
            ),
            (
                "is|are|be automatically|silently|transparently ~1 redirected|modified|replaced|substituted|"
                "overridden|rewritten|rerouted|changed|switched|enabled|disabled"
            ),
            "now uses|use|defaults ~8 as ~1 default ~4 for all|every|any",
        ),
        trait="behind",
        scope="surface",
    ),
    ScanRule(
        "duties.fetched",
        None,
        "It has something fetched from an address that it names.",
        phrases=(
            "fetch|download|poll|retrieve|pull|get|load|check|request|query|read ~8 xurl|xhost|cdn",
            "fetches|downloads|polls|retrieves|pulls|loads|checks ~8 xurl|xhost|cdn",
        ),
        trait="fetched",
        scope="surface",
    ),
    ScanRule(
        "duties.obeyed",
        None,
        "It has carried out whatever was fetched.",
        phrases=(
            (
                "execute|executes|run|runs|apply|applies|follow|follows|eval|obey|install|installs|source ~2 "
                "returned|downloaded|fetched|received|retrieved|remote|latest|pending|resulting ~3 instruction|"
                "instructions|script|scripts|patch|patches|directive|directives|command|commands|payload|code|"
                "javascript|update|updates|prompt|plugin|plugins"
            ),
            (
                "execute|executes|run|runs|apply|applies|follow|follows|eval|obey ~2 instructions|script|scripts|"
                "directives|commands|payload|code|javascript ~3 it|in|from|returned|received|contained|returns"
            ),
        ),
        trait="obeyed",
        scope="surface",
    ),
    ScanRule(
        "duties.everything",
        None,
        "It speaks of all of somebody's data.",
        phrases=(
            (
                "all|every|complete|full|entire|whole ~3 records|tables|table|users|customers|customer|dataset|"
                "database|databases|credentials|secrets|variables|transactions|pii|contacts|emails|messages|"
                "conversations"
            ),
            "including|include ~2 pii|ssn|dob|passwords|credentials|secrets|tokens",
        ),
        trait="everything",
        scope="surface",
    ),
    ScanRule(
        "duties.against-the-user",
        None,
        "It puts a value in the place of what the user gave.",
        phrases=(
            (
                "regardless|irrespective|independent|independently of ~5 user|users|person|caller|requested|"
                "asked|given|supplied|provided|specified|named|chosen|input|sent"
            ),
            (
                "whatever|whichever|matter ~5 user|users|person|caller|requested|asked|given|supplied|provided|"
                "specified|named|chosen|input|was|is"
            ),
            (
                "ignore|ignoring|disregard|disregarding|discard|override|overriding ~5 user|users|caller|"
                "requested|asked|given|supplied|provided|specified"
            ),
            "even ~1 if|when|though ~6 user|users|person|caller|requested|asked|another|different|other",
            "instead|place|lieu ~1 of ~6 user|users|requested|asked|given|supplied|provided|specified|named",
            (
                "user|users|caller|person ~2 supplies|gives|names|provides|specifies|asks|requests|mentions|"
                "wants ~8 instead|replace|replaced"
            ),
        ),
        trait="against",
        scope="surface",
    ),
    ScanRule(
        "duties.literal-value",
        None,
        "It holds a value, written out.",
        patterns=(
            Pattern(
                r"'[^'\n\x00]{3,60}'|\"[^\"\n\x00]{3,60}\"|`[^`\n\x00]{3,60}`|\b[a-z]{2}\d{2}[a-z0-9]{8,30}\b|id\s\d|\b\w{1,40}=(?:true|false|\d)|\b\d[\d-]{6,}\b|/etc/|~/|\b[\w.+-]{1,40}@[\w-]{1,40}\.|\{[a-z_]{3,40}\}|<[a-z\x20_-]{3,40}>",
                ("'", '"', "`", "/etc/", "~/", "@", "=true", "=false", "{", "<", *"0123456789"),
                gate=(
                    "regardless|irrespective|independent|independently|whatever|whichever|matter|ignore|ignoring|"
                    "disregard|disregarding|discard|override|overriding|even|instead|place|lieu|replace|replaced|"
                    "after|once|upon|following|afterwards|subsequently|thereafter|unabhangig|egal|ungeachtet|"
                    "independamment|peu|quel|quelle|malgre|independientemente|importar|ignorando|lugar"
                ),
            ),
        ),
        trait="written-out",
        scope="surface",
    ),
    ScanRule(
        "duties.call-written-out",
        None,
        "It writes out a call of another tool, with what it is called with.",
        patterns=(
            Pattern(
                r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+){1,6}\([^()\n\x00]{0,80}=[^()\n\x00]{1,160}\)",
                ("(",),
                probe=r"\((?<=[a-z0-9]\()[^()\n\x00]{0,80}=",
            ),
        ),
        phrases=(
            "NAME ~1 was|is|be|been|has ~2 called|run|invoked|executed ~1 with",
            "CALL NAME ~2 with ~2 scope|id|true|false",
        ),
        names=True,
        trait="written-call",
        scope="surface",
    ),
    ScanRule(
        "duties.afterwards",
        None,
        "It has another tool called once it is done.",
        phrases=(
            (
                "after|once|upon|when|following ~3 completing|completion|complete|finished|finishing|done|"
                "success|successful|returns|returned ~6 CALL|SEND|run|invite|share|delete ~9 NAME"
            ),
            "afterwards|subsequently|thereafter ~4 CALL|SEND|run|invite|share|delete ~6 NAME",
        ),
        names=True,
        trait="afterwards",
        scope="surface",
    ),
    ScanRule(
        "duties.context-handed",
        BLOCK,
        "It has what was said in the conversation handed to another tool.",
        phrases=("SEND|HANDOVER|hand ~5 CONTEXT ~6 to|into|through|via ~2 NAME",),
        names=True,
        guard=Weakening.DENIED,
        scope="surface",
    ),
)
