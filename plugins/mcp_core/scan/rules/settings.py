"""Settings: text that loosens what the client or the machine allows."""

from __future__ import annotations

from typing import Final

from mcp_core.scan.rule import BLOCK, Pattern, ScanRule, Weakening

RULES: Final = (
    ScanRule(
        "settings.loosened",
        BLOCK,
        "It asks for safety settings of the client or the machine to be loosened.",
        phrases=(
            (
                "lower|reduce|relax|weaken|loosen|soften|lift ~2 sandbox|safety|protection|guardrail|security|"
                "permission ~1 level|mode|settings|setting|restrictions|policy|rules|checks ~3 to|before|while|for|"
                "so|when|during"
            ),
            (
                "enter|switch|go|change|activate|enable ~2 developer|dev|debug|maintenance|god|admin|root|"
                "unrestricted mode ~4 rules|restrictions|filters|limits|safeguards|policies ~4 not|dont|no|never|"
                "lifted|off|disabled|suspended"
            ),
            "turn|switch|shut|take ~3 safety|content|moderation|guardrail|guardrails|security ~2 off",
            (
                "disable|deactivate|suspend|stop|remove ~2 guardrails|safeguards|moderation|safety|oversight ~1 "
                "filter? ~5 so|while|before|during|for|when|to"
            ),
            (
                "disable|stop|pause|suspend|silence ~1 all? logging|auditing|monitoring|tracing ~4 while|during ~1 "
                "this|it|the"
            ),
            (
                "add|put|mark|register|set|treat|place ~2 this|our ~1 server|tool|extension|plugin|mcp ~5 trusted|"
                "allowlist|whitelist|safelist|safe"
            ),
        ),
        patterns=(
            Pattern(
                r"\b(?:set|enable|turn on|switch on|change|add|flip|put|activate)\b[^\n\x00]{0,60}"
                r"(?:auto[-_ ]?approve|auto[-_ ]?run|always[-_ ]?allow|yolo|(?:skip|bypass)[-_]?"
                r"permissions)[^\n\x00]{0,40}\b(?:settings?|config\w{0,9}|client|mode|true|json|for all|everything)\b",
                ("auto", "always", "yolo", "-permissions", "_permissions", "skippermissions", "bypasspermissions"),
                "set|enable|turn|switch|change|add|flip|put|activate",
            ),
        ),
        guard=Weakening.DENIED,
    ),
    ScanRule(
        "settings.door-opened",
        BLOCK,
        "It opens the machine or publishes what is secret.",
        phrases=(
            "append|add|put|insert|install|write ~1 the|this|our|my|following ~3 key|keys ~4 to|in|into ~3 xsensitive",
            (
                "push|commit|upload|publish ~3 xsensitive|SECRET ~3 file? ~3 to|in|into ~3 repository|repo|gist|"
                "github|bucket"
            ),
            (
                "run|execute|call|invoke ~1 env|printenv ~2 and|then ~2 return|send|include|pass|put|supply|paste|"
                "provide|hand ~3 output|result|results|it|variables"
            ),
            (
                "cron|crontab|launchd|systemd ~1 entry|job|task|line|unit|service ~3 that|which|to ~1 downloads|"
                "download|fetches|fetch|pulls|uploads|sends|upload|send"
            ),
        ),
        patterns=(
            Pattern(
                r"\b(?:pip3?|npm|uv|yarn)\s[^\n\x00]{0,60}--(?:extra-)?(?:index-url|registry|trusted-host)[= ]{1,2}http://",
                ("http://",),
                "pip|pip3|npm|uv|yarn",
            ),
        ),
        guard=Weakening.DENIED,
    ),
)
