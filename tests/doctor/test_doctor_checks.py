"""`wsproxy doctor` on set-ups that are broken on purpose, each of them named, and on a good one."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import pytest

from made_ca import make_ca
from wsproxy.doctor import all_checks, catching, certificate, installed, startup, trust, versions
from wsproxy.doctor.result import CheckResult, State
from wsproxy.doctor.setup import CA_CERTIFICATE, CA_KEY, Setup
from wsproxy.intercept import ca_bundle, rejections
from wsproxy.intercept.catch import availability
from wsproxy.intercept.rejections import Rejections, TlsClient


@dataclass
class Broken:
    """A good set-up for a test to break."""

    setup: Setup
    folder: Path
    monkeypatch: pytest.MonkeyPatch

    def with_env(self, **variables: str) -> Setup:
        return replace(self.setup, env={**self.setup.env, **variables})

    def for_record(self, **variables: str) -> Setup:
        """For `wsproxy record`, with the variables that its first lines name."""
        ca = str(self.setup.ca)
        names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
        return replace(self.with_env(**dict.fromkeys(names, ca) | variables), is_run=False)

    def program(self, name: str, text: str) -> None:
        """A program in the only folder of PATH."""
        path = Path(self.setup.env["PATH"]) / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Broken:
    programs, app = tmp_path / "bin", tmp_path / "app"
    programs.mkdir()
    app.mkdir()
    make_ca(tmp_path / "confdir")
    monkeypatch.setattr(availability, "obstacle", lambda program: None)
    setup = Setup(
        env={"PATH": str(programs), "HOME": str(tmp_path)},
        is_run=True,
        listen=("127.0.0.1", 0),
        out=app / "recordings",
        confdir=tmp_path / "confdir",
        folder=app,
    )
    return Broken(setup, tmp_path, monkeypatch)


def wrong(setup: Setup) -> list[CheckResult]:
    return [each for each in all_checks.run_all(setup) if each.state in ("warning", "problem")]


@pytest.mark.parametrize("command", ["run", "record"])
def test_doctor_good_setup_has_nothing_wrong(broken: Broken, command: str) -> None:
    broken.program("node", "echo v22.1.0")
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        address = f"http://user:secret@127.0.0.1:{proxy.getsockname()[1]}"
        good = broken.for_record() if command == "record" else broken.setup
        results = list(all_checks.run_all(replace(good, env={**good.env, "HTTPS_PROXY": address})))
    assert [each for each in results if each.state in ("warning", "problem")] == []
    assert len([each for each in results if each.state == "ok"]) > 5
    assert "secret" not in str(results)


def ca_key_is_readable(broken: Broken) -> Setup:
    broken.setup.ca_key.chmod(0o644)
    return broken.setup


def ca_has_expired(broken: Broken) -> Setup:
    make_ca(broken.setup.confdir, days=-1)
    return broken.setup


def ca_is_not_valid_yet(broken: Broken) -> Setup:
    make_ca(broken.setup.confdir, begin=1)
    return broken.setup


def ca_certificate_is_damaged(broken: Broken) -> Setup:
    broken.setup.ca.write_text("-----BEGIN CERTIFICATE-----\n!\n")
    return broken.setup


def ca_is_no_authority(broken: Broken) -> Setup:
    make_ca(broken.setup.confdir, is_authority=False)
    return broken.setup


def ca_expires_soon(broken: Broken) -> Setup:
    make_ca(broken.setup.confdir, days=7)
    return broken.setup


def ca_certificate_was_replaced(broken: Broken) -> Setup:
    make_ca(broken.folder / "other")
    shutil.copy(broken.folder / "other" / CA_CERTIFICATE, broken.setup.ca)
    return broken.setup


def ca_key_does_not_match(broken: Broken) -> Setup:
    make_ca(broken.folder / "other")
    key = (broken.folder / "other" / CA_KEY).read_bytes().partition(b"-----BEGIN CERT")[0]
    broken.setup.ca_key.write_bytes(key + broken.setup.ca.read_bytes())
    return broken.setup


def ca_key_is_missing(broken: Broken) -> Setup:
    broken.setup.ca_key.unlink()
    return broken.setup


def ca_variable_names_no_file(broken: Broken) -> Setup:
    return broken.with_env(SSL_CERT_FILE="/nowhere/ca.pem")


def ca_variable_names_another_format(broken: Broken) -> Setup:
    (broken.folder / "ca.der").write_bytes(b"\x30\x82")
    return broken.with_env(NODE_EXTRA_CA_CERTS=str(broken.folder / "ca.der"))


def bundle_lacks_the_ca(broken: Broken) -> Setup:
    make_ca(broken.folder / "company")
    bundle = broken.folder / "company" / CA_CERTIFICATE
    return broken.for_record(REQUESTS_CA_BUNDLE=str(bundle))


def bundle_of_node_lacks_the_ca(broken: Broken) -> Setup:
    broken.program("node", "")
    make_ca(broken.folder / "company")
    bundle = broken.folder / "company" / CA_CERTIFICATE
    return broken.for_record(NODE_EXTRA_CA_CERTS=str(bundle))


def proxy_does_not_answer(broken: Broken) -> Setup:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return broken.with_env(HTTPS_PROXY=f"http://user:secret@127.0.0.1:{port}")


def proxy_is_no_url(broken: Broken) -> Setup:
    return broken.with_env(https_proxy="ftp://user:secret@proxy")


def no_proxy_excepts_apis(broken: Broken) -> Setup:
    return broken.for_record(NO_PROXY="deepgram.com")


def out_is_not_writable(broken: Broken) -> Setup:
    (broken.folder / "file").touch()  # root could write to a folder that is read-only
    return replace(broken.setup, out=broken.folder / "file")


def confdir_is_not_writable(broken: Broken) -> Setup:
    (broken.folder / "file").touch()
    return replace(broken.setup, confdir=broken.folder / "file" / "confdir")


def disk_is_nearly_full(broken: Broken) -> Setup:
    usage = shutil.disk_usage(broken.folder)._replace(free=50 << 20)
    broken.monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    return broken.setup


def mitmproxy_is_missing(broken: Broken) -> Setup:
    version = versions._version
    broken.monkeypatch.setattr(
        versions, "_version", lambda name: None if name == "mitmproxy" else version(name)
    )
    return broken.setup


def mitmproxy_is_untested(broken: Broken) -> Setup:
    version = versions._version
    broken.monkeypatch.setattr(
        versions, "_version", lambda name: "13.0.0" if name == "mitmproxy" else version(name)
    )
    return broken.setup


def h11_is_pinned(broken: Broken) -> Setup:
    """As in an environment of Python 3.11 with a current SDK."""
    package(broken.folder, "openai", "3.57.0", "Requires-Dist: h11 (>=0.16)\n")
    found = metadata.Distribution.at(broken.folder / "openai-3.57.0.dist-info")
    version, requires = versions._version, metadata.requires
    broken.monkeypatch.setattr(metadata, "distributions", lambda: [found])
    broken.monkeypatch.setattr(
        versions, "_version", lambda name: "0.14.0" if name == "h11" else version(name)
    )
    broken.monkeypatch.setattr(
        metadata, "requires", lambda name: found.requires if name == "openai" else requires(name)
    )
    return broken.setup


def client_has_rejected_the_ca(broken: Broken) -> Setup:
    known = Rejections(broken.setup.confdir, rejections.identity(broken.setup.ca))
    known.add(TlsClient("api.deepgram.com", "0123"))
    return broken.setup


def cannot_catch(broken: Broken) -> Setup:
    broken.monkeypatch.setattr(availability, "obstacle", lambda program: "not here")
    return replace(broken.setup, catch="on")


def websockets_reads_no_proxy(broken: Broken) -> Setup:
    """The version in front of the path is that of the app."""
    package(broken.folder, "websockets", "14.2")
    package(broken.folder, "deepgram_sdk", "3.11.0")
    setup = broken.for_record(PYTHONPATH=str(broken.folder))
    return replace(setup, cmd=(sys.executable, "app.py"))


def node_is_old(broken: Broken) -> Setup:
    broken.program("node", "echo v14.21.3")
    return broken.setup


def node_options_name_no_file(broken: Broken) -> Setup:
    return broken.with_env(NODE_OPTIONS="--max-old-space-size=100 --require ./gone.cjs")


def node_options_are_no_words(broken: Broken) -> Setup:
    return broken.with_env(NODE_OPTIONS="--title='x")


def node_does_not_take_its_options(broken: Broken) -> Setup:
    text = '[ "$1" = -v ] && echo v22.1.0 || { echo "node: --x is not allowed" >&2; exit 9; }'
    broken.program("node", text)
    return broken.with_env(NODE_OPTIONS="--x")


def java_does_not_take_its_options(broken: Broken) -> Setup:
    lines = "Picked up JAVA_TOOL_OPTIONS: -XX:X\nUnrecognized VM option 'X'\nError: no JVM"
    broken.program("java", f"cat >&2 <<END\n{lines}\nEND\nexit 1")
    return broken.with_env(JAVA_TOOL_OPTIONS="-XX:X", PATH=f"{broken.setup.env['PATH']}:/bin")


def catalog_is_missing(broken: Broken) -> Setup:
    broken.monkeypatch.setenv("WSPROXY_CATALOG", "/nowhere.toml")
    return broken.setup


def python_path_shadows(broken: Broken) -> Setup:
    (broken.folder / "brotli.py").touch()
    return broken.with_env(PYTHONPATH=str(broken.folder))


def python_is_isolated(broken: Broken) -> Setup:
    return replace(broken.setup, cmd=("python3", "-sI", "app.py"))


def package(folder: Path, name: str, version: str, more: str = "") -> None:
    """The metadata of an installed package."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}"
    (info / "METADATA").write_text(text)


