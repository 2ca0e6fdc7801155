"""The plan of a simulator: which sessions of each API fail, and how."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wsproxy.catalog import Condition
from wsproxy.catalog.model import GENERIC
from wsproxy.catalog.toml_table import Table, read_toml
from wsproxy.errors import CatalogError, UsageError
from wsproxy.system.regular_file import read_text, reason

from .trigger import Trigger


@dataclass(frozen=True, slots=True)
class PlanStep:
    """The behavior of a number of sessions.

    Attributes:
        condition: how they fail; None if they succeed.
        times: for how many sessions of an API.
        trigger: when they fail; None for the trigger of the catalog.
        probability: that a session fails.
        api: "provider.api" of the sessions; empty for all APIs that have the condition.
    """

    condition: Condition | None = None
    times: int = 1
    trigger: Trigger | None = None
    probability: float = 1.0
    api: str = ""

    def __post_init__(self) -> None:
        if self.condition is not None and not self.condition.simulated:
            raise UsageError(f"{self.condition.id} cannot be simulated: no server causes it")

    def applies(self, provider: str, api: str, *, plain: bool) -> bool:
        """Whether the step applies to a request to an API; `plain` for a plain HTTP request."""
        if self.api and self.api != f"{provider}.{api}":
            return False
        if self.condition is None:
            return True
        # A condition of plain HTTP requests cannot happen in an upgrade.
        kinds = [("http" if plain and m.http else m.kind) for m in self.condition.matches]
        if not any((kind == "http") is plain for kind in kinds):
            return False
        if self.condition.provider == GENERIC:
            return True
        at_home = not self.condition.apis or api in self.condition.apis
        return provider == self.condition.provider and at_home


@dataclass
class Plan:
    """A sequence of steps, counted separately for each API.

    Attributes:
        steps: in their order; the last one applies to all further sessions.
        repeat: whether to restart with the first step instead.
        chance: for probabilities; seed it for repeatable runs.
    """

    steps: Sequence[PlanStep] = ()
    repeat: bool = False
    chance: random.Random = field(default_factory=random.Random)
    _count: Counter[tuple[str, str, bool]] = field(default_factory=Counter, repr=False)

    def has(self, provider: str, api: str, *, plain: bool = False) -> bool:
        """Whether the plan has a failure for an API."""
        return any(s.condition and s.applies(provider, api, plain=plain) for s in self.steps)

    def fails(self, provider: str, api: str, *, plain: bool = False) -> bool:
        """Whether the plan has a failure of this API's provider, or of this API by its name."""
        own = (s for s in self.steps if s.condition and (s.api or s.condition.provider == provider))
        return any(step.applies(provider, api, plain=plain) for step in own)

    def next(self, provider: str, api: str, *, plain: bool = False) -> PlanStep:
        """The step of the next session of an API."""
        steps = [s for s in self.steps if s.applies(provider, api, plain=plain)]
        if not steps:
            return PlanStep()
        key = (provider, api, plain)
        number = self._count[key]
        self._count[key] += 1
        step = _step_at(steps, number, repeat=self.repeat)
        return step if self.chance.random() < step.probability else PlanStep()

    @classmethod
    def read(cls, path: Path, condition: Callable[[str], Condition]) -> Plan:
        """Read a plan from a TOML file.

        Args:
            condition: the condition of an id; raises UnknownCondition.

        Raises:
            UsageError: the file cannot be read, or has a mistake.
            UnknownCondition: it names a condition that is not in the catalog.
        """
        try:
            root = Table(str(path), "", read_toml(read_text(path)))
            repeat = root.take("repeat", bool, False)
            steps = [_step(table, condition) for table in root.tables("step")]
            root.done()
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise UsageError(f"{path}: {reason(error)}") from None
        except CatalogError as error:
            raise UsageError(str(error)) from None
        if not steps:
            raise UsageError(f"{path}: no [[step]] found; add at least one")
        return cls(steps, repeat)


def _step_at(steps: Sequence[PlanStep], number: int, *, repeat: bool) -> PlanStep:
    total = sum(step.times for step in steps)
    if repeat:
        number %= total
    for step in steps:
        if number < step.times:
            return step
        number -= step.times
    return steps[-1]


def _step(table: Table, condition: Callable[[str], Condition]) -> PlanStep:
    name = table.take("condition", str, "")
    after = table.take("after", str, "")
    step = PlanStep(
        condition=condition(name) if name else None,
        times=table.take("times", int, 1),
        trigger=Trigger.parse(after) if after else None,
        probability=table.number("probability", 1.0),
        api=table.take("api", str, ""),
    )
    table.done()
    if step.times < 1:
        raise table.error("times", f"{step.times} is less than 1")
    if step.probability > 1:
        raise table.error("probability", f"{step.probability:g} is more than 1")
    return step
