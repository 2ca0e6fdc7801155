"""TODO."""

from wsproxy.diagnose.case import Measure

RULES: tuple[Measure, ...] = ()