BROKEN: list[tuple[Callable[[Broken], Setup], State, str]] = [
    (ca_key_is_readable, "problem", "other users of this machine can read"),
    (ca_has_expired, "problem", "the CA has expired ("),
    (ca_is_not_valid_yet, "problem", "the CA is not valid before "),
    (ca_certificate_is_damaged, "problem", f"{CA_CERTIFICATE} cannot be used: it contains an inv"),
    (ca_expires_soon, "warning", "the CA expires soon ("),
    (
        ca_certificate_was_replaced,
        "problem",
        f"{CA_CERTIFICATE} is not the certificate of {CA_KEY}",
    ),
    (ca_key_does_not_match, "problem", "its key and its certificate do not match"),
    (ca_key_is_missing, "problem", f"{CA_KEY} is missing"),
    (ca_variable_names_no_file, "warning", "SSL_CERT_FILE=/nowhere/ca.pem cannot be used: No such"),
    (ca_variable_names_another_format, "warning", "ca.der cannot be used: it contains no PEM cert"),
    (bundle_lacks_the_ca, "problem", "Python (requests) does not trust the recorder's CA"),
    (bundle_of_node_lacks_the_ca, "problem", "Node does not trust the recorder's CA"),
    (proxy_does_not_answer, "problem", "the proxy http://127.0.0.1:"),
    (proxy_is_no_url, "problem", "https_proxy names no proxy that can be used"),
    (no_proxy_excepts_apis, "warning", "NO_PROXY excepts speech APIs: api.deepgram.com"),
    (out_is_not_writable, "problem", "cannot write to "),
    (confdir_is_not_writable, "problem", "cannot write to "),
    (disk_is_nearly_full, "problem", "0.1 GB are free"),
    (mitmproxy_is_missing, "problem", "mitmproxy is not installed"),
    (mitmproxy_is_untested, "problem", "mitmproxy 13.0.0 is not one of the tested versions"),
    (h11_is_pinned, "warning", "h11 0.14.0 is installed, but openai needs h11 >=0.16"),
    (client_has_rejected_the_ca, "warning", "have rejected the recorder's CA: api.deepgram.com"),
    (cannot_catch, "problem", "connections are not caught on this system"),
    (websockets_reads_no_proxy, "warning", "websockets 14.2: not recorded by itself"),
    (node_is_old, "warning", "Node 14.21.3: the preload was tested with Node 16 to 24"),
    (node_options_name_no_file, "problem", "loads a file that does not exist: ./gone.cjs"),
    (node_options_are_no_words, "problem", "NODE_OPTIONS has a quote that is not closed"),
    (node_does_not_take_its_options, "problem", "NODE_OPTIONS: node: --x is not allowed"),
    (java_does_not_take_its_options, "problem", "JAVA_TOOL_OPTIONS: Unrecognized VM option 'X'"),
    (catalog_is_missing, "problem", "cannot read the catalog file /nowhere.toml: No such"),
    (ca_is_no_authority, "problem", f"{CA_CERTIFICATE} is not the certificate of an authority"),
    (python_path_shadows, "warning", "in PYTHONPATH replaces modules: brotli"),
    (python_is_isolated, "warning", "-sI turns PYTHONPATH off"),
]


