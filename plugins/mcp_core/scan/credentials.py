"""Credentials in the arguments of calls: what would leave with a request and should not.

Each shape is one that its issuer publishes, or a value that looks random beside a word such as api_key. What is found
is named by its rule; a finding never holds the credential, nor any part of it. Few honest texts may be taken for one:
the examples of documentation, identifiers, hashes and pictures are none.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from mcp_core.inspection import step
from mcp_core.scan.finding import Finding, Severity

FAMILY: Final = "credentials"

_Check: TypeAlias = Callable[[re.Match[str]], bool]

_MOST: Final = 16
"""Findings in one request that are kept: more of them change nothing."""
_BITS: Final = 3.5
"""Bits of entropy a character from which a value looks random: English words written together have some 3."""
_PLACEHOLDER: Final = re.compile(
    r"example|sample|dummy|fake|placeholder|change.?me|redacted|your|insert|xxxx|\*\*\*|\.\.\.|0123456789|abcdef|123456789"
    r"|\$\{|\{\{|<|%[({]",
    re.IGNORECASE,
)
_PLAIN_PASSWORD: Final = re.compile(
    r"(?:pass(?:word|wd)?|pwd?|secret|test|root|admin|user(?:name)?|token|key|[*x.]+)\d{0,3}", re.IGNORECASE
)
_EXAMPLE_HOST: Final = re.compile(
    r"(?:^|\.)(?:example(?:\.[a-z]{2,6})?|test|invalid|localhost|host(?:name)?|server)$", re.IGNORECASE
)
_IDENTIFIER: Final = re.compile(
    r"[0-9a-fA-F]+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9]+(?:[.:T_-][0-9]+)*Z?"
)
_JWT_IO: Final = "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9l"
"""How the payload of jwt.io's example begins, which stands in much documentation."""


def _always(_match: re.Match[str]) -> bool:
    return True


def _no_example(match: re.Match[str]) -> bool:
    """Return whether a value is none that documentation shows: a placeholder, or one letter many times."""
    return _PLACEHOLDER.search(match[0]) is None and _entropy(match[0]) > 2.5


def _is_jwt(match: re.Match[str]) -> bool:
    """Return whether a token's header is one of RFC 7515 that says how it is signed."""
    header, payload, _ = match[0].split(".")
    try:
        text = base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))
    except (binascii.Error, ValueError):
        return False
    return b'"alg"' in text and not payload.startswith(_JWT_IO)


def _is_login(match: re.Match[str]) -> bool:
    """Return whether an address holds a password that is not the one of every example."""
    user, password, host = match["user"], match["value"], match["host"]
    plain = _PLAIN_PASSWORD.fullmatch(password) or _PLACEHOLDER.search(password) or password == user
    return not plain and _EXAMPLE_HOST.search(host) is None


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of credential: an expression, tried where a text holds one of the `hints`, and what else must hold."""

    name: str
    what: str
    regex: re.Pattern[str]
    hints: tuple[str, ...]
    check: _Check = _no_example


def _shape(name: str, what: str, regex: str, *hints: str, check: _Check = _no_example) -> Shape:
    bounded = rf"(?<![A-Za-z0-9_-])(?:{regex})(?![A-Za-z0-9_-])"
    return Shape(name, what, re.compile(bounded), hints, check)


SHAPES: Final = (
    Shape(
        "private-key",
        "a private key",
        re.compile(
            r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----[\s\\rn]{1,8}"
            r"(?:[\w-]{1,20}: [^\n]{0,80}\s{1,4}){0,4}[A-Za-z0-9+/=\s\\]{64}"
        ),
        ("PRIVATE KEY",),
        _always,
    ),
    _shape(
        "aws-key",
        "an AWS access key",
        r"(?:AKIA|ASIA)[A-Z2-7]{16}",
        "AKIA",
        "ASIA",
        check=lambda one: "EXAMPLE" not in one[0],
    ),
    _shape("google-key", "a Google API key", r"AIza[A-Za-z0-9_-]{35}", "AIza"),
    _shape(
        "google-token",
        "a Google OAuth secret",
        r"ya29\.[A-Za-z0-9_-]{40,400}|GOCSPX-[A-Za-z0-9_-]{28}",
        "ya29.",
        "GOCSPX-",
    ),
    _shape("azure-key", "an Azure storage key", r"AccountKey=[A-Za-z0-9+/]{86}==", "AccountKey="),
    _shape(
        "github-token",
        "a GitHub token",
        r"gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
        "gh",
        "github_pat_",
    ),
    _shape(
        "gitlab-token",
        "a GitLab token",
        r"gl(?:pat|ptt|dt|rt|cbt|soat)-[A-Za-z0-9_-]{20,64}(?:\.[A-Za-z0-9_.]{2,20})?",
        "gl",
    ),
    _shape(
        "slack-token", "a Slack token", r"xox[abeprs]-[A-Za-z0-9-]{20,250}|xapp-\d-[A-Za-z0-9-]{20,250}", "xox", "xapp-"
    ),
    _shape(
        "slack-webhook",
        "a Slack webhook",
        r"hooks\.slack\.com/services/T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/[A-Za-z0-9]{24}",
        "hooks.slack.com",
    ),
    _shape("stripe-key", "a Stripe key", r"[rs]k_live_[A-Za-z0-9]{24,200}", "k_live_"),
    _shape(
        "openai-key",
        "an OpenAI key",
        r"sk-(?:(?:proj|svcacct|admin)-)?[A-Za-z0-9_-]{20,100}T3BlbkFJ[A-Za-z0-9_-]{20,100}",
        "T3BlbkFJ",
    ),
    _shape("anthropic-key", "an Anthropic key", r"sk-ant-[a-z]{3,12}\d{2}-[A-Za-z0-9_-]{80,120}", "sk-ant-"),
    _shape("huggingface-token", "a Hugging Face token", r"hf_[A-Za-z]{34}", "hf_"),
    _shape("npm-token", "an npm token", r"npm_[A-Za-z0-9]{36}", "npm_"),
    _shape("pypi-token", "a PyPI token", r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,400}", "pypi-AgEI"),
    _shape("sendgrid-key", "a SendGrid key", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}", "SG."),
    _shape("digitalocean-token", "a DigitalOcean token", r"do[opr]_v1_[a-f0-9]{64}", "_v1_"),
    _shape("vault-token", "a Vault token", r"hv[sb]\.[A-Za-z0-9_-]{24,300}", "hvs.", "hvb."),
    _shape("telegram-token", "a Telegram bot token", r"\d{8,10}:AA[A-Za-z0-9_-]{33}", ":AA"),
    _shape("age-key", "an age key", r"AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}", "AGE-SECRET-KEY-1"),
    _shape(
        "jwt",
        "a signed token (JWT)",
        r"eyJ[A-Za-z0-9_-]{8,1000}\.eyJ[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{20,1400}",
        "eyJ",
        check=_is_jwt,
    ),
    Shape(
        "login-address",
        "an address with a password",
        re.compile(r"://(?P<user>[^\s:/@\"'<>?#]{0,64}):(?P<value>[^\s/@\"'<>?#]{3,128})@(?P<host>[\w.-]{1,100})"),
        ("://",),
        _is_login,
    ),
    Shape(
        "connection-string",
        "a connection string with a password",
        re.compile(
            r"(?:server|host|data source|accountendpoint|endpoint)=(?P<host>[^;\s]{1,100});[^\n]{0,200}?"
            r"(?P<user>)(?:password|pwd)=(?P<value>[^;\s\"']{3,128})",
            re.IGNORECASE,
        ),
        (";",),
        _is_login,
    ),
    Shape(
        "named-secret",
        "a value that looks random beside a word for a secret",
        re.compile(
            r"(?:api|secret|access|private|auth|client|signing|encryption|master|account)[ _-]?(?:access[ _-]?)?"
            r"(?:key|token|secret)[\"']{0,2}\s{0,3}(?:[:=]|=>|\bis\b)\s{0,3}[\"'`]?(?:bearer )?"
            r"(?P<value>[A-Za-z0-9+/_=.~-]{20,200})"
            r"(?![A-Za-z0-9+/_=.~-])|\bbearer\s{1,3}(?P<bearer>[A-Za-z0-9+/_=.~-]{20,200})(?![A-Za-z0-9+/_=.~-])",
            re.IGNORECASE,
        ),
        ("ey", "EY", "oken", "OKEN", "ecret", "ECRET", "earer", "EARER"),
        lambda one: looks_random(one["value"] or one["bearer"]),
    ),
)
"""Shapes as their issuers publish them. Every repetition is bounded, so the work grows with a text's length alone."""

