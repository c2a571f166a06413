"""Notices in words. Tenants may write the templates themselves, so what a template can do is listed here.

Three fences: only the nodes of `_NODES` (no calls, no attributes, no arithmetic, no nested loops), only the names of
`VARIABLES`, and Jinja2's immutable sandbox beneath. HTML is escaped by Jinja2's autoescape, and `safe` does not exist.
A subject is one line whatever the values are: no header can be smuggled into an e-mail.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from jinja2 import StrictUndefined, Template, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from models.notices.shipped import Wording

VARIABLES: Final[Mapping[str, str]] = {
    "kind": "kind of the notice",
    "recipient": "name of whoever reads it",
    "workflow": "identifier of the instance",
    "workflow_name": "name of the instance",
    "process": "name of the process",
    "step": "name of the step",
    "subject": "identifier of the subject, the first of several",
    "subjects": "identifiers of the subjects, at most 20, to loop over",
    "count": "how many subjects",
    "due_at": "when it is or was due",
    "reason": "why, in the words of whoever did it",
    "actor": "who did it",
    "level": "level of an escalation",
    "code": "code of an incident",
    "message": "what happened",
    "requirement": "name of the requirement",
    "stage": "stage of an approval",
    "delegated_by": "who passed an approval on",
    "source": "device or address it came from",
    "link": "address of what it is about",
}
"""What a template may name; each is text but `subjects` (list of text), `count` and `level` (numbers)."""

_EMPTY: Final[Mapping[str, Any]] = {"subjects": (), "count": 1}
LONGEST_TEMPLATE: Final = 10_000
LONGEST_SUBJECT: Final = 200
LONGEST_BODY: Final = 20_000
_FILTERS: Final = frozenset({"default", "e", "escape", "join", "length", "lower", "title", "trim", "truncate", "upper"})
_TESTS: Final = frozenset({"defined", "undefined"})
_NODES: Final = frozenset(
    {
        nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If, nodes.For, nodes.CondExpr,
        nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
    }
)  # fmt: skip
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class TemplateRefusedError(ValueError):
    """A template that may not be kept or cannot be rendered; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A notice in words; `subject` is one line without control characters."""

    subject: str
    text: str
    html: str


class _Sandbox(ImmutableSandboxedEnvironment):
    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(autoescape=autoescape, undefined=StrictUndefined, cache_size=0, keep_trailing_newline=False)
        self.globals.clear()
        self.filters = {name: self.filters[name] for name in sorted(_FILTERS)}
        self.tests = {name: self.tests[name] for name in sorted(_TESTS)}


_PLAIN: Final = _Sandbox(autoescape=False)
_HTML: Final = _Sandbox(autoescape=True)


def check_template(source: str) -> None:
    """See that a template only does what templates may do.

    Raises:
        TemplateRefusedError: with the reason, for the person who wrote it.
    """
    if len(source) > LONGEST_TEMPLATE:
        raise TemplateRefusedError(f"it is longer than {LONGEST_TEMPLATE} characters")
    try:
        tree = _PLAIN.parse(source)
    except (TemplateError, RecursionError) as error:
        raise TemplateRefusedError(str(error)[:300] or type(error).__name__) from error
    _check_node(tree, frozenset(VARIABLES), in_loop=False)


def _check_node(node: nodes.Node, names: frozenset[str], *, in_loop: bool) -> None:
    where = f"line {node.lineno}: "
    if type(node) not in _NODES:
        raise TemplateRefusedError(f"{where}{type(node).__name__.lower()} is not allowed here")
    match node:
        case nodes.Name(name=name, ctx="load") if name not in names:
            raise TemplateRefusedError(f"{where}there is no variable {name}; there are {', '.join(VARIABLES)}")
        case nodes.Filter(name=name) if name not in _FILTERS:
            raise TemplateRefusedError(f"{where}there is no filter {name}; there are {', '.join(sorted(_FILTERS))}")
        case nodes.Test(name=name) if name not in _TESTS:
            raise TemplateRefusedError(f"{where}there is no test {name}; there are {', '.join(sorted(_TESTS))}")
        case nodes.For(target=nodes.Name(name=name)) if not in_loop:
            names, in_loop = names | {name}, True
        case nodes.For():
            raise TemplateRefusedError(f"{where}one loop at a time, over one name")
        case _:
            pass
    for child in node.iter_child_nodes():
        _check_node(child, names, in_loop=in_loop)


def render(wording: Wording, values: Mapping[str, Any]) -> Rendered:
    """Put values into a wording; a variable without a value is empty text.

    Raises:
        TemplateRefusedError: a template is not allowed, or cannot be rendered with these values.
    """
    given = {name: values.get(name, _EMPTY.get(name, "")) for name in VARIABLES}
    subject = one_line(_fill(_PLAIN, wording.subject, given))
    text = _fill(_PLAIN, wording.body, given).strip()[:LONGEST_BODY]
    html = _fill(_HTML, wording.body_html, given).strip() if wording.body_html else paragraphs(text)
    return Rendered(subject=subject, text=text, html=html)


def _fill(sandbox: _Sandbox, source: str, values: Mapping[str, Any]) -> str:
    compiled = _allowed(sandbox, source)
    try:
        return compiled.render(values)
    except (TemplateError, ArithmeticError, TypeError, ValueError, AttributeError) as error:
        raise TemplateRefusedError(str(error)[:300] or type(error).__name__) from error


@lru_cache(maxsize=512)
def _allowed(sandbox: _Sandbox, source: str) -> Template:
    check_template(source)
    return sandbox.from_string(source)


def one_line(text: str) -> str:
    """Text as one line without control characters, for subjects and other headers."""
    return _CONTROL.sub(" ", text).strip()[:LONGEST_SUBJECT]


def paragraphs(text: str) -> str:
    """Plain text as HTML, everything escaped."""
    blocks = [block for block in text.split("\n\n") if block.strip()]
    return "\n".join(str(Markup("<p>{}</p>").format(_broken(block))) for block in blocks)


def _broken(block: str) -> Markup:
    return Markup("<br>\n").join(escape(line) for line in block.split("\n"))


def page(html: str, links: Sequence[tuple[str, str]]) -> str:
    """An e-mail's HTML: the body, and a way to what it is about."""
    ways = "\n".join(str(Markup('<p><a href="{}">{}</a></p>').format(address, name)) for name, address in links)
    return f'<!doctype html>\n<html lang="en"><body style="font-family:sans-serif">\n{html}\n{ways}\n</body></html>\n'
