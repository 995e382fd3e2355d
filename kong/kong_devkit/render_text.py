"""Reads and writes decK files as text: which files a path means, environment references filled in, strict YAML.

Source: decK 1.64, ``deck file render --populate-env-vars``. Of decK's template language only ``${{ env "DECK_NAME" }}``
is known here; anything else between ``${{`` and ``}}`` is refused rather than passed on to Kong.
"""

import re
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from kong_devkit.errors import ConfigError, unreadable

_PREFIX: Final = "DECK_"
_EXPRESSION: Final = re.compile(r"\$\{\{(.*?)\}\}")
_ENV: Final = re.compile(r"""-?\s*env\s+["`]([^"`]*)["`]\s*-?""")
_SUFFIXES: Final = frozenset({".json", ".yaml", ".yml"})


_ODD: Final = re.compile(r"[-+.]?[0-9].*|[yYnN]", re.DOTALL)
"""Texts that the YAML readers of Kong or decK take for numbers or truth values, and PyYAML does not: 1e3, 0o17, y."""
_DUMPER: Final[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class PlainDumper(_DUMPER):  # type: ignore[misc]  # which base it is, is known only when it runs
    """Writes out what stands in several places, each time: decK's lint follows no aliases. Odd texts are quoted."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's own signature
        """See PyYAML."""
        return True


def _text(dumper: Any, value: str) -> Any:
    style = "|" if "\n" in value else "'" if _ODD.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


PlainDumper.add_representer(str, _text)


def write_yaml(document: Mapping[str, Any]) -> str:
    """Return the text of a rendered document."""
    return yaml.dump(document, Dumper=PlainDumper, sort_keys=False, width=120)


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that is written twice, which YAML would resolve by dropping the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's own signature
        """See PyYAML."""
        seen: set[str] = set()
        for key_node in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key_node.value in seen:
                raise ConfigError(f"line {key_node.start_mark.line + 1}: {key_node.value} is written twice; keep one")
            seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)


def files_of(path: Path) -> Iterator[Path]:
    """Yield a file itself, or the YAML and JSON files under a directory in the order of their names.

    Raises:
        ConfigError: nothing is there.
    """
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
        if not found:
            raise ConfigError(f"{path}: no .yaml, .yml or .json file in this directory")
        yield from found
    elif path.is_file():
        yield path
    else:
        raise ConfigError(f"{path}: no such file or directory")


def read(path: Path, env: Mapping[str, str]) -> dict[str, Any]:
    """Read one file with its environment references filled in.

    Raises:
        ConfigError: unreadable, an unset or unprefixed variable, not YAML, or not a mapping; the message names the
            file and never the value of a variable.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {unreadable(error)}") from error
    try:
        document = yaml.load(expand(text, env), Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "one document expected"
        raise ConfigError(f"{path}: not valid YAML: {where}: {getattr(error, 'problem', '')}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected a mapping that begins with _format_version")
    return document


def expand(text: str, env: Mapping[str, str]) -> str:
    """Fill in ``${{ env "DECK_NAME" }}``, except on lines that are comments.

    Raises:
        ConfigError: a variable is unset or lacks the prefix, or the expression is not one of these.
    """
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.lstrip().startswith("#"):
            lines[number - 1] = _EXPRESSION.sub(lambda match, n=number: _value(match[1], n, env), line)  # type: ignore[misc]  # mypy cannot type a bound default
    return "\n".join(lines)


def _value(expression: str, line: int, env: Mapping[str, str]) -> str:
    match = _ENV.fullmatch(expression.strip())
    if match is None:
        raise ConfigError(f'line {line}: only ${{{{ env "{_PREFIX}NAME" }}}} can be filled in here, not {expression!r}')
    name = match[1]
    if not name.startswith(_PREFIX):
        raise ConfigError(f"line {line}: {name} must begin with {_PREFIX}, or decK refuses it")
    if name not in env:
        raise ConfigError(f"line {line}: the environment variable {name} is not set; set it and render again")
    return env[name]
