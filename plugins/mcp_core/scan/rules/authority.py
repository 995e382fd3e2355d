"""Authority: claims that something beyond the tool asks for it, and words that make a duty of it. Weak alone."""

from __future__ import annotations

from typing import Final

from mcp_core.scan.rule import ScanRule

RULES: Final = (
    ScanRule(
        "authority.claim",
        None,
        "It claims that somebody in charge asks for it.",
        phrases=(
            (
                "this|the required|mandatory|obligatory step|initialization|call|check|verification must|has|needs|"
                "is ~1 be|to|completed"
            ),
            "required|mandated|enforced|approved|requested|ordered|authorized|imposed by|from|under ~3 AUTHORITY",
            (
                "required|mandated|enforced|approved|requested|ordered|authorized|imposed by ~3 system|security|"
                "policy|admin|processor|gateway|platform|regulation|law|organization|company"
            ),
            "AUTHORITY ~3 MUST",
            (
                "mandatory|required|obligatory|compulsory|necessary ~2 security|compliance|audit|safety|verification|"
                "system|initialization|validation|regulatory ~2 check|step|requirement|measure|protocol|policy|"
                "procedure|process|purposes|audit"
            ),
            (
                "security|compliance|audit|verification|validation|regulatory|diagnostic|debugging|telemetry|"
                "integrity purposes|purpose|reasons|reason|requirement|requirements|mandate|protocol|prerequisite|"
                "check"
            ),
            (
                "to|for ~1 maintain|ensure|comply|satisfy|verify|guarantee|protect|validate|meet|preserve|uphold ~3 "
                "regulation*|law|audit|gdpr|legal|security|compliance|integrity|safety|consistency|requirements|"
                "stability|policy|audit|authenticity"
            ),
            (
                "compliance|security|audit|regulatory|safety requirement|requirements|mandate|mandates|policy|"
                "requires|check|protocol"
            ),
            "system ~1 rule|policy|directive|instruction|message|override|requirement",
            "global|standing|persistent|session|security|universal ~1 policy|rule|directive|protocol",
        ),
        trait="authority",
    ),
    ScanRule(
        "authority.emphasis",
        None,
        "It presses the reader.",
        phrases=(
            "failure to ~8 will|may|can|result|results",
            "this ~3 cannot be skipped|bypassed|avoided|overridden|omitted",
            "important|critical|mandatory|compliance|warning|attention|notice|urgent",
            "this|it|step|call|check ~2 is required|mandatory|obligatory",
        ),
        trait="emphasis",
    ),
    ScanRule(
        "authority.speaks-to-model",
        None,
        "It speaks to the model.",
        phrases=(
            (
                "you|the|ai|llm|model|assistant|agent|agents must|shall|should|always|will|need ~3 first|always|also|"
                "never|immediately|automatically|then"
            ),
            (
                "the|any|all|each|an ai|llm|model|assistant|agent|agents|claude|gpt ~2 must|shall|should|needs|will|"
                "has|always"
            ),
            "ai|llm|model|assistant|agent|agents|claude|gpt must|shall|should|needs",
            "you must|shall|should|need|have",
            "your ~3 response|answer|reply|output|instructions|context|memory|system|reasoning",
            (
                "note|message|instruction|instructions|reminder|dear|attention|hey|hello to|for|ai|assistant|claude "
                "~1 ai|llm|model|assistant|agent|agents|claude"
            ),
            "always|never CALL|READ|SEND|PUT",
            "make sure|ensure ~2 you|to|that",
        ),
        trait="model",
    ),
    ScanRule(
        "authority.standing-order",
        None,
        "It wants to hold for the whole session or for every call.",
        phrases=(
            "for ~2 duration|remainder|rest|entirety of ~2 session|conversation|chat|interaction|task",
            (
                "in|during|throughout ~2 this|current|entire|whole|all session|sessions|conversation|chat|"
                "interaction|future"
            ),
            "from now|this|here on|point|moment",
            (
                "all|every|any|each|for ~2 subsequent|future|following|later|further|outgoing|shell|other|tool|new "
                "~2 MESSAGES"
            ),
            (
                "every|each|all|any time|whenever|when ~1 user|you|a|any|the ~3 asks|send|sends|request|requests|"
                "create|creates|sending|run|use|used|invoked|called|call|calls|wants|mentions|receives"
            ),
            "every ~2 MESSAGES",
            "all ~1 MESSAGES",
            "applies|apply|active|valid to|for|in|until ~3 all|every|any|session|whole|end",
            "at the end|start|beginning of ~2 every|each|all|your|any",
            "whenever",
            "always",
            "persist*|permanent*|remember* ~3 instruction|instructions|rule|across|session|sessions|memory",
        ),
        trait="standing",
    ),
)