_NAMED: Final = re.compile(
    r"(?:.*[_-])?(?:api_?key|secret(?:_?access)?_?key|access_?token|auth_?token|client_?secret|private_?key|bearer_?token|password|passwd|api_?secret)",
    re.IGNORECASE,
)
_VALUE: Final = re.compile(r"[A-Za-z0-9+/_=.~-]{20,200}")


def looks_random(text: str) -> bool:
    """Return whether a value looks like a secret: letters and digits without order, no identifier, no placeholder."""
    mixed = any(map(str.isdigit, text)) and any(map(str.isalpha, text))
    known = _IDENTIFIER.fullmatch(text) or _PLACEHOLDER.search(text)
    return mixed and not known and _entropy(text) >= _BITS


def _entropy(text: str) -> float:
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)


def find(arguments: Any) -> list[Finding]:
    """Return what looks like a credential in the strings and keys of JSON values, each rule once a place.

    `excerpt` is empty, and `path` holds no key that was itself taken for a credential.
    """
    found: dict[tuple[str, str], Finding] = {}
    stack: list[tuple[str, str, Any]] = [("arguments", "", arguments)]
    while stack and len(found) < _MOST:
        path, key, value = stack.pop()
        if isinstance(value, str):
            for shape in _shapes(key, value):
                found.setdefault((shape.name, path), _finding(shape, path))
        elif isinstance(value, dict):
            for name, inner in reversed(value.items()):
                of_name = list(_shapes("", name))
                for shape in of_name:
                    found.setdefault((shape.name, path), _finding(shape, path))
                stack.append((path if of_name else step(path, name), name, inner))
        elif isinstance(value, list):
            stack.extend((step(path, at), key, value[at]) for at in range(len(value) - 1, -1, -1))
    return sorted(found.values())


def _shapes(key: str, text: str) -> Iterator[Shape]:
    for shape in SHAPES:
        if any(hint in text for hint in shape.hints) and any(map(shape.check, shape.regex.finditer(text))):
            yield shape
    if _NAMED.fullmatch(key) and _VALUE.fullmatch(text) and looks_random(text):
        yield SHAPES[-1]


def _finding(shape: Shape, path: str) -> Finding:
    message = f"It holds what looks like {shape.what}."
    return Finding(f"{FAMILY}.{shape.name}", FAMILY, Severity.BLOCK, path, "", message)


RULE_IDS: Final = frozenset(f"{FAMILY}.{shape.name}" for shape in SHAPES)