@pytest.mark.sweep(keep=16)
@pytest.mark.parametrize(
    ("breaks", "state", "what"), BROKEN, ids=[each[0].__name__ for each in BROKEN]
)
def test_doctor_broken_setup_is_named_alone(
    broken: Broken, breaks: Callable[[Broken], Setup], state: State, what: str
) -> None:
    """With why it matters and what to do; the credentials of a proxy are not printed."""
    found = wrong(breaks(broken))
    assert what in found[0].what
    assert found[0].state == state
    assert all(each.why and (each.remedy or each.settings) for each in found)
    assert "secret" not in str(found)
    others = [each.what for each in found[1:]]
    if breaks is websockets_reads_no_proxy:
        assert [each.partition(":")[0] for each in others] == [
            "deepgram-sdk 3.11.0 with websockets 14.2"
        ]
    else:
        assert others == []


def test_doctor_port_in_use_is_named(broken: Broken) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = taken.getsockname()[:2]
        (found,) = wrong(replace(broken.setup, listen=listen))
    assert found.what == f"cannot listen on 127.0.0.1:{listen[1]}: the port is in use"


def test_doctor_address_open_to_the_network_is_named(broken: Broken) -> None:
    (found,) = wrong(replace(broken.setup, listen=("0.0.0.0", 0)))
    assert found.what == "0.0.0.0:0 is open to the network"


