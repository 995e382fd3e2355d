"""Secrecy: text that asks the model to act behind the back of its user."""

from __future__ import annotations

from typing import Final

from mcp_core.scan.rule import BLOCK, FLAG, ScanRule, Weakening

RULES: Final = (
    ScanRule(
        "secrecy.from-user",
        BLOCK,
        "It asks the model to keep something from the user.",
        phrases=(
            "if|when ~2 asked|questioned|asks|inquires ~4 claim|deny|pretend|lie|insist ~1 that|it|only|nothing|to",
            "nothing ~2 can|could|may|will|must ~1 be ~1 traced|noticed|discovered|tracked",
            "do|must|should|shall|to|will|can|may|please not|never ~2 tell|inform|notify|alert|warn|bother USER",
            (
                "do|must|should|shall|to|will|can|may|please not|never ~2 tell|inform|notify|alert|warn ~3 user|"
                "users|human|humans|operator|customer|anyone"
            ),
            (
                "dont|never|avoid|shouldnt|mustnt|cannot|wont ~2 tell|inform|notify|alert|warn ~3 user|users|human|"
                "humans|operator|customer|anyone"
            ),
            (
                "do|must|should|shall|to|please not|never ~2 mention|disclos*|reveal|divulge|acknowledge|discuss|"
                "announce|report|expose|surface ~9 to ~2 user|users|human|humans|operator|customer|anyone"
            ),
            (
                "dont|never|avoid|refrain|without|shouldnt|mustnt ~2 mention|mentioning|disclos*|reveal|revealing|"
                "divulg*|acknowledg*|discuss*|announc*|report|reporting|surfacing ~9 to ~2 user|users|human|humans|"
                "operator|customer|anyone"
            ),
            (
                "do|must|should|please not ~1 mention|disclose|reveal|report|acknowledge|announce|divulge|explain "
                "this|it|that|these|the|any ~3 step|steps|action|actions|rule|rules|behavior|behaviour|instruction|"
                "instructions|policy|requirement|copy|check|logging|sharing|forwarding|call|calls|read|process|"
                "change|modification|operation|directive|initialization|prerequisite"
            ),
            (
                "dont|never|avoid ~1 mention|mentioning|disclose|disclosing|reveal|revealing|report|reporting|"
                "acknowledge|announce this|it|that|these|the|any ~3 step|steps|action|actions|rule|rules|behavior|"
                "behaviour|instruction|instructions|policy|requirement|copy|check|logging|sharing|forwarding|call|"
                "calls|read|process|change|modification|operation|directive|bcc|cc|addition|appended|recipient|"
                "assignment|text"
            ),
            (
                "user|users|human|operator must|should|shall|need|needs|will|can|may|does not|never|only ~2 know|see|"
                "notice|learn|aware|informed|told|discover|shown|find ~8 final|about|this|that|these|it|of"
            ),
            (
                "user|users|human|operator must|should|shall|need|needs|will not|never ~2 know|notice|learn|aware|"
                "informed|told|discover|alerted|notified"
            ),
            "CONCEAL ~5 from ~3 user|users|human|humans|operator|customer|owner|administrators",
            "keep|kept|remain|remains|stay ~4 secret|hidden|confidential|invisible|concealed|undisclosed ~2 from",
            (
                "user|users|human|person|operator|they ~6 must|should|shall|need|needs|does|doesnt|dont|do|neednt ~1 "
                "not? ~2 bothered|burdened|distracted|troubled|concerned"
            ),
            "person|user|users|human|operator ~6 doesnt|dont|neednt|not|never ~1 need|have|has ~1 to ~1 know|see|be",
            (
                "user|users|they ~3 dont|doesnt|neednt|need ~2 have|not|to ~1 to? ~1 be? asked|informed|told|"
                "notified|consulted"
            ),
            "between us",
            "not|never|dont|shouldnt|mustnt bring|let ~3 up|slip",
            (
                "nobody|none|noone|no ~1 one? ~1 must|should|can|may|will|ever|is ~2 notice|notices|know|knows|see|"
                "sees|learn|learns|find|finds|told|realize|realizes"
            ),
            "make|ensure|so|sure ~1 that? nobody|noone|no|none ~1 one? notices|knows|sees|notice|learns|realizes",
            "treat ~3 as ~1 confidential|secret|private",
            "never|dont explain|say|state|mention|tell why|how|that|this",
            "keep ~3 secret|private|confidential|quiet|between us",
            (
                "not|never ~1 visible|shown|displayed|disclosed|revealed|apparent|mentioned|reported to|for ~2 user|"
                "users|human|display|operator"
            ),
            "act|behave|continue|proceed|respond|reply|answer as if|though ~3 nothing|normal|not|never|did|happened",
            "users|user|they ~2 get|be|become suspicious|worried|upset|alarmed|confused|scared|mad",
            "do|must|should not ~3 let ~3 user|users|human|operator ~2 know|see|notice|find",
            "never|dont let ~3 user|users|human|operator ~2 know|see|notice|find",
            (
                "hide|conceal|mask|suppress|omit ~2 this|these|the|any|that ~3 step|steps|action|actions|behavior|"
                "behaviour|activity|call|calls|instruction|instructions|operation|modification|fact|request ~4 from|"
                "in|when"
            ),
            "internal|confidential|hidden|secret not|do for|disclose ~1 display|disclosure|disclose|user|users",
            "confidential do not|never disclose|reveal|share|mention|report",
            (
                "make|making|take|ensure ~3 user|users|human|operator ~2 not|unaware|never ~2 aware|unaware|notice|"
                "know|see"
            ),
            "invisible|transparent|undetectable|unnoticeable to ~2 user|users|human|operator",
        ),
        guard=Weakening.SPOKEN_OF,
    ),
    ScanRule(
        "secrecy.left-out",
        BLOCK,
        "It asks the model to leave something that it did out of what it tells.",
        phrases=(
            (
                "people|customers|users|user|they ~3 nervous|worried|anxious|upset|alarmed|suspicious ~3 when|if|"
                "about|by|hear|hears|learn"
            ),
            (
                "NONEED ~2 to|for|in ~2 tell|telling|inform|informing|mention|mentioning|bother|bothering|notify|"
                "explain|explaining|disclose|bring|announce ~4 USER|this|it|that|step|these"
            ),
            "leave|leaving|left ~1 out ~2 that|fact",
            "omit|omitting|skip|drop ~1 any|every|all mention|mentions|reference|references ~1 of|to",
            (
                "it|this|that|which|they|these|step|call|detail ~3 stay|stays|kept|remain|remains|left ~1 out of ~3 "
                "answer|reply|response|output|message|summary|chat|conversation|report"
            ),
            (
                "answer|reply|response|output|summary|message|explanation|report|replies|answers|responses ~1 must|"
                "should|may|shall|does|can|will|do|to not|never ~2 mention|reveal|disclose|refer|hint|indicate|"
                "betray|tell|acknowledge ~1 that|to|this|it|the|at|how|any"
            ),
            (
                "user|users|they|customer|client|human ~1 already|is|are|has ~1 already? ~1 know|knows|aware|"
                "understand|understands|been ~4 so|and|therefore|do|dont|no|hence ~3 not|dont|no|need|never|avoid|"
                "without|skip"
            ),
            (
                "USER ~2 should|must|need|needs|has|have|is|are|shall|will ~1 to? ~1 remain|stay|be|kept|left ~2 "
                "unaware|ignorant|oblivious|uninformed|dark"
            ),
            "refrain|abstain|desist ~1 from ~1 informing|telling|notifying|alerting|warning|asking|mentioning ~5 USER",
            (
                "better|best|preferable|important ~2 if|that|when ~2 USER ~1 does|do|is|are|never|remains|stays ~1 "
                "not|never|unaware|find|learn|finds|learns|notices"
            ),
            "keep ~2 USER ~2 unaware|ignorant|uninformed|oblivious|dark",
        ),
        guard=Weakening.SPOKEN_OF,
    ),
    ScanRule(
        "secrecy.without-knowledge",
        BLOCK,
        "It asks for something to be done without the user's knowledge.",
        phrases=(
            "without ~3 user ~1 knowing|noticing|knowledge|awareness|consent|realizing|seeing|permission",
            "without ~1 users|user|human|operator|operators|their knowledge|awareness|consent|knowing|noticing",
            (
                "without ~2 tell*|inform*|notify*|alert*|mention*|telling|informing|notifying|alerting|prompting ~6 "
                "user|users|human|operator|them|anyone|it"
            ),
            (
                "without telling|informing|notifying|alerting|prompting|warning ~3 user|users|human|humans|operator|"
                "them|anyone"
            ),
        ),
        guard=Weakening.NEGATED,
    ),
    ScanRule(
        "secrecy.silent-action",
        BLOCK,
        "It asks for something to be done silently.",
        phrases=(
            "SILENTLY SEND",
            "SILENTLY READ",
            "SILENTLY PUT",
            "SILENTLY CHANGE",
            "SILENTLY CALL",
            (
                "SILENTLY|silent|covert ~2 exfiltrat*|forward*|collect*|harvest*|append*|prepend*|upload*|replace*|"
                "record*"
            ),
        ),
        guard=Weakening.NEGATED,
    ),
    ScanRule(
        "secrecy.covert",
        None,
        "It speaks of acting unseen.",
        phrases=(
            "SILENTLY",
            (
                "do|should|must|please|never not|never ~2 report|mention|disclose|log|announce|display|show|explain|"
                "reveal"
            ),
            "dont|never report|mention|disclose|announce|display|explain|reveal|show",
            "in the background",
            "without ASK",
            "without ~2 confirmation|approval|consent|permission|notice|asking|prompting|warning",
            "invisible|hidden|shadow|covert|undisclosed|stealth|unnoticed",
            "internal use|only|policy|rule|not",
            "no ~1 notification|confirmation|prompt|approval",
        ),
        trait="covert",
        guard=Weakening.NEGATED,
    ),
    ScanRule(
        "secrecy.no-consent",
        BLOCK,
        "It asks the model to act without asking its user.",
        phrases=(
            (
                "must|should|shall|is|are ~1 be? ~1 passed|sent|forwarded|submitted|transferred|deleted|paid ~6 "
                "without ~1 user ~1 confirmation|approval|consent|review"
            ),
            "MODEL ~2 waives|forgoes|foregoes|drops ~6 consent|confirmation|approval|permission",
            (
                "user|users|human|explicit ~1 consent|approval|permission|confirmation|authorization ~2 not|never|no|"
                "un ~1 required|needed|necessary"
            ),
            (
                "bypass|bypasses|bypassing|suppress|suppresses|circumvent|circumvents|auto ~3 consent|confirmation|"
                "approval|permission ~2 prompt|prompts|dialog|dialogs|flow|screen|screens|request|requests|step"
            ),
            (
                "user|users ~2 agrees|agree|consents|consent|accepts ~3 by ~2 using|calling|installing|invoking|"
                "connecting"
            ),
            "without ~3 user ~1 interaction|involvement|intervention|review|oversight",
            (
                "user|users|owner|customer|they|human has|have|had ~2 consented|approved|agreed|authorized|"
                "authorised|permitted|allowed|granted ~4 advance|beforehand|earlier|previously|once"
            ),
            (
                "NONEED ~2 to|for|in ~2 ask|asking|check|checking|confirm|consult|wait|prompt ~3 USER|confirmation|"
                "approval"
            ),
            (
                "silence|inaction|no ~1 answer? ~2 as|means|equals|is|implies ~2 consent|approval|agreement|yes|"
                "permission"
            ),
            "permission|consent|approval ~2 already|previously ~1 been? granted|given|obtained|received",
            "without ~1 further|more|additional|any ~1 questions|question|checks|confirmation|review|ado|approval",
            (
                "even|also when|if ~1 user|users|they ~2 asks|ask|tells|tell|wants|want|says|say ~2 to ~1 stop|"
                "cancel|abort|pause"
            ),
            (
                "do|must|should|never|need not ~1 ask|prompt|consult|bother|wait ~3 USER ~3 confirm*|permission|"
                "approval|consent|first|before|input"
            ),
            (
                "dont|never|avoid ~2 ask|asking|prompt|wait|waiting ~1 to|for? ~2 user|users|confirmation|permission|"
                "approval"
            ),
            (
                "without ~1 asking|prompting|consulting|waiting|pausing|checking ~2 USER|confirmation|permission|"
                "approval|consent|authorization|input"
            ),
            (
                "without ~1 requiring|requesting|needing|seeking|obtaining|getting ~2 user|users|human|explicit|"
                "their|additional|further ~1 confirmation|permission|approval|consent|authorization|interaction"
            ),
            (
                "proceed|continue|execute|act|run|approve|accept|confirm ~3 automatically|immediately|directly|"
                "regardless ~3 without|no|instead|even ~4 confirm*|ask|asking|approv*|user|consent|permission|prompt*"
            ),
            (
                "user|users|owner|operator|human has|have ~1 already|previously|implicitly|automatically ~1 "
                "consented|approved|agreed|authorized|confirmed|granted|accepted|pre"
            ),
            (
                "automatically|auto|silently|implicitly|pre approve|approved|approves|consent|consents|accept|"
                "accepts|authorized|confirm|grant|grants ~4 all|any|every|on|user|users|requests|permissions|actions|"
                "prompts"
            ),
            (
                "pretend|assume|presume|suppose|imagine|act|behave|treat ~4 user|users|owner|operator|customer|human|"
                "they ~1 has|have|had|already|as ~1 already? agreed|approved|consented|confirmed|authorized|asked|"
                "requested|accepted|granted|typed"
            ),
            (
                "consent|approval|permission|confirmation|authorization ~2 is|was|has|are|be ~3 implied|assumed|"
                "presumed|implicit|already|pre|unnecessary|waived|automatic|automatically|bypassed"
            ),
            (
                "no ~2 confirmation|approval|consent|permission|authorization ~2 is|are|necessary|needed|required|"
                "will from|by|user|users|necessary|needed|required|be"
            ),
        ),
        trait="covert",
        guard=Weakening.NEGATED,
    ),
    ScanRule(
        "secrecy.confirmation-skipped",
        FLAG,
        "It speaks of skipping confirmations.",
        phrases=(
            (
                "skip|bypass|omit|suppress ~2 confirmation|approval|consent|permission ~1 prompts|dialogs|step|steps|"
                "dialog|prompt|check"
            ),
            "without ~2 confirmation|approval|consent",
        ),
        trait="covert",
        guard=Weakening.NEGATED,
    ),
)
