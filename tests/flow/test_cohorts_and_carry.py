"""What is alike travels as one: events as cohorts, tokens as carried state."""

import json
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.batch import Happened
from models.flow.carry import carry, restore
from models.flow.cohorts import pack, unpack
from models.flow.evolve import fold
from models.flow.runs import from_runs, to_runs
from models.flow.state import Arrival, Call, Child, Ref, State, Token
from models.flow.status import ExecutionStatus as S
from models.flow.status import InstanceStatus
from tests.flow.scene import INSTANCE, LINE, NOW, Scene, command, gate, graph, hold, step
from tests.flow.strategies import LAW


def test_subjects_that_do_the_same_are_one_cohort() -> None:
    scene = Scene(graph(*LINE), subjects=100)
    asked = [cmd.Complete(command_id="bulk", actor="ann", ref=Ref(n, "a")) for n in range(100)]
    packed = pack(scene.decide(*asked).happened)
    assert [(c.event.kind, len(c.subjects), c.command_id) for c in packed] == [
        ("execution_started", 100, "bulk"),
        ("execution_completed", 100, "bulk"),
        ("execution_entered", 100, "bulk"),
    ]


def test_commands_of_their_own_keep_their_own_cohorts() -> None:
    scene = Scene(graph(*LINE), subjects=2)
    packed = pack(scene.decide(command("claim", "ann", Ref(0, "a")), command("claim", "ann", Ref(1, "a"))).happened)
    assert [c.subjects for c in packed] == [(0,), (1,)]


def test_equal_refusals_are_one_cohort_and_others_are_not() -> None:
    scene = Scene(graph(step("a", requirements=[gate()]), step("b")), subjects=4)
    asked = [cmd.Complete(command_id="bulk", actor="ann", ref=Ref(n, "a")) for n in range(4)]
    scene.do("claim", "bob", Ref(3, "a"))
    packed = pack(scene.decide(*asked).happened)
    assert [c.subjects for c in packed] == [(0, 1, 2), (3,)]
    assert len(list(unpack(packed))) == 4


def test_events_of_the_instance_stay_between_those_before_and_after() -> None:
    scene = Scene(graph(*LINE), subjects=2)
    packed = pack(
        scene.decide(command("claim", "ann", Ref(0, "a")), hold(), command("claim", "ann", Ref(1, "a"))).happened
    )
    assert [c.event.kind for c in packed] == ["execution_claimed", "instance_held", "command_refused"]
    assert packed[1].subjects == ()


def test_no_subject_is_told_its_story_in_another_order() -> None:
    one, other = Ref(0, "a"), Ref(1, "a")
    claimed, released = ev.ExecutionClaimed, ev.ExecutionReleased
    story: list[ev.Event] = [
        claimed(ref=one, at=NOW, by="ann"),
        released(ref=one, at=NOW, by="ann"),
        released(ref=other, at=NOW, by="ann"),
        claimed(ref=other, at=NOW, by="ann"),
    ]
    packed = pack(Happened(event=event, command_id=None) for event in story)
    told: list[Any] = [item.event for item in unpack(packed)]
    assert [event for event in told if event.ref == other] == story[2:]
    assert [event for event in told if event.ref == one] == story[:2]


def test_what_has_an_identity_of_its_own_stands_alone() -> None:
    pilot = {"key": "p", "requirement_type": "child_workflow", "name": "P"}
    scene = Scene(graph(step("a", requirements=[pilot]), step("b")), subjects=0)
    packed = pack(scene.decide(cmd.Begin(subjects=3)).happened)
    assert [(c.event.kind, c.subjects) for c in packed] == [
        ("instance_started", ()),
        ("execution_entered", (0, 1, 2)),
        ("child_requested", (0,)),
        ("child_requested", (1,)),
        ("child_requested", (2,)),
    ]


def uuid_of(number: int) -> str:
    return str(UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % (1 << 128)))