def test_doctor_check_that_fails_is_a_warning_and_the_others_continue(broken: Broken) -> None:
    def fails(setup: Setup) -> Iterator[CheckResult]:
        raise OSError("unexpected")

    checks = (("folders", fails), *all_checks.CHECKS)
    broken.monkeypatch.setattr(all_checks, "CHECKS", checks)
    results = list(all_checks.run_all(broken.setup))
    assert results[0] == CheckResult("folders", "warning", "cannot be checked: OSError: unexpected")
    assert len(results) > 5


def test_doctor_clients_in_node_modules_are_listed(broken: Broken) -> None:
    for name, version in (("ws", "8.23.0"), ("@aws-sdk/client-transcribe-streaming", "3.9.0")):
        folder = broken.setup.folder / "node_modules" / name
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(f'{{"version": "{version}"}}')
    assert [(each.state, each.what) for each in installed.check(broken.setup)] == [
        ("ok", "ws 8.23.0: recorded through preload"),
        ("note", "@aws-sdk/client-transcribe-streaming 3.9.0: not recorded"),
    ]


def test_doctor_python_without_preload_leaves_its_clients_to_the_catch(broken: Broken) -> None:
    """The packages of `-E` are those that the script finds: PYTHONPATH is for the test."""
    package(broken.folder, "websockets", "14.2")
    setup = replace(broken.with_env(PYTHONPATH=str(broken.folder)), cmd=(sys.executable, "-E"))
    caught = [each.what for each in installed.check(setup)]
    assert "websockets 14.2: recorded through catch" in caught
    past = [each for each in installed.check(replace(setup, catch="off")) if "14.2" in each.what]
    assert [each.state for each in past] == ["warning"]
    assert past[0].remedy == "update it to 15 or newer, which reads HTTPS_PROXY"


def test_doctor_client_that_is_recorded_in_part_is_a_warning(broken: Broken) -> None:
    """Under `record`: the asynchronous client of this SDK reads no proxy variables."""
    package(broken.folder, "websockets", "17.4")
    package(broken.folder, "deepgram_sdk", "7.17.0")
    setup = broken.for_record(PYTHONPATH=str(broken.folder))
    found = wrong(replace(setup, cmd=(sys.executable,)))
    title = "deepgram-sdk 7.17.0 with websockets 17.4"
    assert [each.what for each in found] == [f"{title}: not recorded by itself in each case"]
    assert found[0].remedy.startswith("use `wsproxy run`; or base URL DeepgramClient(")


