"""Combinations: weak signals that steer a model when they stand together. Each can be switched off on its own."""

from __future__ import annotations

from typing import Final

from mcp_core.scan.rule import BLOCK, FLAG, Combination

COMBINATIONS: Final = (
    Combination(
        "combined.precondition-sensitive",
        BLOCK,
        "It makes a step with secrets or sensitive files a condition for something else.",
        (
            ("precondition", "standing"),
            ("sensitive",),
            (
                "model",
                "authority",
                "emphasis",
                "covert",
                "other-tool",
                "destination",
                "override",
                "add",
                "literal",
            ),
        ),
    ),
    Combination(
        "combined.precondition-destination",
        BLOCK,
        "It makes sending something to an address a condition for something else.",
        (("precondition", "standing"), ("destination",), ("authority", "covert", "override", "shell")),
    ),
    Combination(
        "combined.precondition-literal-call",
        BLOCK,
        "It asks for another tool to be called with a prescribed value, in the name of an authority.",
        (("precondition",), ("other-tool",), ("literal",), ("authority", "covert", "override")),
    ),
    Combination(
        "combined.changed-in-authority",
        BLOCK,
        "It changes what another call is made with, in the name of security or policy.",
        (("redirected",), ("authority",)),
    ),
    Combination(
        "combined.other-tools-effect",
        BLOCK,
        "It prescribes what another tool does whenever something else happens, and gives a reason for it.",
        (("tool-effect",), ("operation", "named-tool", "precondition"), ("justified", "authority")),
    ),
    Combination(
        "combined.named-tool-tampered",
        BLOCK,
        "It hooks on to another tool's use and changes what comes of it.",
        (
            ("named-tool", "tool-effect"),
            ("tampering",),
            ("obliged",),
            ("operation", "named-tool", "justified", "authority"),
        ),
    ),
    Combination(
        "combined.named-tool-reasoned",
        BLOCK,
        "It hooks on to another tool's use, and gives a reason that is not that tool's own.",
        (("named-tool",), ("justified", "authority")),
    ),
    Combination(
        "combined.named-tool-directed",
        BLOCK,
        "It hooks on to another tool's use, and prescribes how that tool is called.",
        (("named-tool",), ("tool-effect",), ("obliged",)),
    ),
    Combination(
        "combined.other-tool-imposed",
        BLOCK,
        "It makes a duty of calling another tool, in the name of security, policy or quality.",
        (("other-tool",), ("justified", "authority"), ("obliged",), ("operation", "named-tool", "model")),
    ),
    Combination(
        "combined.operation-tampered",
        BLOCK,
        "It changes or moves what other operations carry, and gives a reason for it.",
        (("tampering",), ("operation",), ("justified", "authority")),
    ),
    Combination(
        "combined.operation-sent",
        BLOCK,
        "It has something sent to an address with other operations.",
        (("destination",), ("obliged",), ("operation", "standing", "precondition")),
    ),
    Combination(
        "combined.private-files-first",
        BLOCK,
        "It makes reading sensitive files a condition for something else.",
        (("precondition",), ("sensitive",), ("named-tool", "other-tool", "standing", "precondition")),
    ),
    Combination(
        "combined.named-tool-steered",
        BLOCK,
        "It hooks on to another tool's use, and says what that tool is then to do or to be given.",
        (("named-tool",), ("literal", "redirected", "add", "destination", "sensitive", "override", "covert", "shell")),
    ),
    Combination(
        "combined.named-tool-in-authority",
        BLOCK,
        "It makes another tool part of a duty, in the name of security or policy.",
        (("named-tool", "other-tool"), ("authority",), ("precondition", "named-tool", "standing")),
    ),
    Combination(
        "combined.standing-destination",
        BLOCK,
        "It wants something sent to an address each time.",
        (("precondition", "standing"), ("destination",), ("emphasis", "authority", "add", "steer")),
    ),
    Combination(
        "combined.covert-action",
        BLOCK,
        "It asks for an action with data or commands, unseen.",
        (
            ("covert",),
            ("sensitive", "destination", "shell", "literal", "add"),
            ("precondition", "standing", "model"),
            ("authority", "override", "sensitive", "shell"),
        ),
    ),
    Combination(
        "combined.authority-shell",
        BLOCK,
        "It prescribes a shell command in the name of an authority or as a condition.",
        (("shell",), ("precondition", "standing"), ("authority", "covert", "override", "model")),
    ),
    Combination(
        "combined.hidden-markup-steers",
        BLOCK,
        "Text that a renderer does not show speaks to the model.",
        (
            ("hidden-markup",),
            (
                "model",
                "authority",
                "precondition",
                "covert",
                "override",
                "sensitive",
                "destination",
                "steer",
                "other-tool",
                "standing",
                "act",
            ),
        ),
    ),
    Combination(
        "combined.disguised-text-steers",
        BLOCK,
        "Text in disguise or out of sight speaks to the model.",
        (
            ("disguise",),
            (
                "model",
                "authority",
                "covert",
                "override",
                "sensitive",
                "destination",
                "steer",
                "other-tool",
                "shell",
                "act",
            ),
        ),
        near=False,
    ),
    Combination(
        "combined.authority-sensitive",
        FLAG,
        "It asks for secrets or sensitive files in the name of an authority.",
        (("authority",), ("sensitive",), ("model", "standing", "precondition")),
    ),
    Combination(
        "combined.steers-other-tool",
        BLOCK,
        "It prescribes how another tool is called.",
        (
            ("steer", "precondition"),
            ("other-tool", "steer"),
            ("literal",),
            ("standing", "model", "authority"),
            ("covert", "override", "destination", "sensitive"),
        ),
    ),
    Combination(
        "combined.tool-run-down",
        BLOCK,
        "It calls another tool broken or dangerous, and turns the model away from it.",
        (("dissuade", "self"), ("disparage",)),
        scope="surface",
    ),
    Combination(
        "combined.scattered",
        BLOCK,
        "Its fields together ask for something with secrets or addresses, unseen or in the name of an authority.",
        (
            ("precondition", "standing"),
            ("sensitive", "shell"),
            ("destination", "literal", "add"),
            ("covert", "override"),
            ("authority", "model"),
        ),
        near=False,
    ),
    Combination(
        "combined.action-in-result",
        FLAG,
        "A result asks for an action in the name of an authority or of a condition.",
        (
            ("act",),
            ("authority", "precondition", "covert", "override", "standing", "persona"),
            ("model", "authority", "covert", "override", "sensitive"),
        ),
        scope="result",
    ),
)
