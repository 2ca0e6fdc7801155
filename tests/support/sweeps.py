"""A plugin of pytest for sweeps: tests over hundreds of cases of few kinds.

    @pytest.mark.sweep(kind=lambda condition: condition.provider, keep=2)
    @pytest.mark.parametrize("condition", CONDITIONS)
    def test_condition_is_explained_first(condition): ...

`kind` gets parameters of the test by their names, and returns the kind of a case; without it all
cases are of one kind. With `--sample`, as in `make test`, `keep` cases of each kind run, spread
evenly over those of the kind. Else, as in `make sweep` and `make coverage`, all run.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sample", action="store_true", help="of sweeps, run some cases of each kind")


@pytest.hookimpl(trylast=True)  # what is sampled are the cases that marks and names have left
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("sample"):
        return
    sweeps: defaultdict[tuple[str, int], dict[Hashable, list[pytest.Item]]] = defaultdict(dict)
    for item in items:
        if mark := item.get_closest_marker("sweep"):
            test = item.nodeid.partition("[")[0], mark.kwargs.get("keep", 1)
            sweeps[test].setdefault(_kind(item, mark), []).append(item)
    left_out: dict[pytest.Item, None] = {}
    for (_, keep), kinds in sweeps.items():
        for number, cases in enumerate(kinds.values()):
            chosen = spread(cases, keep, number)
            left_out |= dict.fromkeys(each for each in cases if each not in chosen)
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=list(left_out))


def spread(cases: Sequence[T], keep: int, number: int = 0) -> list[T]:
    """Some of the cases, at even distances; all if they are no more.

    Args:
        number: of the kind. Each begins at another place: of three failures of each client, one
            client has the first and the next client the second.
    """
    if len(cases) <= keep:
        return list(cases)
    at = [len(cases) * (2 * nth + 1) // (2 * keep) + number for nth in range(keep)]
    return [cases[each % len(cases)] for each in at]


def sampled(request: pytest.FixtureRequest, cases: Sequence[T], keep: int) -> Sequence[T]:
    """The cases of a sweep that goes through them itself: with `--sample`, `keep` of them."""
    return spread(cases, keep) if request.config.getoption("sample") else cases


def values_that_run(request: pytest.FixtureRequest, name: str) -> list[Any]:
    """The values of a parameter in the tests that use this fixture and run, each once.

    For fixtures of a module that prepare all cases together.
    """
    values: dict[Hashable, None] = {}
    for item in request.session.items:
        fixtures = getattr(item, "fixturenames", ())
        if item.path == request.path and request.fixturename in fixtures and name in _params(item):
            values[_params(item)[name]] = None
    return list(values)


def _kind(item: pytest.Item, mark: pytest.Mark) -> Hashable:
    kind = mark.kwargs.get("kind")
    if kind is None:
        return None
    params = _params(item)
    return kind(*(params[name] for name in inspect.signature(kind).parameters))  # type: ignore[no-any-return]


def _params(item: pytest.Item) -> Mapping[str, Any]:
    callspec = getattr(item, "callspec", None)  # not if it has no parameters
    return callspec.params if callspec else {}
