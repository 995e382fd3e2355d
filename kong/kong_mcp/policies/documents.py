"""YAML files of policies, as values that know the line they stand in.

A file may use anchors, as hand-written decK does, but not so that a short file stands for a large one; and no key
stands twice, of which readers would drop one or the other.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

MOST_BYTES: Final = 64 * 1024 * 1024
"""A rendered state of a thousand servers has some ten million."""
MOST_NODES: Final = 5_000_000
"""Values that a file may stand for, each alias counted as what it stands for."""

Step: TypeAlias = str | int
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_EXPRESSION: Final = re.compile(r"\$\{\{[^\n]*?\}\}")
_ENV: Final = re.compile(r"""\$\{\{-?\s*env\s+["`](\w+)["`]\s*-?\}\}""")
_STEP: Final = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


class PolicySourceError(ValueError):
    """Something that policies are read from cannot be used; the message begins with FILE:LINE where there is one."""


def steps(path: str) -> tuple[Step, ...]:
    """Return the keys and indices of a path such as `rules[1].tools.deny[0]`."""
    return tuple(int(number) if number else key for number, key in _STEP.findall(path))


@dataclass(frozen=True, slots=True)
class Document:
    """One file: its name as it was given, its values, and the nodes that they were made of."""

    name: str
    values: Any
    node: yaml.Node | None

    def line(self, path: Sequence[Step]) -> int | None:
        """Return the line of a value, or of its key where it has one; None where nothing stands there."""
        place = node = self.node
        for step in path:
            place, node = _below(node, step)
        return None if place is None else place.start_mark.line + 1

    def where(self, path: Sequence[Step]) -> str:
        """Return FILE:LINE of a value, or of the nearest above it; FILE alone where no text was read."""
        if self.node is None:
            return self.name
        path = list(path)
        while (line := self.line(path)) is None:
            path.pop()
        return f"{self.name}:{line}"

    def error(self, path: Sequence[Step], text: str) -> PolicySourceError:
        """Return an error about a value, with its line."""
        return PolicySourceError(f"{self.where(path)}: {text}")


def _below(node: yaml.Node | None, step: Step) -> tuple[yaml.Node | None, yaml.Node | None]:
    """Return what stands first under a key or an index, and the value itself."""
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == step), (None, None))
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None, None


def read_document(path: Path) -> Document:
    """Read one file. decK's `${{ env "NAME" }}` is filled in where the variable is set.

    Raises:
        PolicySourceError: it cannot be read, is too large, or is no YAML that has one meaning.
    """
    name = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        text = data.decode()
    except OSError as error:
        raise PolicySourceError(f"{name}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PolicySourceError(f"{name}:{line}: this is no UTF-8: save the file as UTF-8 text") from None
    if len(data) > MOST_BYTES:
        raise PolicySourceError(f"{name}: it has more than {MOST_BYTES} bytes: give the files that it was made of")
    if "${{" in text:
        text = _EXPRESSION.sub(_filled, text)
    loader = None
    try:
        loader = _LOADER(text)
        node = loader.get_single_node()
        if node is not None:
            _check(name, node)
        return Document(name, None if node is None else loader.construct_document(node), node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or str(error).partition("\n")[0]
        where = f"{name}:{mark.line + 1}" if mark else name
        raise PolicySourceError(f"{where}: this is no YAML: {said}") from None
    except (RecursionError, ValueError) as error:
        if isinstance(error, PolicySourceError):
            raise
        raise PolicySourceError(f"{name}: this is no YAML that can be read: {error}") from None
    finally:
        if loader is not None:
            loader.dispose()


def _filled(expression: re.Match[str]) -> str:
    found = _ENV.fullmatch(expression[0])
    return os.environ.get(found[1], f"{found[1]}-is-not-set") if found else "an-expression-of-deck"


def _check(name: str, root: yaml.Node) -> None:
    """Refuse a node that stands within itself, what stands for too much, and keys that stand twice."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        known = sizes.get(id(node))
        if known is not None:
            if known == 0:
                raise PolicySourceError(
                    f"{name}:{node.start_mark.line + 1}: this alias stands within what it stands for"
                )
            return known
        if isinstance(node, yaml.ScalarNode):
            return 1
        sizes[id(node)] = 0
        if isinstance(node, yaml.MappingNode):
            _refuse_twins(name, node)
            total = 1 + sum(size(value) for _, value in node.value)
        else:
            total = 1 + sum(map(size, node.value))
        if total > MOST_NODES:
            raise PolicySourceError(
                f"{name}:{node.start_mark.line + 1}: with its aliases this stands for more than {MOST_NODES} values"
            )
        sizes[id(node)] = total
        return total

    size(root)


def _refuse_twins(name: str, node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                raise PolicySourceError(f"{name}:{key.start_mark.line + 1}: {key.value!a} stands twice here: keep one")
            seen.add(key.value)