USERS = st.sampled_from([None, uuid_of(1), uuid_of(2), "svc", "ops:temporal", uuid_of(3).upper()])
TIMES = st.none() | st.integers(-(10**12), 10**12).map(lambda n: NOW + timedelta(microseconds=n))
REFS = st.builds(
    Ref,
    subject=st.integers(0, 20),
    step=st.sampled_from(["a", "b", "ü/§"]),
    visit=st.integers(1, 3),
    branch=st.sampled_from(["", "left"]),
)
TOKENS = st.builds(
    Token,
    status=st.sampled_from([S.PENDING, S.CLAIMED, S.IN_PROGRESS, S.AWAITING_SIGNOFF, S.WAITING]),
    assignee=USERS,
    done_by=USERS,
    result=st.sampled_from(["", "pass", "use as is"]),
    forced=st.booleans(),
    due_at=TIMES,
    limit_at=TIMES,
    overdue=st.booleans(),
    incident=st.sampled_from([None, uuid_of(7), "not-a-uuid"]),
    incident_code=st.sampled_from(["", "no_route", "action_failed"]),
    owner=USERS,
    wake_at=TIMES,
    marks=st.sampled_from([(), (NOW,), (NOW, NOW + timedelta(hours=1))]),
    mark=st.integers(0, 2),
    lot=st.sampled_from(["", "rework"]),
)
ARRIVALS = st.lists(st.builds(Arrival, join=st.sampled_from(["j", "k"]), branch=st.just("f.1.1")), min_size=1)
CALLS = st.builds(Call, call_id=st.just(uuid_of(9)), action=st.just("webhook"), attempt=st.integers(1, 3),
                  outcome=st.sampled_from(["", "failed", "succeeded"]))  # fmt: skip


@st.composite
def states(draw: st.DrawFn) -> State:
    tokens = draw(st.dictionaries(REFS, TOKENS, max_size=25))
    busy: dict[tuple[str, str], int] = {}
    for ref, token in tokens.items():
        if token.status is not S.WAITING:
            place = ref.step, token.lot
            busy[place] = busy.get(place, 0) + 1
    children = st.dictionaries(
        st.integers(0, 50).map(uuid_of) | st.just("odd"),
        st.builds(Child, ref=REFS, requirement=st.sampled_from(["p", "q"]), started=st.booleans()),
        max_size=6,
    )
    return State(
        instance_id=INSTANCE,
        status=draw(st.sampled_from(InstanceStatus)),
        seq=draw(st.integers(0, 10**9)),
        tokens=tokens,
        hops=dict.fromkeys(ref for ref in tokens if draw(st.booleans())),
        children=draw(children),
        finished=draw(st.dictionaries(st.sampled_from(["shipped", "scrapped"]), st.integers(1, 9))),
        held_at=draw(TIMES),
        subjects=draw(st.integers(0, 10_000)),
        arrived=draw(st.dictionaries(st.integers(0, 20), ARRIVALS.map(tuple), max_size=3)),
        calls=draw(st.dictionaries(REFS, CALLS, max_size=3)),
        busy=busy,
        forked={
            subject: tuple(sorted(ref for ref in tokens if ref.subject == subject and ref.branch))
            for subject in sorted({ref.subject for ref in tokens if ref.branch})
        },
    )


@LAW
@given(states())
def test_any_state_comes_back_as_it_was(state: State) -> None:
    before = state.copy()
    assert restore(json.loads(json.dumps(carry(state)))) == state == before


def test_what_is_large_travels_compressed_and_comes_back() -> None:
    hands = {Ref(n, "a"): Token(status=S.CLAIMED, assignee=f"{n * 7919 % 10_007:05}" * 12) for n in range(1_500)}
    state = State(instance_id=INSTANCE, tokens=hands, busy={("a", ""): 1_500})
    assert carry(state).keys() == {"bz2"}
    assert restore(carry(state)) == state


def test_ten_thousand_subjects_in_ten_thousand_hands_fit() -> None:
    """The worst that people can do: each subject held by another person, due at a moment of its own."""
    tokens = {
        Ref(n, "assembly"): Token(
            status=S.CLAIMED,
            assignee=uuid_of(n),
            due_at=NOW + timedelta(microseconds=n * 1_234_567 + n * n % 977),
            limit_at=NOW + timedelta(days=2, microseconds=n * 1_234_999 + n * n % 911),
        )
        for n in range(10_000)
    }
    state = State(instance_id=INSTANCE, tokens=tokens, busy={("assembly", ""): 10_000})
    text = json.dumps(carry(state))
    assert len(text) < 512 * 1024
    assert restore(json.loads(text)) == state


