"""How requests end, and why: the one list of words that guard, sidecar, their metrics and their logs use.

The words are a contract: dashboards, alerts and audits are built on them, so a word keeps what it says, and a new cause
gets a new word. What differs from case to case (a status, a rule, a name) is a detail beside the word, no part of it.
"""

from __future__ import annotations

from enum import StrEnum


class Ending(StrEnum):
    """How a request ended, as far as the hop that says so knows."""

    PASSED = "passed"
    """It went on, or its answer came back, as it was."""
    WOULD_REFUSE = "would-refuse"
    """It went on, because monitor mode forgave what the policy forbids."""
    REFUSED = "refused"
    LIMITED = "limited"
    """Refused, because its caller or its server has too much at once."""
    UNSIGNED = "unsigned"
    """Refused, because whoever sent it is not the guard, or not the sidecar."""
    FILTERED = "filtered"
    """Its answer came back without items that the caller may not see."""
    WOULD_FILTER = "would-filter"
    FLAGGED = "flagged"
    """Its answer came back, and something was found in it."""
    WITHHELD = "withheld"
    """Its answer, or a part of it, was kept from the caller."""
    REPLACED = "replaced"
    """The server refused it in a way that an agent cannot read, and the gateway said so in its place."""
    UNAVAILABLE = "unavailable"
    """No replica of the server answered."""
    UNREACHABLE = "unreachable"
    """Kong's internal route could not be reached."""
    BROKEN = "broken"
    """The connection broke before the answer was whole."""
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    """The agent went away."""
    STOPPED = "stopped"
    """The gateway was told to stop."""
    CUT_OFF = "cut-off"
    """Its caller, its client or its session was cut off while it was open."""
    HELD_BACK = "held-back"
    """Not sent, because its server is unwell: its breaker is open."""
    FAILED = "failed"
    """The gateway failed; its log says why."""


