"""What an app does that is none of the recorder's business has the outcome that it has directly.

Each app runs directly, and with the environment of `wsproxy run` behind a recorder.
"""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from company_proxy import PASSWORD, USER, company_proxy
from https_server import HttpsServer, https_server
from session_recorder import Recorded, recorder
from tls_certificates import Certificate
from wire_servers import unused_port
from wire_witness import PATIENCE
from wsproxy.intercept import environment, trust

COMPANY_HOST = "git.company.example"
SPEECH_API = "api.deepgram.com"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "WS_PROXY", "WSS_PROXY")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    names = ("localhost", "127.0.0.1", COMPANY_HOST, SPEECH_API)
    return Certificate.make(tmp_path_factory.mktemp("server") / "server.pem", names)


@pytest.fixture
def server(certificate: Certificate) -> Iterator[HttpsServer]:
    with https_server(certificate) as it:
        yield it


@dataclass
class Setup:
    """Runs apps both ways.

    Attributes:
        confdir: of the recorder's CA.
        passed: what the last recorder has passed through.
    """

    confdir: Path
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    passed: list[str] = field(default_factory=list)
    recorded: Recorded | None = None

    def set(self, **variables: str | Path) -> None:
        """Set variables of the user's environment."""
        for name, value in variables.items():
            self.monkeypatch.setenv(name, str(value))

    def directly(self, *command: str | Path) -> tuple[int, str]:
        return outcome(command, dict(os.environ))

    @contextmanager
    def recording(self) -> Iterator[Callable[..., tuple[int, str]]]:
        """A recorder; yields a function that runs an app behind it."""
        with recorder(self.confdir, self.folder / "traces") as recorded:
            env = environment.for_command(recorded.running, "regular", self.folder)
            yield lambda *command: outcome(command, env)
            recorded.running.drain(PATIENCE)
            self.passed = recorded.running.passed_through()
            self.recorded = recorded

    def behind_recorder(self, *command: str | Path) -> tuple[int, str]:
        with self.recording() as run:
            return run(*command)

    def check_same(self, *command: str | Path, status: int = 0) -> None:
        """An app has the same exit status and output both ways, and this status."""
        directly = self.directly(*command)
        assert directly[0] == status, directly
        assert self.behind_recorder(*command) == directly


