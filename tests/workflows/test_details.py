"""What an operator of the system reads in Temporal's Web UI: what stopped, why, and what is waited for."""

from dataclasses import replace
from datetime import timedelta

from temporalio.api.sdk.v1 import WorkflowMetadata

from activities.contract import InstanceInfo
from models.flow.state import Ref, State, Token
from tests.flow.routed import automatic, message, timer
from tests.flow.scene import INSTANCE, NOW, graph, step
from tests.support.plant import Plant, edge, end, line
from tests.support.plant import step as drawn
from workflows.details import markdown

INFO = InstanceInfo(
    identifier="WO-2026-0001",
    name="",
    process_key="p",
    process_name="Housing",
    category="manufacturing",
    tenant_key="main",
    site="main",
)


def told(*parts: dict[str, object], **tokens: Token) -> list[str]:
    """The lines about subjects that stand at these steps, one after the other."""
    return told_of(INFO, *parts, **tokens)


def told_of(info: InstanceInfo, /, *parts: dict[str, object], **tokens: Token) -> list[str]:
    places = {Ref(number, key.split("__")[0]): token for number, (key, token) in enumerate(tokens.items())}
    state = State(instance_id=INSTANCE, tokens=places)
    return [one for one in markdown(info, state, graph(*parts, checked=False)).splitlines() if one]


def test_incidents_are_told_with_their_code_by_step() -> None:
    full = Token(incident="i", incident_code="visit_limit_reached")
    lines = told(
        step("a"), step("b"), a__1=full, b=Token(incident="j", incident_code="no_route"), a__2=full, a__3=Token()
    )
    assert lines[-2:] == [
        "- **Incident** `visit_limit_reached` at A, 2 subjects: 1, 3",
        "- **Incident** `no_route` at B, subject 2",
    ]


def test_an_incident_of_a_run_from_before_codes_were_carried_is_told_without() -> None:
    assert told(step("a"), a=Token(incident="i"))[-1] == "- **Incident** at A, subject 1"


def test_of_many_that_stopped_twenty_are_named() -> None:
    stuck = {f"a__{number}": Token(incident="i", incident_code="no_route") for number in range(25)}
    last = told(step("a"), **stuck)[-1]
    assert last.startswith("- **Incident** `no_route` at A, 25 subjects: 1, 2, ")
    assert last.endswith(", 19, 20, …")


def test_an_engines_step_says_what_it_waits_for() -> None:
    rings = NOW + timedelta(hours=2)
    lines = told(timer("t"), message("m"), automatic("x"), t=Token(wake_at=rings), m=Token(), x=Token())
    assert lines[-3:] == [
        "- **T**: 1 pending; the timer rings at 2026-03-02 10:00 UTC",
        "- **M**: 1 pending; waits for the event paid",
        "- **X**: 1 pending; action webhook",
    ]


def test_names_are_shown_as_they_were_written_and_never_as_markdown() -> None:
    lines = told_of(replace(INFO, name="![seen](https://example.com/x) <b>\n# 10*20_mm"), step("a"), a=Token())
    assert lines[1] == r"\!\[seen\](https://example.com/x) \<b\> \# 10\*20\_mm  "


async def test_the_web_ui_tells_why_a_subject_stopped(plant: Plant) -> None:
    drawing = line(
        drawn("check", is_decision_point=True),
        drawn("rework", max_visits=1),
        end("ok"),
        edges=[edge("check", "ok"), edge("check", "rework", "alternate"), edge("rework", "check")],
    )
    instance = await plant.begin(drawing)
    await plant.act(instance, "complete", Ref(0, "check"), decision_result="fail")
    await plant.act(instance, "complete", Ref(0, "rework"))
    await plant.act(instance, "complete", Ref(0, "check", 2), decision_result="fail")
    handle = plant.client.get_workflow_handle(str(instance))

    async def code_is_shown() -> bool:
        shown = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        return "- **Incident** `visit_limit_reached` at Check, subject 1" in shown.current_details.splitlines()

    await plant.eventually(code_is_shown)
