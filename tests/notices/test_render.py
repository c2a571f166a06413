"""What a notice's template may do, and what it cannot whatever somebody writes into it."""

from typing import Any

import pytest

from models.notices.kinds import NoticeKind
from models.notices.render import VARIABLES, TemplateRefusedError, check_template, one_line, page, render
from models.notices.sample import sample_values
from models.notices.shipped import SHIPPED, Wording

EVIL = "<script>alert(1)</script> \"'&"


@pytest.mark.parametrize("kind", NoticeKind)
def test_every_kind_has_a_wording_that_reads(kind: NoticeKind) -> None:
    for values in (sample_values(kind), {"message": "m", "workflow": "WO-1", "process": "P", "subject": "SN-1"}):
        said = render(SHIPPED[kind], values)
        assert said.subject
        assert said.text
        assert "{" not in said.subject + said.text
        assert "\n" not in said.subject


def test_it_says_what_where_and_until_when() -> None:
    said = render(SHIPPED[NoticeKind.EXECUTION_OVERDUE], sample_values(NoticeKind.EXECUTION_OVERDUE))
    assert said.subject == "Overdue: Inspect, 2 subjects"
    first, due = said.text.split("\n\n")
    assert first == "Inspect of WO-2026-0042 (Housing batch) is overdue for 2 subjects."
    assert due == "Due: 2026-05-04 16:00 UTC"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__ }}",
        "{{ workflow.__class__.__mro__ }}",
        "{{ workflow['__class__'] }}",
        "{{ workflow|attr('__class__') }}",
        "{{ self }}",
        "{{ cycler() }}",
        "{{ range(10 ** 9) }}",
        "{{ 'x' * 1000000000 }}",
        "{{ 2 ** 999999 }}",
        "{{ workflow.upper() }}",
        "{{ secret_key }}",
        "{{ link|safe }}",
        "{% autoescape false %}{{ subject }}{% endautoescape %}",
        "{% include '/etc/passwd' %}",
        "{% extends 'x' %}",
        "{% import 'os' as os %}",
        "{% set x = 1 %}",
        "{% macro m() %}{% endmacro %}",
        "{% for a in subjects %}{% for b in subjects %}{{ a }}{% endfor %}{% endfor %}",
        "{% for a, b in subjects %}{{ a }}{% endfor %}",
        "{{ subjects|map(attribute='x')|list }}",
        "{{ '%1000000000s'|format(1) }}",
        "{{ workflow is sameas workflow }}",
        "{{ loop }}",
        "{{ unclosed",
        "{% if %}",
        "x" * 10_001,
        "{{ " + "(" * 2_000 + "1" + ")" * 2_000 + " }}",
    ],
)
def test_what_a_template_may_not_do_is_refused(source: str) -> None:
    with pytest.raises(TemplateRefusedError):
        check_template(source)
    with pytest.raises(TemplateRefusedError):
        render(Wording(subject="s", body=source), sample_values(NoticeKind.ESCALATION))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ workflow|upper }}", "WO-2026-0042"),
        ("{% for one in subjects %}<{{ one }}>{% endfor %}", "<SN-1><SN-2>"),
        ("{{ subjects|join(', ') }}", "SN-1, SN-2"),
        ("{{ reason|default('none') }}", "Machine down"),
        ("{% if level and level > 1 %}high{% else %}low{% endif %}", "high"),
        ("{{ 'many' if count > 1 else 'one' }}", "many"),
    ],
)
def test_what_a_template_may_do(source: str, text: str) -> None:
    values = {**sample_values(NoticeKind.ESCALATION), "subjects": ["SN-1", "SN-2"]}
    assert render(Wording(subject="s", body=source), values).text == text


def everything(value: str) -> dict[str, Any]:
    return {**dict.fromkeys(VARIABLES, value), "subjects": [value], "count": 1}


@pytest.mark.parametrize("kind", NoticeKind)
def test_values_are_escaped_in_html_and_left_alone_in_text(kind: NoticeKind) -> None:
    said = render(SHIPPED[kind], everything(EVIL))
    assert "<script" not in said.html
    assert "&lt;script&gt;" in said.html
    assert EVIL in said.text


def test_a_tenants_own_html_is_escaped_where_values_go_in() -> None:
    own = Wording(subject="s", body="b", body_html="<b>{{ subject }}</b>{{ subjects|join('<br>') }}")
    assert render(own, everything(EVIL)).html.startswith("<b>&lt;script&gt;")
    assert "<script" not in render(own, everything(EVIL)).html
    assert "javascript" not in page("", [('"><script>', "https://x/")])
    assert "<script" not in page("", [('"><script>', "https://x/")])


def test_values_are_not_templates() -> None:
    assert render(Wording(subject="s", body="{{ subject }}"), everything("{{ 7 * 7 }}")).text == "{{ 7 * 7 }}"


@pytest.mark.parametrize("kind", NoticeKind)
@pytest.mark.parametrize("evil", ["a\r\nBcc: all@example.com", "a\nX: y", "a\u2028b", "a\x00b", "a\x85b"])
def test_a_subject_is_one_line_whatever_the_values_are(kind: NoticeKind, evil: str) -> None:
    said = render(SHIPPED[kind], everything(evil)).subject
    assert said.splitlines() == [said]
    assert said.isprintable()


def test_a_line_has_an_end() -> None:
    assert len(one_line("x" * 10_000)) == 200