def outcome(command: tuple[str | Path, ...], env: dict[str, str]) -> tuple[int, str]:
    """The exit status and the output of an app."""
    done = subprocess.run(
        [str(each) for each in command], env=env, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout + re.sub(r"0x[0-9a-f]+", "0x", done.stderr)


@pytest.fixture
def setup(recorder_ca: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    """The environment of a user who has set nothing, and has recorded before."""
    names = [*trust.REPLACING, *trust.REPLACING_IF_SET, *trust.ADDING, "SSL_CERT_DIR"]
    for name in [*names, *_PROXIES, *map(str.lower, _PROXIES), "WGETRC"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return Setup(Path(shutil.copytree(recorder_ca, tmp_path / "ca")), tmp_path, monkeypatch)


def app(tmp_path: Path, code: str) -> list[str]:
    """The command of a Python program that prints what it gets, or the error."""
    path = tmp_path / "app.py"
    lines = "\n".join(f"    {line}" for line in code.strip().splitlines())
    path.write_text(
        "import sys\nURL, *ARGS = sys.argv[1:]\n"
        f"def main():\n{lines}\n"
        "try:\n    print(main())\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, getattr(error, 'verify_message', ''))\n    sys.exit(3)\n"
    )
    # urllib3 names the proxy in a warning.
    return [sys.executable, "-W", "ignore", str(path)]


URLLIB = "import urllib.request\nreturn urllib.request.urlopen(URL).read()"
URLLIB_CAFILE = """
import ssl, urllib.request
context = ssl.create_default_context(cafile=ARGS[0])
if ARGS[1:]:
    context.load_cert_chain(ARGS[1])
return urllib.request.urlopen(URL, context=context).read()
"""
UNVERIFIED = """
import ssl, urllib.request
return urllib.request.urlopen(URL, context=ssl._create_unverified_context()).read()
"""
REQUESTS = """
import requests
verify = {"no": False, "yes": True}.get(ARGS[0], ARGS[0])
return requests.get(URL, verify=verify).text
"""
PINNED = """
import hashlib, http.client, os, ssl, urllib.parse, urllib.request
proxy = urllib.request.getproxies().get("https")
where = urllib.parse.urlsplit(URL)
context = ssl._create_unverified_context()
if proxy:
    to = urllib.parse.urlsplit(proxy)
    connection = http.client.HTTPSConnection(to.hostname, to.port, context=context)
    connection.set_tunnel(where.hostname, where.port)
else:
    connection = http.client.HTTPSConnection(where.hostname, where.port, context=context)
connection.connect()
found = hashlib.sha256(connection.sock.getpeercert(binary_form=True)).hexdigest()
if found != ARGS[0]:
    connection.close()
    raise ValueError("not the pinned certificate")
connection.request("GET", "/")
return connection.getresponse().read()
"""
WEBSOCKETS = """
import ssl
from websockets.sync.client import connect
context = ssl.create_default_context(cafile=ARGS[0])
with connect(URL.replace("https", "wss"), ssl=context) as connection:
    return connection.recv()
"""


# -- https and wss with a server on this machine that has its own certificate


@pytest.mark.sweep(keep=4)
@pytest.mark.parametrize(
    ("code", "verify", "status"),
    [
        (URLLIB, None, 3),
        (URLLIB_CAFILE, "file", 0),
        (UNVERIFIED, None, 0),
        (REQUESTS, "yes", 3),
        (REQUESTS, "no", 0),
        (REQUESTS, "file", 0),
        (WEBSOCKETS, "file", 0),
    ],
    ids=["urllib", "urllib-file", "urllib-off", "requests", "requests-off", "requests-file", "wss"],
)
def test_unharmed_server_with_its_own_certificate(
    code: str,
    verify: str | None,
    status: int,
    setup: Setup,
    server: HttpsServer,
    certificate: Certificate,
    tmp_path: Path,
) -> None:
    arguments = {"file": [str(certificate.path)], None: []}.get(verify, [str(verify)])
    setup.check_same(*app(tmp_path, code), server.url, *arguments, status=status)
    assert setup.passed == [
        f"passed through: 1 connection to localhost:{server.port}: its certificate does not verify "
        "(self-signed certificate)"
    ]


def program(name: str) -> str:
    if (found := shutil.which(name)) is None:
        pytest.skip(f"{name} is not installed")
    return found


def test_unharmed_git_with_a_ca_in_its_configuration(
    setup: Setup, server: HttpsServer, certificate: Certificate, tmp_path: Path
) -> None:
    """GIT_SSL_CAINFO would take precedence over it."""
    (tmp_path / ".gitconfig").write_text(f"[http]\n\tsslCAInfo = {certificate.path}\n")
    setup.check_same(*download("git", server.url))


@pytest.mark.parametrize("name", ["wget", "curl"])
def test_unharmed_program_with_a_ca_of_its_own(
    name: str, setup: Setup, server: HttpsServer, certificate: Certificate
) -> None:
    setup.check_same(*download(name, server.url, certificate.path))


@pytest.mark.parametrize("name", ["git", "wget", "curl"])
def test_unharmed_program_that_trusts_only_its_own_ca_is_passed_the_second_time(
    name: str, setup: Setup, server: HttpsServer, certificate: Certificate
) -> None:
    """The recorder trusts the server, so it learns of the program's CA by its rejection."""
    setup.set(AWS_CA_BUNDLE=certificate.path)
    command = download(name, server.url, certificate.path)
    if name == "git":
        (setup.folder / ".gitconfig").write_text(f"[http]\n\tsslCAInfo = {certificate.path}\n")
        command = download(name, server.url)
    assert setup.behind_recorder(*command)[0] != 0
    assert "the client does not trust the recorder's CA" in setup.passed[0]
    setup.check_same(*command)
    assert setup.passed[0].startswith("passed through: 1 connection to localhost")


def download(name: str, url: str, ca: Path | None = None) -> list[str]:
    """A command that reads from a server; it trusts the CA only, or those of its environment."""
    options = {
        "git": [],
        "wget": [f"--ca-certificate={ca}"],
        "curl": ["--cacert", str(ca)],
    }[name]
    rest = {
        "git": ["ls-remote", f"{url}/repository"],
        "wget": ["-q", "-O", "-", url],
        "curl": ["-sS", url],
    }[name]
    return [program(name), *(options if ca is not None else []), *rest]


# -- client certificates, pinned certificates, NO_PROXY


def test_unharmed_client_certificate(
    setup: Setup, certificate: Certificate, tmp_path: Path
) -> None:
    client = Certificate.make(tmp_path / "client.pem", ("a-client",))

    def require(context: ssl.SSLContext) -> None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client.path)

    setup.set(SSL_CERT_FILE=certificate.path)
    with https_server(certificate, require) as server:
        command = [*app(tmp_path, URLLIB_CAFILE), server.url, str(certificate.path)]
        setup.check_same(*command, str(client.path))
        assert "asks for a client certificate" in setup.passed[0]


def test_unharmed_pinned_certificate_is_passed_the_second_time(
    setup: Setup, server: HttpsServer, certificate: Certificate, tmp_path: Path
) -> None:
    setup.set(SSL_CERT_FILE=certificate.path)
    command = [*app(tmp_path, PINNED), server.url, certificate.sha256]
    assert setup.behind_recorder(*command)[0] == 3
    setup.check_same(*command)


def test_unharmed_host_in_no_proxy(
    setup: Setup, server: HttpsServer, certificate: Certificate, tmp_path: Path
) -> None:
    setup.set(NO_PROXY="localhost", SSL_CERT_FILE=certificate.path)
    command = [*app(tmp_path, PINNED), server.url, certificate.sha256]
    setup.check_same(*command)
    assert setup.passed[0].endswith("NO_PROXY names it")


# -- a private CA in the environment


@pytest.mark.parametrize(
    ("name", "client"),
    [
        ("SSL_CERT_FILE", "urllib"),
        ("SSL_CERT_DIR", "urllib"),
        ("REQUESTS_CA_BUNDLE", "requests"),
        ("CURL_CA_BUNDLE", "requests"),
        ("CURL_CA_BUNDLE", "curl"),
        ("GIT_SSL_CAINFO", "git"),
        ("NODE_EXTRA_CA_CERTS", "node"),
    ],
)
def test_unharmed_private_ca_of_a_variable_is_trusted_and_intercepted(
    name: str,
    client: str,
    setup: Setup,
    server: HttpsServer,
    certificate: Certificate,
    tmp_path: Path,
) -> None:
    value = certificate.path
    if name == "SSL_CERT_DIR":
        value = certificate.hashed_folder(tmp_path / "certificates")
    setup.set(**{name: value})
    if client == "urllib":
        command = [*app(tmp_path, URLLIB), server.url]
    elif client == "requests":
        command = [*app(tmp_path, REQUESTS), server.url, "yes"]
    elif client == "node":
        code = f"require('https').get('{server.url}', r => r.pipe(process.stdout))"
        command = [program("node"), "-e", code]
    else:
        command = download(client, server.url)
    setup.check_same(*command)
    assert not setup.passed


# -- a company's network


@pytest.mark.parametrize("host", [COMPANY_HOST, SPEECH_API])
@pytest.mark.parametrize("has_password", [False, True])
def test_unharmed_company_proxy(
    host: str,
    has_password: bool,
    setup: Setup,
    server: HttpsServer,
    certificate: Certificate,
    tmp_path: Path,
) -> None:
    """Also one that inspects TLS: the certificate for a speech API is the company's."""
    with company_proxy(password=has_password) as proxy:
        login = f"{USER}:{PASSWORD.replace('/', '%2F')}@" if has_password else ""
        setup.set(
            HTTPS_PROXY=f"http://{login}127.0.0.1:{proxy.port}", SSL_CERT_FILE=certificate.path
        )
        setup.check_same(*app(tmp_path, URLLIB), f"https://{host}:{server.port}/")
        assert proxy.requests == [f"CONNECT {host}:{server.port}"] * 2
    assert not setup.passed


def test_unharmed_company_proxy_that_refuses(setup: Setup, tmp_path: Path) -> None:
    with company_proxy(password=True) as proxy:
        setup.set(HTTPS_PROXY=f"http://127.0.0.1:{proxy.port}")
        code = URLLIB.replace("return ", "try:\n    return ") + (
            "\nexcept OSError as error:\n    return error.reason"
        )
        setup.check_same(*app(tmp_path, code), "https://git.company.example/")


# -- a connection that fails


def test_unharmed_failed_connection_is_no_session(setup: Setup, tmp_path: Path) -> None:
    command = [*app(tmp_path, URLLIB), f"https://127.0.0.1:{unused_port()}/telemetry"]
    setup.check_same(*command, status=3)
    assert setup.recorded is not None
    assert setup.recorded.sessions.empty()


def test_unharmed_many_hosts_at_once(
    setup: Setup, certificate: Certificate, tmp_path: Path
) -> None:
    """Connections at the same time to servers that do not verify."""
    with ExitStack() as stack:
        servers = [stack.enter_context(https_server(certificate)) for _ in range(3)]
        code = """
import ssl, urllib.request
from concurrent.futures import ThreadPoolExecutor
def get(url):
    return urllib.request.urlopen(url, context=ssl._create_unverified_context()).read()
with ThreadPoolExecutor(12) as pool:
    return list(pool.map(get, [URL, *ARGS] * 4))
"""
        setup.check_same(*app(tmp_path, code), *(each.url for each in servers))
    assert sum(int(line.split()[2]) for line in setup.passed) == 12


@pytest.mark.parametrize("name", ["git", "wget", "curl"])
def test_set_variables_program_trusts_the_recorder_at_once(
    name: str, setup: Setup, server: HttpsServer, certificate: Certificate
) -> None:
    """Each has a variable of its own, or a file that a variable names."""
    setup.set(AWS_CA_BUNDLE=certificate.path)  # the recorder trusts the server by it
    assert setup.behind_recorder(*download(name, server.url))[0] == 0
    assert not setup.passed
    assert server.handshakes == [True]