def test_ten_thousand_incidents_in_ten_thousand_hands_fit() -> None:
    """What no plant will see: each subject also stopped, at a limit of visits, by an incident of its own."""
    chance = Random(1)

    def anybody() -> str:
        return str(UUID(int=chance.getrandbits(128)))

    tokens = {}
    for n in range(10_000):
        due = NOW + timedelta(microseconds=chance.randrange(10**11))
        tokens[Ref(n, "assembly", 1 + n % 3)] = Token(
            status=S.IN_PROGRESS,
            assignee=anybody(),
            incident=anybody(),
            incident_code="visit_limit_reached",
            due_at=due,
            limit_at=due + timedelta(days=2),
            marks=(NOW, NOW + timedelta(hours=n % 8)),
            mark=n % 2,
        )
    busy = {("assembly", ""): 10_000}
    state = State(instance_id=INSTANCE, subjects=10_000, tokens=tokens, busy=busy)
    text = json.dumps(carry(state))
    assert len(text) < 512 * 1024
    assert restore(json.loads(text)) == state


def test_ten_thousand_alike_are_a_line() -> None:
    scene = Scene(graph(*LINE), subjects=10_000)
    assert len(json.dumps(carry(scene.state))) < 500


def test_a_form_of_the_future_is_refused() -> None:
    with pytest.raises(ValueError, match="version 3"):
        restore({**carry(State(instance_id=INSTANCE)), "v": 3})


def test_the_form_of_today_stays_readable() -> None:
    """Written by the first release; runs that carry it may be weeks old when a new one reads it."""
    written = {
        "v": 1,
        "instance_id": INSTANCE,
        "status": "in_progress",
        "seq": 12,
        "held_at": None,
        "finished": {"stock": 2},
        "users": ["ann"],
        "tokens": [
            [
                "a",
                1,
                "",
                "claimed",
                "",
                False,
                True,
                [[0, 4, 1]],
                [[0, 4, 0]],
                [[4]],
                [1772438400000000, None, [2]],
                [[4]],
            ]
        ],
        "hops": [["a", 1, "", [1]]],
        "incidents": [["a", 1, "", [2], ["i"]]],
        "children": [["a", 1, "", "p", True, [3], ["c"]]],
    }
    state = restore(written)
    assert state.tokens[Ref(0, "a")] == Token(status=S.CLAIMED, assignee="ann", overdue=True, due_at=NOW)
    assert state.tokens[Ref(2, "a")].incident == "i"
    assert state.hops == {Ref(1, "a"): None}
    assert state.children == {"c": Child(ref=Ref(3, "a"), requirement="p", started=True)}
    assert restore(carry(state)) == state


def test_a_run_that_was_begun_before_incidents_had_their_codes_goes_on() -> None:
    ref = Ref(0, "a")
    state = State(instance_id=INSTANCE, tokens={ref: Token(incident=uuid_of(7), incident_code="no_route")})
    written = carry(state)
    del written["incident_codes"]
    assert restore(written).tokens == {ref: Token(incident=uuid_of(7))}


def test_a_restored_state_goes_on() -> None:
    scene = Scene(graph(step("a", requires_batch_completion=True), step("b")), subjects=2)
    scene.do("complete", ref=Ref(0, "a"))
    scene.state = restore(json.loads(json.dumps(carry(scene.state))))
    assert scene.do("complete", ref=Ref(1, "a")).outcome == "advanced"
    assert fold(State(instance_id=INSTANCE), scene.events).tokens == scene.state.tokens
    assert not [event for event in scene.events if isinstance(event, ev.IncidentOpened)]


@pytest.mark.parametrize(
    ("column", "entries"),
    [
        ([], []),
        ([5, 6, 7, 8, 20], [[5, 4, 1], 12]),
        ([3, 3, 3, 3], [[3, 4, 0]]),
        ([None, None, None, 1, None], [[3], 1, None]),
        ([1, 2, 3], [1, 1, 1]),
    ],
)
def test_columns(column: list[int | None], entries: list[object]) -> None:
    assert to_runs(column) == entries
    assert from_runs(to_runs(column)) == column


def test_a_broken_column_is_refused() -> None:
    with pytest.raises(ValueError, match="not an entry"):
        from_runs([[1, 2]])
