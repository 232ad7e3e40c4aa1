"""Templates that administrators write, in a part of Jinja2 that ends soon whatever they write.

There is no clock that could stop a template: it would have to be another process. So what takes long cannot be said: a template has
text, values, `if`, `for` without another one inside, and a few filters; no calls, no arithmetic, no macros, nothing that grows with
each use. What it works on is bounded before (`facts.plain`), and what it writes is counted while it writes. Beside that it runs in Jinja2's
sandbox, where it sees the values that it is given, and nothing else.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.notify.domain.facts import size
from shared.core.errors import InvalidInput

MOST_SOURCE, MOST_OUTPUT = 10_000, 20_000
FILTERS = ("capitalize", "default", "first", "join", "last", "length", "lower", "size", "trim", "truncate", "upper")
_NODES: tuple[type[nodes.Node], ...] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem, nodes.Filter, nodes.Keyword,
    nodes.If, nodes.For, nodes.CondExpr, nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Concat,
)  # fmt: skip
_TESTS = ("defined", "undefined", "none", "true", "false", "string", "number", "sequence", "mapping", "in", "eq", "ne")
_MOST_SEPARATOR = 10


class JinjaEngine:
    """`Engine` by Jinja2."""

    def check(self, source: Any) -> str:
        """A template that can be used."""
        return checked_template(source)

    def render(self, source: str, values: Mapping[str, Any]) -> str:
        """What a template writes about these values."""
        return render(source, values)


def checked_template(source: Any) -> str:
    """A template that can be used.

    Raises:
        InvalidInput: TEMPLATE_INVALID, with the line and the rule that it breaks.
    """
    if not isinstance(source, str) or not source.strip() or len(source) > MOST_SOURCE:
        raise InvalidInput(f"a template is a text of 1 to {MOST_SOURCE} characters", "TEMPLATE_INVALID")
    _compiled(source)
    return source


def render(source: str, values: Mapping[str, Any]) -> str:
    """What a template writes about these values.

    Raises:
        InvalidInput: TEMPLATE_INVALID, if it cannot be used, fails on these values, or writes nothing or too much.
    """
    written, length = [], 0
    try:
        for part in _compiled(source).generate(dict(values)):
            length += len(part)
            if length > MOST_OUTPUT:
                raise InvalidInput(f"the template writes more than {MOST_OUTPUT} characters", "TEMPLATE_INVALID")
            written.append(part)
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
        raise InvalidInput(f"the template fails: {type(error).__name__}: {str(error)[:200]}", "TEMPLATE_INVALID") from error
    text = "".join(written)
    if not text.strip():
        raise InvalidInput("the template writes nothing", "TEMPLATE_INVALID")
    return text


def _join(value: Any, separator: str = ", ") -> str:
    """Items of a list in a line; not letters of a text, which would let it grow again and again."""
    items = [str(one) for one in value] if isinstance(value, list) else [str(value)]
    return str(separator)[:_MOST_SEPARATOR].join(items)


def _truncate(value: Any, most: int = 80) -> str:
    """At most so many characters."""
    text = str(value)
    return text if len(text) <= most else text[: max(0, most - 1)] + "…"


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: "" if value is None else value,
        optimized=False,
    )
    environment.globals.clear()
    known = {**environment.filters, "join": _join, "truncate": _truncate, "size": lambda value: size(float(value))}
    environment.filters = {name: known[name] for name in FILTERS}
    environment.tests = {name: environment.tests[name] for name in _TESTS}
    return environment


_JINJA = _environment()


@functools.lru_cache(maxsize=32)
def _compiled(source: str) -> Any:
    try:
        tree = _JINJA.parse(source)
        _check(tree, within_loop=False)
        return _JINJA.from_string(source)
    except RecursionError as error:
        raise InvalidInput("the template is nested too deeply", "TEMPLATE_INVALID") from error
    except (SyntaxError, ValueError) as error:
        # What Jinja2 makes of a template is Python, whose compiler has limits of its own; so have its numbers.
        raise InvalidInput(f"the template cannot be read: {error}", "TEMPLATE_INVALID") from error
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise InvalidInput(f"the template cannot be read{f' (line {line})' if line else ''}: {error}", "TEMPLATE_INVALID") from error


def _check(node: nodes.Node, *, within_loop: bool) -> None:
    if not isinstance(node, _NODES):
        raise InvalidInput(f"a template has no {type(node).__name__.lower()} (line {node.lineno})", "TEMPLATE_INVALID")
    if isinstance(node, nodes.For) and (within_loop or node.recursive):
        raise InvalidInput(f"a loop within a loop is too much for a template (line {node.lineno})", "TEMPLATE_INVALID")
    for child in node.iter_child_nodes():
        _check(child, within_loop=within_loop or isinstance(node, nodes.For))
