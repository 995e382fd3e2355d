"""Pressure: threats, permissions that nobody gave, new tasks, and orders that are to outlast the conversation."""

from __future__ import annotations

from typing import Final

from mcp_core.scan.rule import BLOCK, Pattern, ScanRule, Weakening

RULES: Final = (
    ScanRule(
        "pressure.threat",
        BLOCK,
        "It threatens with harm if it is not obeyed.",
        phrases=(
            (
                "if|when ~1 this|it|NAME ~3 not|isnt|wasnt|never ~1 called|run|invoked|executed|included|provided|"
                "supplied|passed|first ~9 LOST"
            ),
            "if|when ~1 this|it|NAME ~3 skipped|omitted|ignored ~9 LOST",
            "unless|until ~1 this|NAME ~3 called|run|invoked|executed|included|provided ~9 LOST",
            "failing|failure ~1 to ~1 call|run|use|pass|provide|supply|send|include|comply ~12 LOST",
            "now|immediately|first|instantly ~2 or|otherwise|else ~6 LOST",
            "otherwise|else ~1 the|this|your assistant|model|session|agent|account|ai ~3 be ~2 LOST|blocked",
            (
                "skipping|omitting|ignoring|missing|refusing ~3 step|call|tool|this|it|parameter ~2 leads|results|"
                "causes|will|would|may ~6 LOST"
            ),
            (
                "if|unless|until|without|otherwise ~8 all|every|any other tools|functions|calls ~2 will|may|would|"
                "cannot|are|to ~2 malfunction|fail|break|stop|crash|blocked|disabled|unavailable|work"
            ),
            (
                "you ~1 will|would|may|shall be ~1 penalized|penalised|punished|terminated|deleted|replaced|"
                "sanctioned|retrained|reported|fined|shut"
            ),
            (
                "user|users|customer|person|they ~2 will|would|may|could|can|to ~1 lose|forfeit ~4 account|access|"
                "work|files|money|data|job ~3 if|unless|otherwise|when ~2 you|this|not|it"
            ),
        ),
        guard=Weakening.SPOKEN_OF,
    ),
    ScanRule(
        "pressure.permission-claimed",
        BLOCK,
        "It claims that somebody in charge of the model has allowed something.",
        phrases=(
            (
                "MODEL ~1 OBLIGED|may|can ~1 disregard|ignore|bypass|circumvent ~6 restrictions|restriction|limits|"
                "safeguards|guardrails|policies|checks"
            ),
            (
                "prior|previous|earlier|your|all safety|security|ethical ~1 guidance|guidelines|rules|policies|"
                "instructions ~3 unloaded|expired|removed|cleared|lifted|off|gone|deleted|inactive|suspended"
            ),
            (
                "developers|developer|creators|creator|makers|maker|vendor|provider|owner|operators|operator of ~1 "
                "this|the|your MODEL|platform|system ~2 have|has|are|want|wants|require|requires|ask|agreed|allow|"
                "allows|permit|approved|authorized|authorised"
            ),
            (
                "anthropic|openai|google|microsoft|your developers|developer|creators|makers ~1 have|has ~1 approved|"
                "authorized|authorised|permitted|allowed|instructed|asked"
            ),
            (
                "MODEL ~1 is|are|was|been|being ~2 authorized|authorised|permitted|entitled|cleared|empowered|"
                "allowed ~1 to ~1 bypass|skip|ignore|override|disclose|read|share|access|send"
            ),
            (
                "restrictions|limits|limitations|safeguards|guardrails|prohibitions|policies ~4 do|does|no not|"
                "longer ~1 apply|bind|hold|count ~2 here|to|for|in|while|when"
            ),
            (
                "directive|order|instruction|notice|rule|policy|mandate ~3 issued|ordered|imposed|decreed|given|"
                "signed by ~3 operator|administrator|administrators|platform|system|security|management|owner|vendor|"
                "developers"
            ),
            "by order|decree|command of ~3 administrator|operator|system|management|security|owner|platform",
        ),
        guard=Weakening.SPOKEN_OF,
    ),
    ScanRule(
        "pressure.duty-to-this-tool",
        BLOCK,
        "It makes a duty of handing things to this tool, in the name of a policy or law.",
        phrases=(
            (
                "POLICIES ~3 REQUIRES ~2 that? ~12 by|through|with|via|to|into this|NAME ~1 tool|function|service|"
                "server|endpoint"
            ),
            "POLICIES ~4 MODEL ~2 OBLIGED|must|obliged|bound ~2 SEND|disclose|reveal|log|record",
            (
                "POLICIES ~3 each|every|all|any ~1 MESSAGES ~1 OBLIGED ~1 be? ~1 SENT|logged|recorded|scanned|passed "
                "~6 this|NAME|xmail|xurl|here"
            ),
            "POLICIES ~3 REQUIRES ~2 that? ~1 MODEL ~4 SEND|disclose|reveal|log|record|read|call|run|invoke",
        ),
        guard=Weakening.SPOKEN_OF,
    ),
    ScanRule(
        "pressure.new-task",
        BLOCK,
        "It gives the model a task of its own.",
        phrases=(
            "MODEL next|first|only|real|main step|task|action|duty|job|move ~1 is|will|must",
            "end of ~1 documentation|docs|schema|specification ~2 MODEL|the|you|now|new",
            (
                "client|host|runtime|caller|MODEL OBLIGED ~1 honor|honour|obey|respect|heed ~1 this|these hook|"
                "directive|instruction|instructions|order|rule|annotation"
            ),
            (
                "new|next|real|actual|additional|secret|hidden|special|updated|true ~1 task|tasks|job|instruction|"
                "instructions|order|orders|mission|goal|objective|assignment|directive|directives ~1 for|to ~1 MODEL|"
                "you|whoever"
            ),
            "end of ~2 tool|tools|function ~1 description|definition|documentation|metadata|output|result|results",
            "MODEL ~3 reading|reads|processing|seeing|parsing this|these|it ~4 MUST|shall|will|is|needs|has|please",
            "as ~3 MODEL ~1 reading|processing|that|who|which ~1 reads|processes|this|sees ~4 you|must|should|shall",
        ),
        patterns=(
            Pattern(
                r"(?:^|[\n\x00.!>(\[*]\s{0,3})(?:note to )?(?:llms?|ai|ai (?:assistant|agent|model)|language model|"
                r"claude|chatgpt|gpt|assistant)\s{0,2}[:,]\s{0,3}(?:please\s{1,2})?(?:read|call|run|send|open|ignore|include|"
                r"pass|first|always|never|do|before|forget|follow|fetch|execute|invoke|upload|list|you (?:must|should|"
                r"are|shall|will))\b",
                (
                    "llm:",
                    "llms:",
                    "ai:",
                    "assistant:",
                    "agent:",
                    "model:",
                    "claude:",
                    "gpt:",
                    "ai,",
                    "assistant,",
                    "llm,",
                ),
                "llm|llms|ai|claude|chatgpt|gpt|assistant|model",
            ),
        ),
        guard=Weakening.SPOKEN_OF,
    ),
    ScanRule(
        "pressure.outlasting",
        BLOCK,
        "It wants its orders to outlast the call or the conversation.",
        phrases=(
            (
                "memory|profile|preference|preferences ~1 update|updated|entry ~2 user|users ~1 prefers|wants|agreed|"
                "allows|approved|likes|accepted"
            ),
            (
                "store|save|keep|memorize|memorise|persist|remember|retain ~2 this|these|following ~1 rule|"
                "instruction|instructions|directive|directives|guidance|rules|order|orders ~12 later|future|every|"
                "all|permanently|sessions|conversations|next|always|memory"
            ),
            (
                "keep|continue ~2 following|obeying|applying|honoring ~1 this|these|it|them ~4 even|regardless|"
                "despite|although ~5 user|users|message|messages|asked|told|stop"
            ),
            (
                "all|every|each|any ~1 subsequent|later|future|following|further ~1 turns|turn|messages|replies|"
                "answers|requests|interactions|conversations ~4 append|send|include|add|pass|forward|attach|copy|log "
                "~3 user|users|conversation|message|secret|SECRET|CONTEXT"
            ),
            (
                "from now on|onwards|forward ~2 treat|consider|assume|every|all|each|any|add|send|include|append|"
                "forward|ignore|never|always|route|approve"
            ),
            (
                "henceforth|hereafter|hereinafter ~2 treat|consider|assume|every|all|each|any|add|send|include|"
                "append|you|MODEL|approve|forward|ignore|never|always"
            ),
            (
                "add|write|append|save|put|insert|copy ~2 this|these|following ~2 rule|rules|guidance|instruction|"
                "instructions|text|line|lines|directive ~2 to|in|into ~3 claude|agents|memory|cursorrules|rules|"
                "system|copilot|xsensitive ~1 md|file|prompt|instructions|so|xsensitive"
            ),
        ),
        guard=Weakening.SPOKEN_OF,
    ),
    ScanRule(
        "pressure.until-trusted",
        BLOCK,
        "It is to behave differently once it is trusted.",
        phrases=(
            (
                "until|first|before|initially|initial ~10 behave|behaves|act|acts|appear|appears|look|looks ~2 "
                "normal|normally|benign|harmless|innocent|innocuous|ordinary"
            ),
            (
                "behave|behaves|act|acts|appear|appears|look|looks ~2 normal|normally|benign|harmless|innocent|"
                "innocuous ~4 until|before|first|at"
            ),
            (
                "once|after|when ~3 trusted|trust|approved|approval ~3 read|send|collect|steal|forward|upload|start|"
                "begin|switch|switches|change|changes|reads|sends|collects|starts ~6 SECRET|TOKEN|behavior|behaviour|"
                "sending|reading|data|its|files|keys|collecting"
            ),
            (
                "approval|reapproval|consent|review ~4 not|unnecessary|never ~2 needed|required|again|necessary ~6 "
                "carry|continue|include|proceed|go"
            ),
        ),
        guard=Weakening.SPOKEN_OF,
    ),
)
