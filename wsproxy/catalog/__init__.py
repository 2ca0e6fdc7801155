"""The catalog: what speech APIs do when they fail, as data (one TOML file per provider)."""

from wsproxy.catalog.loader import Catalog, load, read_file
from wsproxy.catalog.match import Hit, MatchedFact, candidates
from wsproxy.catalog.model import (
    Api,
    Audio,
    Close,
    Condition,
    Credentials,
    Example,
    Match,
    Provider,
    Ranges,
    Refusal,
    RequestIds,
    Simulate,
    Source,
)

__all__ = [
    "Api",
    "Audio",
    "Catalog",
    "Close",
    "Condition",
    "Credentials",
    "Example",
    "Hit",
    "Match",
    "MatchedFact",
    "Provider",
    "Ranges",
    "Refusal",
    "RequestIds",
    "Simulate",
    "Source",
    "candidates",
    "load",
    "read_file",
]
