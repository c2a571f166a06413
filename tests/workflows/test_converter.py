"""Values travel as Pydantic's JSON, and no run of a workflow builds adapters of its own."""

from activities.contract import Recorded
from models.flow.state import Ref
from workflows.converter import PayloadConverter, data_converter


def test_an_answer_comes_back_as_it_was() -> None:
    given = Recorded(status="idle", seq=3, later=(Ref(1, "a"),))
    (payload,) = PayloadConverter().to_payloads([given])
    assert payload.metadata["encoding"] == b"json/plain"
    assert PayloadConverter().from_payloads([payload], [Recorded]) == [given]


def test_every_run_has_the_same_adapters() -> None:
    one, other = (data_converter.payload_converter_class() for _ in range(2))
    adapters = [vars(converter)["converters"][b"json/plain"]._type_adapter(Recorded) for converter in (one, other)]
    assert adapters[0] is adapters[1]
