"""JAVA_TOOL_OPTIONS that route a Java program through the recorder and make it trust its CA.

Java reads no proxy variables and no PEM bundle. Every JVM prints the variable on stderr.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from . import ca_bundle
from .java_trust_store import PASSWORD, certificates_in_store, trust_store

_OWN_STORE = "-Djavax.net.ssl.trustStore="
_CACERTS = ("lib/security/cacerts", "jre/lib/security/cacerts")  # in a JDK; before Java 9


def tool_options(env: Mapping[str, str], proxy: str, bundle: Path, folder: Path) -> str:
    """The value of JAVA_TOOL_OPTIONS: the user's, and after it ours.

    Args:
        env: the environment of the command; it names the user's options and hosts in NO_PROXY.
        proxy: the recorder's URL.
        bundle: the certificates to trust, PEM.
        folder: the trust store is written to it.
    """
    address = urlsplit(proxy)
    options = [f"-D{scheme}.proxyHost={address.hostname}" for scheme in ("http", "https")]
    options += [f"-D{scheme}.proxyPort={address.port}" for scheme in ("http", "https")]
    # Without it, sessions with servers on this machine would not be recorded.
    options.append(f"-Dhttp.nonProxyHosts={_non_proxy_hosts(env)}")
    try:
        known = list(_known_certificates(env))
    except (OSError, ValueError):
        pass  # the user's own store, in another format: the app needs it
    else:
        store = folder / "ca-bundle.jks"
        store.write_bytes(trust_store([*known, *ca_bundle.read(bundle)]))
        options += [
            f"-Djavax.net.ssl.trustStore={store}",
            "-Djavax.net.ssl.trustStoreType=JKS",
            f"-Djavax.net.ssl.trustStorePassword={PASSWORD}",
        ]
    own = env.get("JAVA_TOOL_OPTIONS", "")
    return " ".join([*([own] if own else []), *map(_quoted, options)])


def _non_proxy_hosts(env: Mapping[str, str]) -> str:
    """NO_PROXY as Java writes it; networks and ports are unknown there."""
    rules = env.get("no_proxy") or env.get("NO_PROXY") or ""
    hosts = []
    for rule in rules.replace(",", " ").split():
        if "/" not in rule:
            name = rule.lstrip("*").lstrip(".")
            hosts += [name, f"*.{name}"] if name else ["*"]
    return "|".join(hosts)


def _known_certificates(env: Mapping[str, str]) -> Iterator[bytes]:
    """The certificates that the program trusts without us, as far as they can be read.

    Raises:
        OSError, ValueError: the user names a trust store that cannot be read.
    """
    options = _split(env.get("JAVA_TOOL_OPTIONS", ""))
    named = [each for each in options if each.startswith(_OWN_STORE)]
    if named:
        yield from certificates_in_store(Path(named[-1].removeprefix(_OWN_STORE)).read_bytes())
        return
    store = _store_of_jdk(env)
    if store is None:
        return
    try:
        yield from certificates_in_store(store.read_bytes())
    except (OSError, ValueError):
        return  # newer ones are in PKCS #12: the usual CAs are in our bundle too


def _split(options: str) -> list[str]:
    """The options of a variable as a JVM separates them: it knows quotes, and no escapes.

    Raises:
        ValueError: a quote is not closed.
    """
    reader = shlex.shlex(options, posix=True)
    reader.whitespace_split, reader.escape, reader.commenters = True, "", ""
    return list(reader)


def _store_of_jdk(env: Mapping[str, str]) -> Path | None:
    program = shutil.which("java", path=env.get("PATH"))
    homes = [Path(env["JAVA_HOME"])] if env.get("JAVA_HOME") else []
    homes += [Path(program).resolve().parents[1]] if program else []
    found = (home / name for home in homes for name in _CACERTS)
    return next((path for path in found if path.is_file()), None)


def _quoted(option: str) -> str:
    return f'"{option}"' if " " in option else option