class Reason(StrEnum):
    """Why a request did not go on, or its answer did not come back as it was."""

    # The policy, and what was approved.
    CONSTRAINT = "constraint"
    """An argument that the policy does not let a tool have."""
    DENIED_ITEM = "denied-item"
    DENIED_METHOD = "denied-method"
    FLOW = "flow"
    """It would send outside what a caller may hold who has read untrusted text and private data."""
    FLOW_UNKNOWN = "flow-unknown"
    """What the caller has read cannot be known, or written down, now."""
    INSUFFICIENT_SCOPE = "insufficient-scope"
    NO_SNAPSHOT = "no-snapshot"
    UNAPPROVED_ITEM = "unapproved-item"
    TOO_MANY = "too-many"

    # Kong itself.
    KONG = "kong"
    """A plugin of Kong's own refused it, before or behind the guard, or Kong found nobody; the detail is the status."""

    # Headers, body and envelope of a request.
    BATCH = "batch"
    BATCH_EMPTY = "batch-empty"
    BATCH_IDS = "batch-ids"
    BATCH_INITIALIZE = "batch-initialize"
    BATCH_TOO_LONG = "batch-too-long"
    CAPABILITY = "capability"
    COMPLETION_REF = "completion-ref"
    CONTENT_ENCODING = "content-encoding"
    CONTENT_TYPE = "content-type"
    ENDPOINT = "endpoint"
    HEADER_CONNECTION = "header-connection"
    HEADER_FRAMING = "header-framing"
    HEADER_MISMATCH = "header-mismatch"
    HEADER_MISSING = "header-missing"
    HEADER_OWN = "header-own"
    HEADER_REPEATED = "header-repeated"
    HEADER_UPGRADE = "header-upgrade"
    HEADERS_TOO_MANY = "headers-too-many"
    HOST = "host"
    HTTP_METHOD = "http-method"
    ITEM_NAME = "item-name"
    LISTEN = "listen"
    MISSPELLED_KEY = "misspelled-key"
    MODERN_META = "modern-meta"
    MODERN_RESPONSE = "modern-response"
    NOT_JSON_RPC = "not-json-rpc"
    NOT_STRICT_JSON = "not-strict-json"
    ORIGIN = "origin"
    PARAM_MISMATCH = "param-mismatch"
    PARAM_MISSING = "param-missing"
    STREAM_BODY = "stream-body"
    TEXT = "text"
    TOO_LARGE = "too-large"
    VERSION = "version"
    VERSION_MISMATCH = "version-mismatch"

    # Sealed ids: of nobody, of somebody else, or of another time.
    ENDPOINT_SESSION = "endpoint-session"
    SESSION = "session"
    TASK = "task"
    TASK_LIMITS = "task-limits"

    # Arguments that are looked at; the detail is the rule.
    ARGUMENTS = "arguments"
    ARGUMENTS_LIMITS = "arguments-limits"

    # Access tokens.
    CUT_OFF = "cut-off"
    ISSUER_NOT_ASKED = "issuer-not-asked"
    KEYS_FETCHED = "keys-fetched"
    NO_KEYS = "no-keys"
    NO_REVOCATIONS = "no-revocations"
    NO_TOKEN = "no-token"  # noqa: S105 - a word, no secret
    PROOF_ATH = "proof-ath"
    PROOF_HTM = "proof-htm"
    PROOF_HTU = "proof-htu"
    PROOF_IAT = "proof-iat"
    PROOF_JTI = "proof-jti"
    PROOF_JWK = "proof-jwk"
    PROOF_KEY = "proof-key"
    PROOF_MISSING = "proof-missing"
    PROOF_NONCE = "proof-nonce"
    PROOF_NOT_KEPT = "proof-not-kept"
    PROOF_SHAPE = "proof-shape"
    PROOF_SIGNATURE = "proof-signature"
    PROOF_USED = "proof-used"
    TOKEN_ACTOR = "token-actor"  # noqa: S105
    TOKEN_ACTORS = "token-actors"  # noqa: S105
    TOKEN_ALGORITHM = "token-algorithm"  # noqa: S105
    TOKEN_AUDIENCE = "token-audience"  # noqa: S105
    TOKEN_BEARER = "token-bearer"  # noqa: S105
    TOKEN_BOUND = "token-bound"  # noqa: S105
    TOKEN_CERTIFICATE = "token-certificate"  # noqa: S105
    TOKEN_CRIT = "token-crit"  # noqa: S105
    TOKEN_EARLY = "token-early"  # noqa: S105
    TOKEN_EMBEDDED_KEY = "token-embedded-key"  # noqa: S105
    TOKEN_ENCRYPTED = "token-encrypted"  # noqa: S105
    TOKEN_EXPIRED = "token-expired"  # noqa: S105
    TOKEN_GROUPS = "token-groups"  # noqa: S105
    TOKEN_HEADER = "token-header"  # noqa: S105
    TOKEN_INACTIVE = "token-inactive"  # noqa: S105
    TOKEN_IN_QUERY = "token-in-query"  # noqa: S105
    TOKEN_ISSUER = "token-issuer"  # noqa: S105
    TOKEN_JSON = "token-json"  # noqa: S105
    TOKEN_KIND = "token-kind"  # noqa: S105
    TOKEN_MALFORMED = "token-malformed"  # noqa: S105
    TOKEN_REPEATED = "token-repeated"  # noqa: S105
    TOKEN_REVOKED = "token-revoked"  # noqa: S105
    TOKEN_SCHEME = "token-scheme"  # noqa: S105
    TOKEN_SCOPE = "token-scope"  # noqa: S105
    TOKEN_SHAPE = "token-shape"  # noqa: S105
    TOKEN_SIGNATURE = "token-signature"  # noqa: S105
    TOKEN_SUBJECT = "token-subject"  # noqa: S105
    TOKEN_TIMES = "token-times"  # noqa: S105
    TOKEN_TOO_LONG = "token-too-long"  # noqa: S105
    TOKEN_TYPE = "token-type"  # noqa: S105
    TOKEN_UNBOUND = "token-unbound"  # noqa: S105
    TOKEN_UNKNOWN_KEY = "token-unknown-key"  # noqa: S105

    # The token that a server gets of the gateway.
    SERVER_TOKEN_NOT_ASKED = "server-token-not-asked"  # noqa: S105
    SERVER_TOKEN_REFUSED = "server-token-refused"  # noqa: S105

    # Between the gateway's own parts.
    BODY_TOO_LARGE = "body-too-large"
    BODY_TOO_SLOW = "body-too-slow"
    BUG = "bug"
    CONTEXT_NOT_BELIEVED = "context-not-believed"
    CONTEXT_OF_ANOTHER_BODY = "context-of-another-body"
    CONTEXT_OF_ANOTHER_REQUEST = "context-of-another-request"
    FAILED = "failed"
    NO_CONTEXT = "no-context"
    OTHER_RELEASE = "other-release"
    POLICY_NOT_READ = "policy-not-read"
    POLICY_NOT_WRITTEN = "policy-not-written"
    PRINCIPAL_UNKNOWN = "principal-unknown"
    """A member of a virtual server does not know who calls that."""
    STOPPED = "stopped"
    UNSIGNED = "unsigned"
    UPSTREAM_MISSING = "upstream-missing"

    # The way to a server.
    BROKEN_OFF = "broken-off"
    CONNECT_FAILED = "connect-failed"
    CONNECT_TIMEOUT = "connect-timeout"
    MEMBER_UNAVAILABLE = "member-unavailable"
    """A member of a virtual server does not answer; the detail is how that was found."""
    NO_INTERNAL_ROUTE = "no-internal-route"
    NO_REPLICA = "no-replica"
    POOL_EXHAUSTED = "pool-exhausted"
    SERVER_UNWELL = "server-unwell"
    """Its breaker is open; the detail is why."""
    SHARE_OF_CALLER = "share-of-caller"
    SHARE_OF_SERVER = "share-of-server"
    STREAMS_FULL = "streams-full"
    TARGET_UNKNOWN = "target-unknown"

    # What a server answered. The detail is its status, or what the answer is or holds.
    ANSWER = "answer"
    ANSWER_TIMEOUT = "answer-timeout"
    BUSY = "busy"
    CREDENTIALS = "credentials"
    EMPTY = "empty"
    ENCODING = "encoding"
    EVENT_TYPE = "event-type"
    FORBIDDEN = "forbidden"
    MISDIRECTED = "misdirected"
    NOT_FOUND = "not-found"
    PROTOCOL = "protocol"
    PROXY = "proxy"
    REDIRECT = "redirect"
    REFUSED = "refused"
    SILENCE = "silence"
    STATUS = "status"
    STREAM = "stream"
    UNAVAILABLE = "unavailable"
