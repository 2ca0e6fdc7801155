"""Versions of Python, wsproxy, mitmproxy, their extras and pins."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from importlib import metadata

from wsproxy.intercept.clients import version_number

from .result import CheckResult
from .setup import Setup

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[[^]]*\])?\s*\(?(?P<versions>[^;)]*)")
_SPECIFIER = re.compile(r"(>=|<=|==|<|>)\s*([\d.]+)")
_INSTALL = "install wsproxy with its extra `record`, for example `pipx install '.[record]'`"


def check(setup: Setup) -> Iterator[CheckResult]:
    """Check the versions in the environment of wsproxy itself."""
    names = ("wsproxy", "mitmproxy", "websockets")
    found = {name: version for name in names if (version := _version(name))}
    listed = ", ".join(f"{name} {version}" for name, version in found.items())
    yield CheckResult("versions", "ok", f"Python {platform.python_version()}, {listed}")
    yield from _mitmproxy(found.get("mitmproxy"))
    if _version("av") is None:
        yield CheckResult(
            "audio",
            "note",
            "the extra `audio` (PyAV) is not installed",
            "`explain` and `report` do not decode compressed audio: Opus, MP3, AAC, FLAC",
            "install wsproxy with its extra `audio`, if the app sends compressed audio",
        )
    yield from _pinned_h11()


def _mitmproxy(version: str | None) -> Iterator[CheckResult]:
    if version is None:
        yield CheckResult(
            "mitmproxy", "problem", "mitmproxy is not installed", "it records", _INSTALL
        )
        return
    required = _requirement("wsproxy", "mitmproxy")
    if not allows(required, version):
        yield CheckResult(
            "mitmproxy",
            "problem",
            f"mitmproxy {version} is not one of the tested versions ({required})",
            "wsproxy replaces parts of mitmproxy, which differ from version to version",
            f"install mitmproxy {required}",
        )


def _pinned_h11() -> Iterator[CheckResult]:
    """The h11 that mitmproxy 11 pins, which is too old for current SDKs."""
    installed = _version("h11")
    if installed is None:
        return
    conflicts = sorted(
        f"{each.name} needs h11 {required}"
        for each in metadata.distributions()
        if not allows(required := _requirement(each.name, "h11"), installed)
    )
    if conflicts:
        yield CheckResult(
            "pins",
            "warning",
            f"h11 {installed} is installed, but {', '.join(conflicts)}",
            "mitmproxy before 12, the newest one for Python 3.11, pins h11 to 0.14 at most",
            "install wsproxy in an environment of its own (pipx), or use Python 3.12 or newer",
        )


def allows(specifiers: str, version: str) -> bool:
    """Whether a version meets requirements such as ">=11.0.2,<12.4"; others are met."""
    number = version_number(version)
    for sign, text in _SPECIFIER.findall(specifiers):
        bound = version_number(text)
        width = max(len(bound), len(number))
        ours, theirs = (each + (0,) * (width - len(each)) for each in (number, bound))
        met = {
            ">=": ours >= theirs,
            "<=": ours <= theirs,
            "==": ours == theirs,
            "<": ours < theirs,
            ">": ours > theirs,
        }
        if not met[sign]:
            return False
    return True


def _requirement(name: str, required: str) -> str:
    """What a package requires of another one, without markers: ">=11.0.2,<12.4"; empty: any."""
    try:
        requirements = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return ""
    for each in requirements:
        found = _REQUIREMENT.match(each)
        if found is not None and found["name"].lower() == required:
            return found["versions"].strip()
    return ""


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
