"""Rules: each finds one thing that is wrong in a session's traffic, or nothing.

A rule is a pure function of a `Case` that gives evidence with figures and frame numbers
where the rule is broken, and nothing where it is not or cannot be told. `catalog/traffic*.toml`
say what each means and what to do. They hold for sessions that failed and for good ones, so
a rule is silent where there is doubt.

audio        what the bytes are, against what was declared
timing       gaps, pace and durations, against the API's documented limits
messages     what was said, in which kind of frame, in which order
causes       no faults, but what may lead to one
credentials  where a key travels and what it looks like, without showing it
"""

from wsproxy.diagnose.session_facts import Measure

from . import audio, causes, credentials, messages, timing

RULES: dict[str, Measure] = {
    rule.__name__: rule
    for module in (credentials, audio, timing, messages, causes)
    for rule in module.RULES
}

__all__ = ["RULES"]
