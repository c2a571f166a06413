"""Cohorts fold to what their events fold to, one by one."""

from datetime import timedelta
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from models.flow import events as ev
from models.flow.cohorts import Cohort, unpack
from models.flow.evolve import fold
from models.flow.folding import fold_packed
from models.flow.state import Ref, State, Token
from tests.flow.scene import INSTANCE, NOW
from tests.flow.strategies import LAW
from tests.flow.test_cohorts_and_carry import REFS, states

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "ref": REFS.map(lambda ref: ref._replace(subject=0)),
    "at": st.just(NOW),
    "due_at": st.sampled_from([None, NOW]),
    "limit_at": st.sampled_from([None, NOW]),
    "marks": st.sampled_from([(), (NOW, NOW + timedelta(hours=1))]),
    "lot": st.sampled_from(["", "rework"]),
    "how": st.just("move"),
    "assignee": st.sampled_from([None, "ann"]),
    "to": st.sampled_from([None, "ann", "bob"]),
    "hop": st.booleans(),
    "branch": st.just("f.1.1"),
}
"""What the fields of events are drawn from; the others come from their types."""
KINDS = [one for one in get_args(ev.ExecutionEvent) if one is not ev.IncidentOpened]


def cohorts_of(kind: type[Any]) -> st.SearchStrategy[Cohort]:
    fields = {name: VALUES[name] for name in kind.__dataclass_fields__ if name in VALUES}
    return st.builds(
        Cohort, event=st.builds(kind, **fields), subjects=st.lists(st.integers(0, 22), unique=True).map(tuple)
    )


@LAW
@given(states(), st.lists(st.sampled_from(KINDS).flatmap(cohorts_of), max_size=4))
def test_cohorts_fold_as_their_events_do(state: State, cohorts: list[Cohort]) -> None:
    before = state.copy()
    assert fold_packed(state, cohorts) == fold(state, (item.event for item in unpack(cohorts)))
    assert state == before


def test_those_of_one_cohort_who_differ_stay_different() -> None:
    refs = [Ref(number, "a") for number in range(4)]
    tokens = [Token(due_at=NOW), Token(), Token(lot="L1"), Token(due_at=NOW)]
    state = State(instance_id=INSTANCE, tokens=dict(zip(refs, tokens, strict=True)), hops={refs[1]: None})
    state.busy = {("a", ""): 3, ("a", "L1"): 1}
    checked = Cohort(event=ev.ExecutionChecked(ref=refs[0], at=NOW), subjects=(0, 1, 2, 3))
    claimed = Cohort(event=ev.ExecutionClaimed(ref=refs[0], at=NOW, by="ann"), subjects=(0, 1, 2, 3))
    after = fold_packed(state, [claimed, checked])
    assert after == fold(state, (item.event for item in unpack([claimed, checked])))
    assert [after.tokens[ref].due_at for ref in refs] == [NOW, None, None, NOW]
    assert after.hops == {}


def test_ten_thousand_who_enter_together_share_one_token() -> None:
    entered = Cohort(event=ev.ExecutionEntered(ref=Ref(0, "a"), at=NOW, due_at=NOW), subjects=tuple(range(10_000)))
    claimed = Cohort(event=ev.ExecutionClaimed(ref=Ref(0, "a"), at=NOW, by="ann"), subjects=tuple(range(5_000)))
    state = fold_packed(State(instance_id=INSTANCE), [entered, claimed])
    assert len({id(token) for token in state.tokens.values()}) == 2
    assert state.busy == {("a", ""): 10_000}
