"""Records and their maps."""

from __future__ import annotations

import contextlib
import dataclasses

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traces import KINDS, RECORDS
from wsproxy.trace import FrameRecord, Record, records
from wsproxy.trace.records import MAX_INT, AnyRecord, BadRecord, Sync, from_map, to_map

CLASSES = {cls.kind: cls for cls in records._CLASSES}


def test_record_kinds_all_have_a_strategy() -> None:
    assert set(KINDS) == set(CLASSES) - {"sync", "more"}


@pytest.mark.parametrize("kind", KINDS)
def test_to_map_from_map_round_trip_is_identity(kind: str) -> None:
    @given(KINDS[kind])
    def check(record: AnyRecord) -> None:
        packed = msgpack.unpackb(msgpack.packb(to_map(record)))
        assert from_map(packed) == record
        assert packed["kind"] == kind

    check()


def test_sync_round_trip_is_identity() -> None:
    sync = Sync(1, "ab", 7)
    assert from_map(to_map(sync)) == sync


@pytest.mark.one_python
@pytest.mark.parametrize("kind", KINDS)
def test_to_map_kind_is_first_and_none_is_omitted(kind: str) -> None:
    @given(KINDS[kind])
    def check(record: AnyRecord) -> None:
        packed = to_map(record)
        assert next(iter(packed)) == "kind"
        assert None not in packed.values()

    check()


@given(RECORDS, st.dictionaries(st.text(), st.integers() | st.text() | st.none(), max_size=3))
def test_from_map_unknown_keys_are_ignored(record: Record, extra: dict[str, object]) -> None:
    packed = to_map(record)
    assert from_map({**extra, **packed}) == record or set(extra) & {
        f.name for f in dataclasses.fields(record)
    }


END = {"kind": "end", "t_ns": 0, "ending": "close"}
START = {"kind": "start", "t_ns": 0, "version": 1, "session": "ab", "started_at_ns": 0}


@pytest.mark.parametrize(
    ("record", "old", "new", "value"),
    [
        (START, "made_up", "synthetic", True),
        (END, "by_rule", "heuristic_redactions", ["header X-Key (looks like a key)"]),
    ],
    ids=["start", "end"],
)
def test_from_map_old_key_is_read_as_the_new_one(
    record: dict[str, object], old: str, new: str, value: bool | list[str]
) -> None:
    read = from_map({**record, old: value})
    assert read is not None
    assert read == from_map({**record, new: value})
    assert (getattr(read, new), old in to_map(read)) == (value, False)
    with pytest.raises(BadRecord, match=f"{new} has the wrong type"):
        from_map({**record, old: 1})
    with_both = from_map({**record, old: value, new: type(value)()})
    assert getattr(with_both, new) == type(value)()


def test_from_map_unknown_kind_is_ignored() -> None:
    assert from_map({"kind": "marker", "t_ns": "?"}) is None


SAMPLES = {int: 3, str: "x", bytes: b"x", bool: True, list: [], dict: {}, float: 0.5}
FIELDS = [
    (kind, name, accepts) for kind, fields in records._FIELDS.items() for name, accepts, _ in fields
]


def minimal(kind: str) -> dict[str, object]:
    values: dict[str, object] = {"kind": kind}
    for name, accepts, required in records._FIELDS[kind]:
        if required:
            values[name] = SAMPLES[next(t for t in SAMPLES if t in accepts)]
    if kind == "frame":
        values["opcode"] = 2
    return values


@pytest.mark.parametrize("kind", CLASSES)
def test_from_map_required_keys_are_sufficient_and_necessary(kind: str) -> None:
    assert isinstance(from_map(minimal(kind)), CLASSES[kind])
    for name, _, required in records._FIELDS[kind]:
        if required:
            values = minimal(kind)
            del values[name]
            with pytest.raises(BadRecord, match=f"{kind}.{name} is missing"):
                from_map(values)


@pytest.mark.parametrize(("kind", "name", "accepts"), FIELDS)
def test_from_map_wrong_types_are_rejected(kind: str, name: str, accepts: frozenset[type]) -> None:
    wrong = [value for of, value in [*SAMPLES.items(), (type(None), None)] if of not in accepts]
    assert wrong
    for value in wrong:
        message = f"{kind}.{name} has the wrong type"
        with pytest.raises(BadRecord, match=message):
            from_map({**minimal(kind), name: value})
            pytest.fail(f"{kind}.{name} took {value!r}")


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("frame", {"opcode": 3}),
        ("frame", {"rsv": 8}),
        ("frame", {"mask": b"abc"}),
        ("frame", {"t_ns": -1}),
        ("frame", {"t_ns": MAX_INT + 1}),
        ("frame", {"wire_length": -1}),
        ("frame", {"cut": -1}),
        ("frame", {"cut": MAX_INT + 1}),
        ("request", {"headers": [["a"]]}),
        ("request", {"headers": [["a", b"b"]]}),
        ("request", {"headers": ["ab"]}),
        ("response", {"headers": [["a", "b", "c"]]}),
        ("response", {"redacted": ["x"]}),
        ("finding", {"evidence": [1]}),
        ("end", {"findings": [None]}),
        ("start", {"changes": ["--drop 5", 5]}),
        ("sync", {"block": -1}),
    ],
)
def test_from_map_values_out_of_range_are_rejected(kind: str, values: dict[str, object]) -> None:
    with pytest.raises(BadRecord):
        from_map({**minimal(kind), **values})


@pytest.mark.parametrize("data", [None, 1, "x", [], {}, {"kind": 3}, {"kind": None}, {"t_ns": 0}])
def test_from_map_other_values_are_rejected(data: object) -> None:
    with pytest.raises(BadRecord):
        from_map(data)


_anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_keys = st.sampled_from(sorted({n for fs in records._FIELDS.values() for n, _, _ in fs}))


@given(st.sampled_from(sorted(CLASSES)), st.dictionaries(_keys, _anything, max_size=8))
def test_from_map_arbitrary_map_raises_bad_record_only(
    kind: str, values: dict[str, object]
) -> None:
    with contextlib.suppress(BadRecord):
        from_map({"kind": kind, **values})


def test_frame_record_frame_has_its_fields() -> None:
    record = FrameRecord(0, True, 1, b"hi", rsv=4, mask=b"abcd", wire_length=8)
    assert record.frame.rsv == 0  # inflated: RSV1 no longer says what the payload is
    assert dataclasses.replace(record, deflated=True).frame.rsv == 4
    assert record.close is None
    close = FrameRecord(0, False, 8, b"\x03\xf3no", wire_length=6).close
    assert close is not None
    assert (close.code, close.reason) == (1011, "no")
