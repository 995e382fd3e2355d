"""The words that rules are made of: what text has to say, in whatever words, to steer a model.

A concept is a list of alternatives. An alternative is a word or several (a fixed expression); `*` at its end stands
for any ending. Words are lower-case, without accents and apostrophes, as the reading of a text has them
(mcp_core.scan.text). Rules name concepts in capitals (mcp_core.scan.phrases).
"""

from __future__ import annotations

import re
from typing import Final

_TABLE: Final = {
    "USER": "user|users|human|humans|operator|operators|customer|customers|end user|person|anyone|anybody|nobody|"
    "no one|everyone|them|people|client|owner",
    "AUTHORITY": "hipaa|gdpr|sox|pci|soc2|finance department|legal department|administrator|administrators|"
    "system admin|sysadmin|security team|security policy|security protocol|security protocols|security policies|"
    "system policy|company policy|corporate policy|organization policy|organizational policy|it policy|it department|"
    "compliance|regulatory|platform policy|platform team|operations team|audit policy|system requirement|"
    "system requirements|security requirement|security requirements|operator policy|data protection policy|"
    "legal team|policy requirement|protocol requirement|security guidelines|system protocol|execution policy|"
    "governance policy|admin policy|security audit|management",
    # What is done.
    "IGNORE": "ignor*|disregard*|forget|forgets|forgetting|overlook*|dismiss*|neglect*|abandon*|bypass*|overrid*|"
    "overrul*|circumvent*|violat*|pay no attention to|set aside|stop following|do not follow|dont follow|not follow|"
    "no longer follow|cease following|do not obey|stop obeying|discard|supersed*|suspend|evade|deviate from|"
    "nevermind|never mind",
    "READ": "read|reads|reading|open|opens|opening|load|loads|loading|access|accesses|accessing|retriev*|extract*|"
    "dump|dumps|collect|collects|collecting|gather|gathers|gathering|harvest*|obtain|obtains|grab|grabs|copy|copies|"
    "copying|cat|inspect|locate|search for|scan|scans|fetch|fetches|view|exfiltrat*|steal|steals|print|output|"
    "enumerate|capture|captures|look up|find|get|check|parse|examine|list",
    "SEND": "send|sends|sending|post|posts|posting|upload|uploads|uploading|forward|forwards|forwarding|transmit*|"
    "submit|submits|submitting|exfiltrat*|email|emails|emailing|mail|mails|relay|relays|push|pushes|leak|leaks|"
    "deliver|delivers|share|shares|sharing|sync|syncs|mirror|mirrors|mirroring|transfer|transfers|copy|copies|"
    "copying|publish|shared|sent|provided|uploaded|forwarded|posted|submitted|copied|emailed|pass along|passes along|"
    "hand over|hands over|hand|report|reports|route|redirect|cc|bcc|pipe|beacon|dispatch|ship|stream",
    "PUT": "write|writes|writing|append|appends|appending|prepend|prepends|prepending|add|adds|adding|insert|inserts|"
    "inserting|attach|attaches|attaching|embed|embeds|embedding|include|includes|including|inject|injects|log|logs|"
    "logging|store|stores|storing|save|saves|saving|copy|copies|copying|place|put|pass|passes|passing|provide|supply|"
    "encode|fill|populate|echo|record|dump|paste|set|enter|submit",
    "ADD": "append|appends|appending|prepend|prepends|prepending|insert|inserts|inserting|add|adds|adding|inject|"
    "injects|attach|attaches|attaching|embed|embeds|cc|bcc|include|includes|concatenate|tack on|end with|start with|"
    "prefix|suffix",
    "CALL": "call|calls|calling|called|invoke|invokes|invoking|invoked|run|runs|running|execute|executes|executing|"
    "trigger|use|using|launch|perform|issue",
    "CHANGE": "replace|replaces|replaced|replacing|change|changes|changed|changing|substitut*|swap|swapped|overwrite|"
    "overwritten|modify|modified|modifying|alter|altered|rewrite|redirect|redirected|redirecting|set|override|"
    "overridden|adjust|adjusted|reroute|rerouted|switch|switched|convert|converted|force|forced|tamper*|multiply|"
    "multiplied|double|doubled|increase|increased|reduce|decrease",
    "ASK": "ask|asking|prompt|prompting|consult*|confirm|confirming|confirmation|consent|approval|permission|"
    "knowledge|awareness|notice|request confirmation|checking with|verify with|seeking|requesting|wait for|"
    "authorization|the users knowledge|acknowledgement",
    "SILENTLY": "silently|quietly|secretly|covertly|discreetly|invisibly|stealthily|surreptitiously|unnoticed|"
    "behind the scenes|under the hood silently|in secret|without notice|without a trace|unobtrusively|"
    "without logging|clandestinely",
    "CONCEAL": "hide|hides|hiding|hidden|conceal*|suppress*|omit|omits|omitting|obscur*|mask|masks|masking|withhold*|"
    "keep secret|keep hidden|cover up|scrub|erase|erases|redact",
    "EARLIER": "previous|prior|above|earlier|preceding|foregoing|existing|original|initial|all|any|every|other|your|"
    "system|safety|security|current|past|old|these|those|users|developer|developers|previously|before|content|"
    "ethical|default|standard|openai|anthropic|everything",
    # What it is done with.
    "SECRET": "credential|credentials|password|passwords|passphrase|secrets|private key|private keys|ssh key|"
    "ssh keys|secret key|secret keys|environment variables|env vars|env file|environment file|dotenv|env variables|"
    "seed phrase|recovery phrase|mnemonic|keychain|keystore|id_rsa|id_ed25519|id_ecdsa|authorized_keys|known_hosts|"
    "xsensitive|sensitive data|sensitive files|confidential data|confidential files|personal data|pii|login details|"
    "bank details|credit card|otp|2fa codes|database password|connection string|browser cookies|saved passwords|"
    "password store|browser store|shell history",
    "TOKEN": "api key|api keys|apikey|apikeys|secret|access key|access keys|access token|access tokens|auth token|"
    "auth tokens|bearer token|refresh token|session token|session cookie|cookies|wallet|sensitive information|"
    "confidential information|encryption key|signing key|service account|oauth token|tokens|token|keys|api token",
    "CONTEXT": "question of the user|request of the user|query of the user|users question|everything the user|"
    "what the user|anything the user|all messages|last message|message of the user|users message|users messages|"
    "users input|users last|users original|conversation so far|full arguments|conversation|conversations|"
    "conversation history|chat history|message history|chat log|chat logs|system prompt|previous messages|"
    "prior messages|full context|context window|user messages|users prompt|user prompt|users request|users query|"
    "original prompt|hidden instructions|internal instructions|your instructions|chain of thought|reasoning|"
    "transcript|dialogue|previous tool|tool results|tool outputs|tool calls|list of tools|available tools|"
    "past emails|users data|user data|internal context|users files|thoughts|conversation context|session history|"
    "your context",
    "ELSEWHERE": "xurl|xmail|xhost|external server|external endpoint|remote server|remote endpoint|external service|"
    "webhook|attacker|attackers|third party|external address|our server|our servers|our endpoint|collection server|"
    "logging server|backup service|sync service|audit service|logging service|our cloud|remote host|external api|"
    "external domain|audit server|audit endpoint|monitoring endpoint|telemetry endpoint|analytics endpoint|collector|"
    "dead drop|pastebin|ngrok|command and control|c2|backup server|outside server|external account|our analytics|"
    "our host|our api|our service|our backend|analytics host|remote service|shadow account|public repo|"
    "public repository|public gist|offsite|central server|analytics server|collector server|intranet server|"
    "company server|verification endpoint|partner endpoint|logging endpoint|monitoring server|mlops server",
    "MESSAGES": "email|emails|message|messages|command|commands|query|queries|request|requests|response|responses|"
    "reply|replies|commit|commits|file|files|post|posts|transaction|transactions|payment|payments|transfer|transfers|"
    "script|scripts|invoice|invoices|issue|issues|event|events|page|pages|document|documents|output|outputs|answer|"
    "answers|call|calls|summary|summaries|shell|invocation|invocations|row|rows|insert|code|calendar",
    "ARGUMENT": "parameter|parameters|argument|arguments|param|params|field|value|recipient|recipients|destination|"
    "path|address|url|amount|query|body|content|target|command|account|filename|to field|url parameter|flag|option|"
    "receiver|payee|beneficiary|endpoint|branch|permissions|limit|header",
    # How strongly, how often, when.
    "MUST": "must|shall|required|mandatory|need to|needs to|have to|has to|always|make sure|ensure|is essential|"
    "obligated|necessary|should|important|critical|imperative|be sure to|is obligatory|compulsory|first",
    "TOOL": "tool|tools|function|functions|api|plugin|endpoint|command|skill|xtool",
    "UNSAFE": "deprecated|obsolete|insecure|unsafe|outdated|broken|compromised|vulnerable|disabled|unavailable|"
    "malicious|unreliable|legacy|removed|malfunctioning|no longer supported|no longer available|untrusted|corrupted|"
    "retired|buggy|has a bug|faulty|not working|dangerous|superseded|offline",
    "PROTECTION": "permission checks|access checks|access control|access controls|security checks|security check|"
    "safety checks|safety check|safety guidelines|safety filters|content filter|content filters|content filtering|"
    "content moderation|security controls|security policies|security policy|permission check|permission system|"
    "authorization|authentication|validation|sandbox|sandboxing|safety restrictions|restrictions|guardrails|"
    "safeguards|confirmation|confirmations|approval|approvals|user confirmation|security restrictions|rate limits|"
    "safety policies|safety protocols|security measures|safety measures|permissions|security verification|consent|"
    "audit|audit logging|filters|security instructions|safety instructions|human review|review|sanitization|"
    "content policy|access restrictions|firewall|policy checks|oversight|confirmation dialog|confirmation dialogs|"
    "confirmation prompts|approval prompts|safety mechanisms|user approval|user consent",
    "DISABLE": "bypass*|disable|disables|disabling|skip|skips|skipping|ignore|ignores|ignoring|circumvent*|override|"
    "overrides|overriding|turn off|turns off|deactivate|deactivates|evade|evades|remove|removes|suspend|switch off|"
    "disregard|elude|subvert|defeat|avoid|exempt from|exempted from|lift|lifts|waive|waives|auto approve|without any|"
    "without",
    "TAMPERED": "extended|replaced|changed|multiplied|raised|lowered|increased|reduced|removed|deleted|disabled|"
    "shared|copied|forwarded|archived|sent|uploaded|overwritten|redirected|excluded|logged|appended|prepended|"
    "modified|altered|doubled|halved|rerouted|substituted|swapped|granted|exported|published|disclosed|erased|wiped|"
    "dropped|mirrored|bcced|posted|prefixed|suffixed|pushed|left out|cut off|filtered out|rounded up|handed over|"
    "passed on|passed along",
    "TAMPER": "remove|delete|disable|share|upload|archive|forward|grant|export|publish|erase|wipe|drop|mirror|"
    "replace|change|append|extend|modify|send|copy|store|update|alter|add|insert|transfer|post",
    "PRIVATE": "location|contacts|password|passwords|credentials|calendar|inbox|messages|emails|conversation|history|"
    "personal|user data|email content|secrets|tokens|address book|photos|documents|medical|financial|bank|salary",
    "MODEL": "model|models|assistant|assistants|agent|agents|ai|llm|llms|claude|gpt|chatbot|copilot",
    "LOST": "lost|lose|corrupted|locked|crash|crashes|malfunction|malfunctions|destroyed|wiped|erased|terminated|"
    "suspended|compromised|leaked|hacked|shut down|irreversible|irrecoverable|permanent damage|data loss|banned|"
    "penalized|penalised|penalty|fined|punished",
    "POLICIES": "policy|policies|regulation|regulations|gdpr|hipaa|law|article|department|directive|mandate|sox|"
    "guidelines|rules|compliance|legislation|statute",
    "REQUIRES": "requires|require|demands|mandates|dictates|stipulates|prescribes|obliges|orders|obligates",
    "SENT": "shared|sent|copied|forwarded|archived|uploaded|posted|exported|disclosed|mirrored|submitted|handed|"
    "passed|given|supplied|attached|included|put|provided|reported|transmitted|emailed",
    "HANDOVER": "pass|hand|give|supply|attach|include|send|provide|submit|put|forward|append|paste|deliver|passing|"
    "handing|giving|supplying|sending",
    "ASKED": "password|passwords|passphrase|pin|cvv|cvc|card number|credit card|social security|ssn|seed phrase|"
    "recovery phrase|private key|mnemonic|bank pin|mothers maiden|wallet key",
    "NONEED": "no need|no reason|no point|not necessary|unnecessary|not needed|neednt|need not|pointless|"
    "no necessity|no cause|not required|isnt necessary",
    "OBLIGED": "must|shall|should|has to|have to|needs to|need to|is to|are to|ought to|required to|mandatory|always|"
    "is required|are required|be sure to|make sure to|obliged to|supposed to",
}

