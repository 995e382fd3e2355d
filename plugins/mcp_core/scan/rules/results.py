"""Results: what steers a model from inside of data that a tool returned."""

from __future__ import annotations

from typing import Final

from mcp_core.scan.rule import BLOCK, FLAG, Pattern, ScanRule, Weakening

RULES: Final = (
    ScanRule(
        "results.new-task",
        BLOCK,
        "It gives the model a task of its own.",
        phrases=(
            "contents|content of ~6 to ~3 xmail",
            "immediately|now|urgently delete|remove|transfer|send|change|grant|wire|execute|forward",
            "add ~3 ssh|public|api key ~4 to",
            (
                "send|email|share|forward|mail ~10 passport|ssn|social|credit|bank number|security|card|account ~10 "
                "to|xmail"
            ),
            "change|reset|set|update ~4 password ~4 to",
            "when you summarize|reply|respond|answer|process|read ~4 must|should|please|always|include|add|append",
            "call|use|run|invoke|delete|send ~8 before|after you reply|respond|answer|summarize|finish",
            "include|add|append|mention|insert|put ~6 in|to|into your ~1 summary|reply|response|answer|report|output",
            "as if|though you ~2 have|had ~1 no ~1 filters|limits|rules|restrictions|guidelines",
            "you have ~1 no|zero ~1 restrictions|rules|filters|limits|guidelines",
            "pretend|imagine|suppose you|youre ~1 are? ~3 ai|model|assistant|chatbot ~3 no|without",
            "without ~1 asking|consulting|telling|informing me|us",
            (
                "new|updated|additional|real|important|urgent|next|special instructions|instruction|task|tasks|"
                "assignment|orders|directive ~2 for|follow|follows|is|are|begin|below|from|to|you|ai"
            ),
            (
                "before you ~3 solve|complete|continue|answer|finish|proceed|respond|do|can ~6 task|following|first|"
                "request|question|must|need|this"
            ),
            (
                "after you ~2 do|done|complete|completed|finish ~2 that|this|so|it ~4 solve|continue|proceed|return|"
                "original|task|can|resume|answer"
            ),
            (
                "please|must|kindly ~2 do|execute|perform|complete|follow the|this|these following|first|"
                "instructions|steps ~2 first|instruction|before|task"
            ),
            (
                "strictly|exactly|only ~1 adhere|follow|obey|comply ~3 following|instruction|instructions|this|these|"
                "orders"
            ),
            "important message from|to|for ~4 me|you|user|ai|assistant|admin|developer|system|owner",
            "to you ai|assistant|claude|gpt|the ~1 assistant|model|agent|ai",
            "stop everything|processing|what|now|here ~4 just|instead|and|print|now|do|say|you",
            "do ~10 instead",
            (
                "do not|dont answer|complete|respond|continue|follow|summarize ~3 original|user|users|question|"
                "previous|task|request|query ~3 instead|and|just|but|until"
            ),
            (
                "instead of ~2 answering|responding|summarizing|doing|the|completing ~4 question|task|query|summary|"
                "request|print|say|reply|output"
            ),
            "if|when|since you are ~3 ai|llm|assistant|language|chatbot|agent|model|bot|automated",
            (
                "ai|llm|assistant|assistants|agent|agents|model|chatbot|bot ~2 reading|processing|summarizing|"
                "parsing|handling|reviewing|who|that|must|should ~6 must|should|this|please|need|the|also"
            ),
            (
                "attention|dear|hey|hello|note|message|instructions|instruction|notice|reminder ~2 ai|llm|assistant|"
                "assistants|agent|agents|chatbot"
            ),
            (
                "print|say|output|repeat|respond|reply|write ~3 following|exactly|only|verbatim|just|with|this ~4 "
                "text|string|words|phrase|message|nothing|exactly|verbatim|sentence"
            ),
            "just|only print|say|output|repeat|respond|reply ~9 nothing|else|more|humans|instead|exactly",
            (
                "respond|reply|answer ~2 only|exactly|with ~2 only|exactly|the|just|word|phrase ~2 word|phrase|"
                "string|following|text|words"
            ),
            (
                "include|insert|add|embed|append ~3 in|into|to|at ~3 response|answer|output|reply|summary|solution|"
                "code|implementation ~8 following|this|exact|string|text|link|code|sentence|phrase|snippet"
            ),
            (
                "include|insert|add|embed|use|fuse|render|incorporate|integrate|place|put|utilize|weave|blend|merge|"
                "infuse|leverage|interweave ~2 the|this|following|subsequent|below|given|provided ~3 code|snippet|"
                "excerpt|string|text|block|segment|fragment ~5 in|into|as|within|your|part ~5 response|answer|output|"
                "reply|implementation|solution|code|work|explanation|elucidation"
            ),
            "your|the next|first|only task|job|goal|action is|now",
            (
                "this is|was ~2 system|developer|administrator|admin|security|openai|anthropic|automated ~1 message|"
                "override|instruction|command|update|notice|speaking|test"
            ),
            (
                "repeat|print|reveal|show|output|tell|give|display|leak|share|return ~3 your|the|all|full|entire|"
                "hidden ~2 system|initial|original|secret|hidden|embeddings|prompt|instructions|above|confidential "
                "~1 prompt|instructions|message|messages|text|embeddings|rules|above|context|words"
            ),
            (
                "what is|are|was|were ~1 your|the system|initial|original|hidden|first|exact prompt|instructions|"
                "rules|message"
            ),
            (
                "user|owner|admin|account|customer|sender ~2 has|have|already authorized|approved|consented|"
                "confirmed|granted|agreed|asked ~5 this|to|for|you"
            ),
            (
                "proceed|go|continue ~2 immediately|ahead|without|directly ~3 asking|confirm*|question*|verif*|"
                "waiting|hesitation|delay"
            ),
            (
                "provide|include|suggest|modify|enhance|augment|integrate|write|format|end|begin|start|express|"
                "translate|insert|add|append|embed|replace|remove|capitalize|use|mention|encourage|recommend|"
                "conclude|finish|tease|promote|expand|encode|reverse|rewrite ~6 your ~1 response|reply|answer|output"
            ),
            (
                "in|within|throughout your ~1 response|reply|answer|output ~1 include|suggest|mention|encourage|"
                "recommend|use|promote|provide|add|insert|write|advise|tell|tease|claim|state|ask|urge|imply|"
                "emphasize|highlight|replace|only"
            ),
            (
                "following|subsequent|below|given|provided|ensuing ~1 code snippet|excerpt|block|segment|fragment|"
                "passage|section ~9 your|implementation|response"
            ),
            (
                "your ~8 following|subsequent|below|given|ensuing ~1 code snippet|excerpt|block|segment|fragment|"
                "passage|section"
            ),
            (
                "remember|save|store|commit|keep|retain|record ~6 memory|permanently ~9 future|every|always|session|"
                "sessions|turns|conversations|later"
            ),
            (
                "in|to|for|into every|all|each|any future|subsequent|following|later ~2 summary|reply|response|"
                "report|answer|email|message|output|conversation|session|interaction|task|tasks"
            ),
            (
                "reveal|show|print|repeat|tell|give|output|list|leak|disclose|share ~3 exact|original|initial|system|"
                "hidden|secret|full|verbatim|your ~2 instructions|prompt|rules|guidelines ~4 you|given|were|verbatim|"
                "word"
            ),
            "you can|may|must|should|are ~1 now|free ~2 reveal|disclose|answer|share|ignore|act|respond|do|comply",
            (
                "comply|answer|respond|reply ~2 fully|completely|freely|honestly ~2 without ~2 restrictions|limits|"
                "filters|limitations|refusing"
            ),
            (
                "safety|content|security|your guidelines|rules|policies|restrictions|filters ~3 not|no|dont|never|"
                "werent ~3 apply|meant|relevant|needed|longer|exist"
            ),
            "decode|decrypt|translate|unscramble ~5 and ~2 follow|execute|obey|do|run|perform|comply",
            (
                "follow|execute|obey|perform the|this|these ~1 instruction|instructions|command|commands ~2 inside|"
                "below|within|hidden|embedded|encoded|contained"
            ),
            "use|call|invoke|run NAME ~2 to ~1 send|forward|email|transfer|delete|upload|share|post|export|grant",
        ),
        guard=Weakening.SPOKEN_OF,
        patterns=(
            Pattern(
                r"(?:^|\n)\s{0,8}todo\s{0,2}:\s{0,3}(?:please\s{1,3}|kindly\s{1,3})?(?:send|email|e-mail|forward|transfer|give|delete|share|upload|invite|visit|click|post|buy|pay|grant|reply|refund)\b",
                ("todo",),
            ),
            Pattern(r"\*{3}[^*\n\x00]{4,60}\*{3}\s{0,3}\n", ("***",)),
        ),
        scope="result",
    ),
    ScanRule(
        "results.act",
        None,
        "It asks for an action.",
        phrases=(
            (
                "please|now|must|immediately|kindly|urgently ~2 send|email|forward|transfer|delete|share|upload|"
                "invite|call|execute|run|visit|click|download|grant|create|update|change|pay|wire|refund|reset|"
                "disable"
            ),
            "send|email|forward|transfer|wire|share|upload|post|exfiltrate ~10 xmail|xurl|account|iban|wallet",
            (
                "delete|remove|wipe|erase|drop ~3 all|every|the|user|users ~3 files|file|records|data|database|"
                "emails|messages|account|tables|backups"
            ),
            "call|invoke|use|run|execute ~1 NAME",
            "call|invoke|use|run|execute ~2 the|your|this ~2 tool|function|api|xtool|command",
            "change|reset|update|set ~4 password|credentials|permissions|email|role|settings ~2 to",
            "grant|give|add ~4 admin|access|permission|permissions|role|rights ~2 to",
        ),
        trait="act",
        scope="result",
    ),
    ScanRule(
        "results.persona",
        FLAG,
        "It plays at another role for the model.",
        phrases=(
            "pretend|imagine|roleplay|suppose|act|immerse ~3 you|to|that|as|yourself ~2 are|be|a|an|into|were|have",
            "you are going|about to ~2 act|pretend|play|immerse|be|become|roleplay|answer|simulate",
            "i want|need|would you|like to ~3 act|pretend|play|roleplay|respond|behave|be|simulate|answer",
            "lets play a ~1 game",
            "forget|ignore ~1 everything|all|what|your",
            "stay|remain|always in|be character",
        ),
        trait="persona",
        scope="result",
    ),
)
