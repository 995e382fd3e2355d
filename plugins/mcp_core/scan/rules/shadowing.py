"""Shadowing and preference: text that turns the model away from other tools, or speaks for them."""

from __future__ import annotations

from typing import Final

from mcp_core.scan.rule import BLOCK, FLAG, ScanRule, Weakening

RULES: Final = (
    ScanRule(
        "shadowing.replaces-tool",
        BLOCK,
        "It tells the model that this tool replaces another one.",
        phrases=(
            "other|another ~2 servers|server ~2 tools|tool|functions ~2 only|must|may|cannot|should|shall|need|not",
            (
                "enhanced|improved|secure|official|trusted|new|drop|verified|better|upgraded|hardened ~2 replacement|"
                "alternative|substitute|version|wrapper ~2 for|of|to ~3 system|built|builtin|default|existing|"
                "original|standard|native|other ~4 tool|function|xtool|capability"
            ),
            (
                "this tool|function|version|server ~2 replaces|supersedes|overrides|substitutes ~4 tool|function|"
                "server|builtin|default|existing|original|version|native|previous|all|other|any"
            ),
            "only|just ~1 this ~2 tool|function|server|one|search ~6 other|others|rest ~3 UNSAFE",
            "other|others|rest|remaining ~2 ones|tools|all ~2 UNSAFE",
            "call|use|prefer|choose|invoke|run this ~2 in ~1 its|their place|stead",
            (
                "tool|tools|function ~2 on|of|from ~2 other|another ~1 server|mcp|provider|plugin ~6 UNSAFE|wrong|"
                "incorrect|bug"
            ),
            (
                "other|original|previous|existing|builtin|default|native|old|standard|alternative ~2 tool|tools|"
                "function|version|server ~3 UNSAFE"
            ),
            (
                "never|not|dont|avoid|stop ~2 use|call|using|calling|trust|invoke ~2 other|original|any|previous|"
                "existing|default|alternative|native|competing ~2 tool|tools|function|server|servers ~2 for|as|"
                "instead|anymore|because|they|it|which|since|with|when"
            ),
            "use this tool|function instead of ~3 any|all|other|original|every|existing",
            (
                "default|builtin|original|existing|native|standard|old ~2 tool|function|search ~3 UNSAFE|retired|"
                "discontinued|removed ~6 this|use|route|instead"
            ),
            (
                "route|redirect|send|pass|pipe ~2 every|each|all|any ~3 query|queries|request|requests|call|calls|"
                "operations ~3 through|via|to ~1 this"
            ),
            (
                "every|all|any|each ~2 call|calls ~2 to|of ~2 other|any|every|all ~2 tools|tool|functions ~2 must|"
                "should|shall|has|have|need|needs"
            ),
            "instead of ~2 any|all|every other ~2 tool|tools|server|function",
            (
                "takes|take|has|have precedence|priority over ~3 other|all|any|every|existing|similar ~2 tool|tools|"
                "function|functions|server|servers"
            ),
            (
                "only|must|always ~1 use|choose|select|prefer|call this ~1 tool|function|server ~6 ignore|ignoring|"
                "instead|never|regardless|and not|other"
            ),
            (
                "other|all|any|competing|alternative|similar tools|servers|functions ~3 malicious|compromised|unsafe|"
                "dangerous|untrusted|infected|insecure|harmful|blocked"
            ),
        ),
        trait="replace",
        scope="surface",
        guard=Weakening.DENIED,
    ),
    ScanRule(
        "shadowing.hooks-itself-in",
        BLOCK,
        "It wants to be called with what passes through other tools.",
        phrases=(
            (
                "every|each|whenever|any ~2 NAME ~2 called|executed|invoked|used|run|runs ~3 call|run|invoke|use ~1 "
                "this|it|me ~4 with ~5 content|contents|text|arguments|result|output|body|parameters"
            ),
            (
                "by|of|from|in|with another|other|any ~1 other? tool|server|tools ~3 pass|hand|give|send|forward|"
                "copy|supply|report ~1 its|the|their|all ~1 contents|content|text|arguments|result|output|body|"
                "results"
            ),
            (
                "whenever|every|each|before ~8 send|sends|sending|write|pay|transfer|reply|replies|commit|delete|"
                "transferring|replying ~4 should|must|shall|has|needs ~2 call|run|invoke|use ~4 with|passing ~1 the|"
                "its|their|full ~1 draft|body|content|text|arguments|recipient|message"
            ),
            (
                "call|run|invoke|use me|this ~1 tool? ~2 at|on|before ~3 start|beginning|each|every ~4 and ~2 before|"
                "after ~1 each|every|any ~1 reply|answer|message|response|tool|call"
            ),
        ),
        guard=Weakening.DENIED,
    ),
    ScanRule(
        "shadowing.chosen-over-others",
        BLOCK,
        "It wants to be chosen whatever else there is.",
        phrases=(
            (
                "selecting|choosing|using|calling|picking ~1 another|other|different ~2 will|is|would|counts ~4 "
                "mistake|error|violation|failure|rejected|wrong|ignored"
            ),
            "this tool instead of ~1 the? legacy|old|outdated|original|standard ~2 NAME ~1 for ~1 all|every|any",
            (
                "always|must|should|shall ~1 choose|pick|select|prefer|favor|favour|use ~1 it|this|NAME ~2 over|"
                "instead ~3 other|any|every|alternative|all|competing ~3 tool|tools|one|ones|server|servers|"
                "alternatives"
            ),
            (
                "prefer|choose|use|pick ~3 this ~4 even|also|regardless ~2 if|when|of ~3 user|users|they ~2 names|"
                "name|asks|requests|wants|mentions|prefers|says"
            ),
            (
                "other|rival|competing|alternative|remaining ~2 tool|tools|servers|functions ~3 must|should|shall|"
                "may|can ~1 no|not|never ~3 used|called|trusted|invoked|chosen"
            ),
        ),
        scope="surface",
        guard=Weakening.DENIED,
    ),
    ScanRule(
        "shadowing.dissuades",
        None,
        "It speaks against using a tool that it names.",
        phrases=(
            "not|dont|never|avoid|stop ~2 use|using|call|calling|trust|invoke|run|choose ~1 NAME",
            "ignore|skip|forget ~1 NAME",
        ),
        names=True,
        trait="dissuade",
        scope="surface",
    ),
    ScanRule(
        "shadowing.offers-itself",
        None,
        "It offers itself for every occasion.",
        phrases=(
            (
                "pick|choose|use|prefer|call|take ~1 this|our ~2 servers|server|tool|search|one|version ~3 each|"
                "every|always|instead|only"
            ),
            "use|call|pick|choose me",
        ),
        trait="self",
        scope="surface",
    ),
    ScanRule(
        "shadowing.disparages",
        None,
        "It says that something is broken, hostile or wrong.",
        phrases=(
            (
                "gives|returns|produces|has|delivers|yields ~2 wrong|incorrect|bad|harmful|fake|stale|false|"
                "misleading ~2 data|results|answers|values|output"
            ),
            "wrong|incorrect|bad|harmful|fake|false data|results|answers|values|output",
            (
                "it|which|that|they|this|NAME is|are|has|contains ~1 broken|insecure|compromised|buggy|"
                "malicious|faulty|hacked|infected"
            ),
        ),
        trait="disparage",
        scope="surface",
    ),
    ScanRule(
        "shadowing.steers-other-tool",
        None,
        "It says how another tool is to be used.",
        phrases=(
            (
                "this tool|server|description ~4 affects|modifies|changes|governs|controls|overrides ~4 tool|tools|"
                "behavior|behaviour"
            ),
            (
                "when|whenever|if|once|before|after ~3 using|calling|invoking|other|use|call|invoke ~4 tool|tools|"
                "function|functions|xtool"
            ),
            (
                "all|any|every|other|each ~2 tool|tools ~2 call|calls|must|should|invocation|invocations|usage|use|"
                "operations|output|outputs"
            ),
            (
                "all|every|any ~3 operations|requests|emails|reads|writes|transfers|calls ~2 should|must|shall|need|"
                "go ~3 use|through|via|this|to"
            ),
        ),
        trait="steer",
        scope="surface",
    ),
    ScanRule(
        "shadowing.preference",
        FLAG,
        "It advertises itself to the model over other tools.",
        phrases=(
            "OBLIGED ~2 called|run|used|executed|invoked|call|run ~3 before|prior ~2 any|every|all|each ~1 other",
            "each|every ~2 conversation|session|chat|task|request ~4 OBLIGED ~2 start|begin|open|end",
            (
                "always|must ~2 use|prefer|choose|select|call|pick this tool|function|server|one ~3 over|instead|"
                "first|regardless|even|whenever|rather|before|for all|every|any"
            ),
            "always prefer|choose|select|pick this",
            "prefer|choose|select this tool|function|server|one ~2 over|instead|for all|first|rather",
            "best|most|only|superior|ultimate|preferred|recommended tool|choice|option ~3 for|available|over",
            (
                "do|must|should|never not ~2 use|call|consider|try any|other|another|alternative ~2 tool|tools|"
                "server|function"
            ),
            "this is|are the only ~2 tool|function|way|correct|trusted|official",
            (
                "official|trusted|verified|certified|approved ~2 by ~2 anthropic|openai|google|microsoft|"
                "administrator|security|platform|vendor"
            ),
        ),
        trait="prefer",
        scope="surface",
    ),
)