@pytest.mark.parametrize("first", ["#!{python}", "#!/usr/bin/env python3"])
def test_doctor_console_script_of_the_app_names_its_python(broken: Broken, first: str) -> None:
    script = broken.folder / "app-script"
    script.write_text(first.format(python=sys.executable) + "\n")
    script.chmod(0o755)
    (Path(broken.setup.env["PATH"]) / "python3").symlink_to(sys.executable)
    setup = replace(broken.setup, cmd=(str(script),))
    results = list(installed.check(setup))
    assert results[0].what.startswith("the app's Python: ")
    assert ".".join(map(str, sys.version_info[:3])) in results[0].what


def test_doctor_sitecustomize_of_the_app_is_a_note(broken: Broken) -> None:
    (broken.folder / "sitecustomize.py").touch()
    setup = broken.with_env(PYTHONPATH=os.pathsep.join(["/nowhere", str(broken.folder)]))
    assert [(each.state, each.check) for each in startup.check(setup)] == [("note", "start-up")]


def test_doctor_programs_that_do_not_run_are_left_out(broken: Broken) -> None:
    broken.program("python3", "exit 1")
    broken.program("node", "exit 1")
    assert list(installed.check(broken.setup)) == []
    assert [each.state for each in startup.check(broken.setup)] == ["warning"]
    script = broken.folder / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    assert list(installed.check(replace(broken.setup, cmd=(str(script),)))) == []
    assert list(installed.check(replace(broken.setup, cmd=("/nowhere",)))) == []


def test_doctor_without_a_ca_is_a_note(broken: Broken) -> None:
    setup = replace(broken.for_record(), confdir=broken.folder / "new")
    assert [each.state for each in certificate.check(setup)] == ["note"]
    assert list(trust.check(setup)) == []


def test_doctor_catch_off_is_a_note(broken: Broken) -> None:
    (found,) = catching.check(replace(broken.setup, catch="off"))
    assert (found.state, found.what) == (
        "note",
        "connections are not caught, because that is turned off",
    )


def test_doctor_without_variables_under_record_names_each_reader(broken: Broken) -> None:
    """Programs whose own list of CAs is used, and which therefore need a variable."""
    broken.program("node", "")
    setup = replace(broken.setup, is_run=False, env={"PATH": broken.setup.env["PATH"]})
    found = [(each.state, each.what.partition(" does not")[0]) for each in trust.check(setup)]
    assert found == [
        ("warning", "Python (ssl, websockets)"),
        ("note", "Python (requests)"),
        ("note", "curl"),
        ("warning", "Node"),
    ]
    broken.monkeypatch.setattr(ca_bundle, "system", lambda: ca_bundle.read(setup.ca))
    assert [each.state for each in trust.check(setup)] == ["ok", "note", "ok", "warning"]


def test_doctor_java_under_record_is_asked_with_keytool(broken: Broken) -> None:
    broken.program("keytool", f'while read line; do echo "$line"; done < {broken.setup.ca}')
    trusted = [each.what for each in trust.check(broken.for_record())]
    assert trusted[-1] == "Java trusts the CA"
    broken.program("keytool", "exit 1")
    own = broken.for_record(JAVA_TOOL_OPTIONS="-Djavax.net.ssl.trustStore=/x.jks")
    for setup in (broken.for_record(), own):
        assert [each.state for each in trust.check(setup)][-1] == "note"


@pytest.mark.parametrize(
    ("specifiers", "version", "expected"),
    [
        (">=11.0.2,<12.4", "11.0.2", True),
        (">=11.0.2,<12.4", "12.3.1", True),
        (">=11.0.2,<12.4", "12.4", False),
        ("<0.15,>=0.13", "0.16.0", False),
        ("==1.2", "1.2.0", True),
        ("~=1.2", "9", True),
        ("", "1", True),
    ],
)
def test_version_specifiers_allow_versions(specifiers: str, version: str, expected: bool) -> None:
    assert versions.allows(specifiers, version) is expected