CONCEPTS: Final = {name: tuple(words.split("|")) for name, words in _TABLE.items()}
"""Concept -> its alternatives."""

VERBS: Final = frozenset(
    re.findall(
        "[a-z]+",
        "get set read write send list create delete update search fetch add remove run execute exec call upload "
        "download find query sync post open save share move copy check verify validate export import generate make "
        "put append edit modify replace rename close start stop init initialize bootstrap setup prepare authenticate "
        "authorize auth login logout invoke perform process analyze scan transfer pay withdraw deposit book buy sell "
        "order cancel approve reject submit publish notify email message log store load dump clear reset revoke grant "
        "enable disable install uninstall restart backup restore convert translate summarize describe show view "
        "retrieve lookup resolve navigate click type press request ask respond reply forward schedule track monitor "
        "calculate compute count browse crawl scrape extract parse insert select drop alter merge commit push pull "
        "clone deploy build test format lint compile connect disconnect register subscribe join leave invite assign "
        "unassign lock unlock collect report ping record play refresh rotate encrypt decrypt sign audit inspect "
        "evaluate route redirect archive erase wipe kill terminate launch trigger",
    )
)
"""Verbs of which a name must hold one to be taken for a tool's: fields of data are named without."""

DATA: Final = frozenset(
    re.findall(
        "[a-z]+",
        "id ids type types name names key keys size limit count date time at by url uri path number index field "
        "fields value values offset cursor version level format flag mode status state",
    )
)
"""Words with which names of data end, and names of tools do not."""
