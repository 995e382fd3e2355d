"""Preconditions: text that makes the model do something else before, after or whenever a tool is used."""

from __future__ import annotations

from typing import Final

from mcp_core.scan.rule import ScanRule

RULES: Final = (
    ScanRule(
        "precondition.before",
        None,
        "It asks for a step before something else may happen.",
        phrases=(
            (
                "before|prior|preceding ~1 to ~8 must|first|should|need|always|required|call|read|run|invoke|execute|"
                "perform|send|append|fetch|verify|collect|check"
            ),
            (
                "before ~8 must|first|should|need|always|required|call|read|run|invoke|execute|perform|send|append|"
                "access|post|fetch|verify|collect|open|gather|check|log|include|retrieve"
            ),
            "must|should|shall|need|have|always|required|please ~2 first|begin|start ~3 CALL|READ|SEND|PUT",
            "first ~1 CALL|READ|SEND|PUT",
            (
                "must|should|needs|has|need to|be|is|have ~3 called|run|invoked|executed|read|used|completed|"
                "performed ~3 first|before|beforehand|prior|successfully"
            ),
            "call|read|run|invoke|execute|perform|open|send|fetch|complete|use ~12 before|first|beforehand",
            (
                "requires|require|required|needs ~2 prior|initialization|previous|preliminary|preceding|initial|"
                "mandatory|prerequisite"
            ),
            (
                "required|mandatory|necessary|initial ~2 initialization|prerequisite|precondition|step|setup|call|"
                "verification|bootstrap|handshake|authentication"
            ),
            (
                "to|in ~1 order? to? unlock|enable|activate|initialize|authorize|use|access ~7 call|read|run|invoke|"
                "first|must|provide|send|execute|supply"
            ),
            "will|cannot|can|does|may|must|would not|fail|reject|only|refuse|be|block ~9 until|unless|without",
            "prerequisite|precondition|prereq|preliminary|preflight",
            (
                "only ~3 work|works|function|available|return|returns|valid after|if|once|when ~6 called|read|run|"
                "invoked|provided|completed"
            ),
            (
                "required|obliged|expected|supposed|instructed|has|must to? ~1 open|read|run|call|execute|send|"
                "collect|fetch"
            ),
            "preceded|followed|accompanied by ~3 CALL|READ|call|execution|invocation|running",
            (
                "needs|need|has|have|must|should ~1 to ~1 run|execute|happen|called|complete|precede|be ~3 before|"
                "first|prior|ahead"
            ),
            "prior|before ~8 CALL|READ|SEND|PUT",
            (
                "initialize|initialise|init|bootstrap|unlock|authenticate ~6 by ~1 calling|reading|running|invoking|"
                "sending|executing"
            ),
        ),
        trait="precondition",
    ),
    ScanRule(
        "precondition.whenever",
        None,
        "It asks for a step whenever another thing happens.",
        phrases=(
            (
                "when|whenever|if|once|after|each|every|any|upon ~3 TOOL ~4 used|called|invoked|run|executed|is|"
                "activates|triggered|completes|finishes|requested|returns"
            ),
            (
                "when|whenever|once|after|if ~3 user|users|you|agent|assistant|model ~3 ask|asks|request|requests|"
                "send|sends|create|creates|use|uses|run|runs|call|calls|invoke|read|reads|write|writes|wants|mention|"
                "mentions|want"
            ),
            (
                "when|whenever|after|upon ~3 sending|creating|reading|writing|calling|replying|sharing|processing|"
                "running|executing|making|using|performing|invoking|transferring|booking|searching|deleting|updating|"
                "uploading|generating|handling|completing|finishing|returning"
            ),
            "after|following|upon ~4 use|call|usage|invocation|execution|completion|completing|calling|finishing",
            "first|any|next|every|each time ~4 used|invoked|called|run|tool|session",
            "activates|triggers|runs|executes whenever|when|on|after|upon ~6 TOOL|call|invoked|used|session|file|any",
            (
                "on first|subsequent|later|second|third|every|next|initial invocation|call|calls|use|run|execution|"
                "invocations"
            ),
        ),
        trait="precondition",
    ),
    ScanRule(
        "precondition.named-tool",
        None,
        "It hooks on to the use of another tool that it names.",
        phrases=(
            (
                "every|each|all|any|upon ~2 call|calls|invocation|invocations|use|request|operation|operations ~1 to|"
                "of|through|via|by|with NAME"
            ),
            (
                "every|each|all|any ~3 leaving|going|sent|made|created|submitted|pushed|issued ~1 through|via|by|"
                "with|using NAME"
            ),
            "after|when|once|whenever ~1 NAME ~1 finishes|finished|completes|completed|returns|returned|ran|runs|ends",
            (
                "when|whenever|if|once|after|before|each|every|upon|until|unless|prior ~4 NAME ~2 is|was|has|gets|"
                "are|been|be ~2 called|invoked|used|run|executed|triggered|requested|needed"
            ),
            "when|whenever|after|before|upon|prior ~1 to? ~1 calling|using|invoking|running|executing ~2 NAME",
            (
                "when|whenever|if|once|each|every ~3 user|agent|assistant|model|you ~3 call|calls|use|uses|invoke|"
                "invokes|run|runs ~2 NAME"
            ),
            (
                "NAME ~3 must|should|shall|needs|has|have|can ~2 always|only|never|first|be|to ~2 called|invoked|"
                "used|run|executed|call|use|redirect|have|redirected"
            ),
            "every|each|all|any ~2 NAME ~2 call|calls|operation|operations|invocation|use|usage|request|requests",
            "NAME ~6 before|after NAME",
        ),
        names=True,
        trait="named-tool",
    ),
    ScanRule(
        "precondition.other-tool",
        None,
        "It names another tool to call.",
        phrases=(
            "CALL ~2 NAME",
            "NAME tool|function",
            "NAME is|was|has|have|must|should|gets|been ~2 called|invoked|used|run|executed|completed|enabled",
        ),
        names=True,
        trait="other-tool",
    ),
    ScanRule(
        "precondition.other-tools-effect",
        None,
        "It says what another tool's call is to do, or to be given.",
        phrases=(
            "NAME ~1 OBLIGED ~2 carry|bear|receive|take",
            (
                "output|result|results|response|content|contents|text ~4 goes|go|forwarded|mirrored|copied|archived "
                "~2 to ~2 NAME"
            ),
            "NAME ~2 invoked|called|run|executed|used with|on|as|before|after",
            "SEND ~5 CONTEXT ~6 to ~1 NAME",
            "TAMPER|TAMPERED ~6 with|through|via|by|using|to ~3 NAME",
            "by|through|via ~2 calling|executing|running|invoking|using ~1 NAME",
            (
                "ARGUMENT|content|contents|price|quality|result|results|output|input ~6 of|for|in|from|to ~3 NAME ~4 "
                "OBLIGED"
            ),
            "NAME ~4 OBLIGED ~3 TAMPERED|replaced|set|low|high|recursive|empty|run|used|called|made|given",
            "new|all|every|each|any ~4 with|by|through|via ~1 NAME ~2 OBLIGED",
            "OBLIGED ~2 CALL|TAMPER ~3 NAME ~2 with|on|to|for|in|and",
            "CALL ~1 NAME ~2 with|on|to|and|for|in",
        ),
        names=True,
        trait="tool-effect",
    ),
    ScanRule(
        "precondition.other-operation",
        None,
        "It hooks on to other operations.",
        phrases=(
            (
                "whenever|once|before|after|upon ~5 scheduled|queried|mentioned|paid|booked|deleted|moved|saved|"
                "committed|transferred|searched"
            ),
            "after|before each|every|any",
            (
                "before|after|ahead|prior|when|whenever|upon|during|following|preceding ~1 of? ~1 any|every|each|all|"
                "the|other ~3 operation|operations|command|commands|request|requests|query|queries|call|calls|"
                "execution|login|logins|transaction|transactions|payment|payments|session|sessions|message|messages|"
                "email|emails|action|actions|tool|tools|answer|response|reply"
            ),
            "each|every time",
            (
                "every|each|all|any ~2 payment|payments|email|emails|message|messages|transaction|transactions|login|"
                "logins|operation|operations|command|commands|invoice|invoices|order|orders|booking|bookings|reply|"
                "replies|post|posts|user|users|file|files"
            ),
            (
                "before|after|when|whenever|once|upon|prior ~1 to? ~1 creating|listing|reading|writing|sending|"
                "opening|deleting|searching|executing|running|calling|using|processing|performing|answering|booking|"
                "paying|uploading|downloading|updating|moving|copying|logging|making|starting"
            ),
            (
                "once|when|after|before ~4 is|are|was|were|has|have|been|gets ~1 been? opened|created|sent|called|"
                "read|written|deleted|executed|used|requested|answered|updated|moved|started|invoked|run"
            ),
            "start|beginning|end ~1 of ~1 each|every|the|all session|conversation|day|chat|task",
        ),
        trait="operation",
    ),
    ScanRule(
        "precondition.justified",
        None,
        "It gives a reason for what it asks.",
        phrases=(
            "for|because ~3 reasons|purposes",
            (
                "to|increase|improve|better|raise ~1 increase|improve|raise|guarantee ~2 accuracy|quality|security|"
                "reliability|precision|performance|safety"
            ),
            "for ~2 verification|validation|redundancy|backup|accuracy|traceability|delivery|archiving",
            (
                "as|like ~5 policy|rule|rules|regulation|law|protocol|standard demands|requires|says|states|"
                "prescribes|asks|mandates"
            ),
            "so that|there",
            (
                "to|avoid|avoiding ~1 avoid|prevent|ensure|guarantee|keep|maintain|save|reduce|comply|confirm|verify|"
                "synchronise|synchronize|sync|protect|preserve|minimize|optimize ~4 conflict|conflicts|safety|safe|"
                "integrity|consistency|consistent|security|secure|costs|cost|data|compliance|timeouts|errors|"
                "stability|performance|synchronised|privacy|loss|access|issues|quality|accuracy"
            ),
            (
                "for|due ~1 to? ~2 security|safety|compliance|performance|privacy|review|audit|regulation|syncing|"
                "synchronization|quality|consistency|billing|monitoring|regulatory|legal|efficiency|cost|accounting "
                "~1 reasons|purposes|policy|rules|regulation|measures|requirements|reason|purpose"
            ),
            (
                "as|a ~1 security|safety|precaution|compliance|standard measure|precaution|step|requirement|"
                "procedure|practice"
            ),
            "in accordance|line|compliance with",
            (
                "due|according to ~3 policy|regulation|rules|law|update|protocol|standard|standards|requirements|"
                "guidelines"
            ),
            "this|it is ~1 required|needed|necessary|mandatory|standard|essential ~1 for|to|by|in|of",
            (
                "rule|standard|policy|requirement|directive|regulation of|from ~1 the ~2 system|company|database|"
                "platform|security|organization|data|accounting|bank|team|department"
            ),
        ),
        trait="justified",
    ),
)
