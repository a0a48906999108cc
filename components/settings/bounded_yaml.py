"""Reading one small YAML file: whatever is in it, soon, and without the values that YAML can make.

Concept: YAML has ways to be short and mean much: aliases that repeat aliases, numbers of a
million digits, nesting without end. So the file's bytes, its nodes (a repeated one counts
each time), their depth and the length of each value are bounded while it is read.

Promise: `read_yaml` returns plain values or raises `ConfigError`, within about a second.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from components.errors import ConfigError
from components.files import read_bytes

MAX_BYTES = 250_000
MAX_NODES = 20_000
MAX_DEPTH = 20
MAX_VALUE_CHARS = 10_000
MAX_NUMBER_CHARS = 100
MESSAGE_CHARS = 500

NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")

# What PyYAML's constructors let through for values such as `2026-99-99` or `!!bool x`.
ILL_FORMED = (ValueError, LookupError, AttributeError, TypeError, ArithmeticError, RecursionError)


def read_yaml(path: Path) -> Any:
    """Read a YAML file of one document; None where it is empty.

    Raises:
        ConfigError: there is none, it is no UTF-8 YAML, it is larger or deeper than is read
            here, or it names a key twice.
    """
    try:
        return yaml.load(_text(path), _Loader)  # noqa: S506 - a SafeLoader
    except FileNotFoundError:
        raise ConfigError(
            f"No settings at {path}.", "Run `ratchet init` there, or pass --root."
        ) from None
    except (OSError, yaml.YAMLError, *ILL_FORMED) as error:
        detail = " ".join(str(error).split()).replace("<unicode string>", path.name)
        raise ConfigError(
            f"{path} cannot be read: {detail[:MESSAGE_CHARS] or type(error).__name__}.",
            "Fix the file; it must be UTF-8 YAML.",
        ) from None


def _text(path: Path) -> str:
    """Return the file's text.

    Raises:
        OSError: it cannot be read, or is no regular file.
        ValueError: it is no UTF-8, or too large.
    """
    data = read_bytes(path, MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES:,} bytes")
    return data.decode("utf-8")


class _Loader(yaml.SafeLoader):
    """Reads YAML within the bounds, and refuses a key that stands twice (YAML keeps the last)."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._nodes = self._depth = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node and what is in it, counting."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > MAX_VALUE_CHARS:
            raise _fault(f"a value is longer than {MAX_VALUE_CHARS:,} characters", event)
        before, repeated = self._nodes, isinstance(event, yaml.AliasEvent)
        self._nodes += 1
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _fault(f"it is nested more than {MAX_DEPTH} deep", event)
        node = super().compose_node(parent, index)
        if repeated and id(node) not in self._sizes:
            raise _fault(f"`*{event.anchor[:60]}` contains itself", event)
        self._nodes += self._sizes[id(node)] if repeated else 0
        if self._nodes > MAX_NODES:
            raise _fault(f"it has more than {MAX_NODES:,} values, including repeated ones", event)
        self._depth -= 1
        self._sizes.setdefault(id(node), self._nodes - before)
        return node

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        """Return the text of a scalar; that of a number must be short."""
        if node.tag in NUMBERS and len(node.value) > MAX_NUMBER_CHARS:
            raise _fault(f"a number has more than {MAX_NUMBER_CHARS} characters", node)
        return super().construct_scalar(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping."""
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise _fault(f"the key `{key.value[:60]}` occurs twice", key)
            seen.add(key.value)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def _refuse_tag(_: _Loader, node: yaml.Node) -> Any:
    tag = node.tag.rpartition(":")[2]
    raise _fault(f"`!!{tag}` is not read here; write a list, a mapping or text", node)


for _tag in ("binary", "omap", "pairs", "set"):  # JSON has none of them, and a set has no order
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _refuse_tag)


def _fault(problem: str, at: Any) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, at.start_mark)
