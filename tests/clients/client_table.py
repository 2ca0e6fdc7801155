"""The table of clients: which there are, in which environments they run, and what is expected."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import client_packages
from client_packages import HERE

ECHO = "echo.deepgram.com"  # a host of the catalog; the server echoes
OTHER = "git.example.com"  # no host of the catalog


@dataclass(frozen=True)
class Client:
    """One client of a group.

    Attributes:
        name: as its program calls it.
        package: of its version, in the listings of tests/sdk; empty if its group has the version.
        place: host and path of its session, a pattern of fnmatch; empty if it opens none.
        note: what a user has to know.
    """

    name: str
    package: str
    place: str
    note: str = ""


@dataclass(frozen=True)
class Program:
    """How the program of a group is started.

    Attributes:
        argv, env: {ca} stands for the file of the authority that signed the hosts' certificates,
            {server_key} for Chromium's name of their key, {folder} for a new folder, {audio} and
            {pcm} for speech.
        bundles: files of certificates that the clients read.
    """

    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    bundles: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Group:
    """Clients that run in one process.

    Attributes:
        runtime: with its version, if it is pinned.
        version_of: the command that prints the version of what is not pinned.
        program: skips the test if it cannot be had.
        listings: where the versions of the packages are pinned.
        warmed_up: the group is run once more before: a client that does not trust the CA fails
            once.
        is_recorded: sessions of a group that are not recorded have to be passed through, and named.
    """

    name: str
    language: str
    runtime: str
    program: Callable[[], Program]
    clients: tuple[Client, ...]
    listings: tuple[str, ...] = ()
    version_of: tuple[str, ...] = ()
    hosts: tuple[str, ...] = (ECHO,)
    warmed_up: bool = False
    is_recorded: bool = True

    def version(self, client: Client) -> str:
        """The pinned version of a client; empty if the machine's is used."""
        return versions(self.listings).get(client.package, "") if client.package else ""


@cache
def versions(listings: tuple[str, ...]) -> dict[str, str]:
    """Package: version, of some listings in tests/sdk."""
    found: dict[str, str] = {}
    for listing in listings:
        text = (HERE / listing).read_text()
        if listing.endswith(".json"):
            found |= json.loads(text)["dependencies"]
        else:
            pinned = re.findall(r"^([\w.-]+)(?:\[\w+\])?==([\w.]+)", text, re.MULTILINE)
            found |= dict(pinned)
    return found


# ---- Python

_PYTHON = HERE / "websocket_clients.py"
_PYTHON_VERSION = f"Python {sys.version_info.major}.{sys.version_info.minor}"
_SYSTEM_RESOLVER = {"CLIENTS_SYSTEM_RESOLVER": "1"}


def _bundles(python: str) -> list[str]:
    return [str(each) for each in Path(python).parents[1].glob("lib/*/site-packages/certifi/*.pem")]


def _python_clients(folder: str, *names: str) -> Callable[[], Program]:
    def program() -> Program:
        python = client_packages.python_clients()
        older = "-" if folder == "-" else str(client_packages.older_websockets() / folder)
        argv = [python, str(_PYTHON), ECHO, "443", "{ca}", older, *names]
        return Program(argv, _SYSTEM_RESOLVER, _bundles(python))

    return program


def _echoing(package: str, *names: str, note: str = "") -> tuple[Client, ...]:
    return tuple(Client(name, package, f"{ECHO}/{name}", note=note) for name in names)


_PYTHON_CLIENTS = (
    *_echoing("websockets", "websockets", "websockets-asyncio-no-proxy", "websockets-bundle"),
    *_echoing("websockets", "websockets-legacy", "websockets-sync", "websockets-sync-no-proxy"),
    *_echoing("websockets", "websockets-legacy-uvloop", "websockets-uvloop"),
    *_echoing("websocket-client", "websocket-client", "websocket-client-bundle"),
    *_echoing("aiohttp", "aiohttp", "aiohttp-bundle", "aiohttp-uvloop"),
    *_echoing("picows", "picows", "picows-asyncio"),
    *_echoing("tornado", "tornado"),
    *_echoing("autobahn", "autobahn-asyncio"),
)
_OTHER_PYTHON_CLIENTS = (
    *(Client(each, each, f"{ECHO}/{each}") for each in ("httpx-ws", "niquests", "trio-websocket")),
    *(Client(each, each, f"{ECHO}/{each}") for each in ("lomond", "ws4py", "simple-websocket")),
    *_echoing("curl_cffi", "curl-cffi"),
    *_echoing("wsproto", "wsproto-memory", note="over TLS in memory"),
    *_echoing("anyio", "wsproto-anyio", note="wsproto over streams of AnyIO"),
)


def _other_python_clients(*names: str) -> Callable[[], Program]:
    def program() -> Program:
        python = client_packages.other_python_clients()
        argv = [python, "-W", "ignore", str(HERE / "websocket_clients_others.py"), ECHO, "443"]
        return Program([*argv, "{ca}", *names], bundles=_bundles(python))

    return program


def _patching(library: str) -> Group:
    """A group of a library that replaces the classes of sockets in the whole process."""
    note = f"websocket-client, with the socket module as {library} replaces it"
    return Group(
        f"python-{library}",
        "Python",
        _PYTHON_VERSION,
        _other_python_clients(library),
        _echoing(library, library, note=note),
        _OTHERS_OF_PYTHON,
    )


_OLDER = {
    "10.4": ("websockets", "websockets-legacy"),
    "12.0": ("websockets", "websockets-client", "websockets-sync"),
    "14.2": (
        *("websockets", "websockets-asyncio", "websockets-client", "websockets-sync"),
        *("websockets-legacy", "websockets-bundle"),
    ),
}

# ---- SDKs, which hold dialogues with the simulated APIs

_PYTHON_SDKS = (
    Client("openai_realtime", "openai", "api.openai.com/*"),
    Client("elevenlabs_agent", "elevenlabs", "api.elevenlabs.io/v1/convai*"),
    Client("elevenlabs_tts", "elevenlabs", "api.elevenlabs.io/v1/text-to-speech*"),
    Client("cartesia_tts", "cartesia", "api.cartesia.ai/*"),
    Client("hume_evi", "hume", "api.hume.ai/*"),
    Client("gladia_live", "gladiaio-sdk", "api.gladia.io/*"),
    Client("speechmatics_rt", "speechmatics-rt", "eu.rt.speechmatics.com/*"),
    Client("soniox_stt", "soniox", "stt-rt.soniox.com/*"),
    Client("gemini_live", "google-genai", "generativelanguage.googleapis.com/*"),
    Client("azure_stt", "azure-cognitiveservices-speech", "westeurope.stt.speech.microsoft.com/*"),
    Client("azure_tts", "azure-cognitiveservices-speech", "westeurope.tts.speech.microsoft.com/*"),
    Client("mistral_realtime", "mistralai", "api.mistral.ai/*"),
    Client("revai_stream", "rev-ai", "api.rev.ai/*"),
    Client("sarvam_stt", "sarvamai", "api.sarvam.ai/speech-to-text*"),
    Client("sarvam_tts", "sarvamai", "api.sarvam.ai/text-to-speech*"),
)
_AZURE_FOR_NODE = "microsoft-cognitiveservices-speech-sdk"
_NODE_SDKS = (
    Client("deepgram", "@deepgram/sdk", "api.deepgram.com/*"),
    Client("assemblyai", "assemblyai", "streaming.assemblyai.com/*"),
    Client("openai", "openai", "api.openai.com/*"),
    Client("gemini", "@google/genai", "generativelanguage.googleapis.com/*"),
    Client("elevenlabs_agent", "@elevenlabs/elevenlabs-js", "api.elevenlabs.io/v1/convai*"),
    Client("elevenlabs_stt", "@elevenlabs/elevenlabs-js", "api.elevenlabs.io/v1/speech-to-text*"),
    Client("cartesia", "@cartesia/cartesia-js", "api.cartesia.ai/*"),
    Client("hume", "hume", "api.hume.ai/*"),
    Client("soniox", "@soniox/node", "stt-rt.soniox.com/*"),
    Client("gladia", "@gladiaio/sdk", "api.gladia.io/*"),
    Client("speechmatics", "@speechmatics/real-time-client", "eu.rt.speechmatics.com/*"),
    Client("azure_stt", _AZURE_FOR_NODE, "westeurope.stt.speech.microsoft.com/*"),
    Client("azure_tts", _AZURE_FOR_NODE, "westeurope.tts.speech.microsoft.com/*"),
    Client("revai", "revai-node-sdk", "api.rev.ai/*"),
)


def _host(client: Client) -> str:
    return client.place.partition("/")[0]


def _wanted(clients: tuple[Client, ...]) -> list[str]:
    return [f"{each.name}@{_host(each)}" for each in clients]


def _hosts(clients: tuple[Client, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(_host, clients)))


def _python_sdks() -> Program:
    python = client_packages.python_sdks()
    argv = [python, str(HERE / "dialogues.py"), "wss://-", "{audio}", *_wanted(_PYTHON_SDKS)]
    return Program(argv, bundles=_bundles(python))


def _node_sdks() -> Program:
    folder = client_packages.node_sdks()
    argv = [str(folder / "node" / "bin" / "node"), str(HERE / "dialogues.cjs"), "wss://-"]
    env = {"NODE_PATH": str(folder), "NODE_EXTRA_CA_CERTS": "{ca}"}
    return Program([*argv, "{audio}", *_wanted(_NODE_SDKS)], env)


def _speech_sdk(program: str, mode: str, package: str, place: str) -> Group:
    """A group of a client program whose failing sessions other tests are about."""

    def start() -> Program:
        python = client_packages.speech_sdks()
        argv = [python, str(HERE / f"{program}.py"), f"wss://{_host(client)}", "{pcm}", mode]
        return Program(argv, bundles=_bundles(python))

    listings = ("requirements.txt",)
    # As the program calls itself.
    name = f"{package} {versions(listings)[package]} {mode}"
    client = Client(name, package, place, note=program.partition("_")[2])
    hosts = (_host(client),)
    return Group(
        f"{program}-{mode}", "Python", _PYTHON_VERSION, start, (client,), listings, hosts=hosts
    )


# ---- Node

_NODE_CLIENTS = (
    *_echoing("ws", "ws", "ws-agent", "ws-ca", "ws-secure-context", "ws-plain", "ws-eof"),
    *_echoing("ws", "ws-own-socket", "ws-reset", "ws-large", "ws-proxy-agent"),
    *_echoing("undici", "undici", "undici-plain", "undici-eof", "undici-reset"),
    *_echoing("websocket", "websocket", "websocket-ca"),
    *_echoing("faye-websocket", "faye-websocket"),
    Client("worker-env", "ws", f"{ECHO}/worker-ws", note="in a worker with an environment"),
    Client("native", "", f"{ECHO}/native", note="the WebSocket of Node"),
)
_NOT_SESSIONS = ("ws-refused", "fetch", "https", "tls", "tls-own-socket", "worker-env-seen")


def _node_clients(major: int) -> Callable[[], Program]:
    def program() -> Program:
        flags = ["--experimental-websocket"] if major < 22 else []
        argv = [client_packages.node_version(major), *flags, str(HERE / "websocket_clients.cjs")]
        argv += [ECHO, "443", "80", "{ca}", *(each.name for each in _NODE_CLIENTS), *_NOT_SESSIONS]
        env = {"NODE_PATH": str(client_packages.node_clients()), "NODE_EXTRA_CA_CERTS": "{ca}"}
        return Program(argv, env | _SYSTEM_RESOLVER)

    return program


# ---- others


def _runtime(*command: str, trust: str, names: tuple[str, ...]) -> Callable[[], Program]:
    def program() -> Program:
        folder = client_packages.runtimes()
        binary = str(folder / "node_modules" / ".bin" / command[0])
        argv = [binary, *command[1:], str(folder / "websocket_clients.mjs"), f"wss://{ECHO}/"]
        return Program([*argv, *names], {trust: "{ca}"})

    return program


def _go(*names: str) -> Callable[[], Program]:
    return lambda: Program([client_packages.go_clients(), ECHO, "{ca}", *names])


def _java() -> Program:
    java = client_packages.installed("java")
    return Program(
        [java, "-cp", client_packages.java_client(), "WebSocketClient", f"wss://{ECHO}/java"]
    )


def _chromium(name: str, flags: str) -> Callable[[], Program]:
    def program() -> Program:
        session = [sys.executable, str(HERE / "browser_session.py")]
        browser = client_packages.installed("chromium")
        # The last of two equal flags applies.
        own = "--user-data-dir={folder}/profile --ignore-certificate-errors-spki-list={server_key}"
        argv = [*session, browser, ECHO, name]
        return Program(["sh", "-c", f'exec "$@" {own} {flags}', "sh", *argv])

    return program


def _command(*argv: str) -> Callable[[], Program]:
    return lambda: Program([client_packages.installed(argv[0]), *argv[1:]])


def _script(language: str, file: str, check: tuple[str, ...], note: str) -> Group:
    """A group of the only client of a language."""

    def start() -> Program:
        address = ECHO if language == "php" else f"wss://{ECHO}/"
        return Program([client_packages.working(language, *check), str(HERE / file), address])

    version_of = (language, "--version")
    clients = (Client(language, "", f"{ECHO}/{language}", note=note),)
    return Group(language, "Other programs", "", start, clients, (), version_of)


def _http(name: str, *argv: str) -> Group:
    client = Client(name, "", "", note="no WebSocket: passed through")
    version_of = (argv[0], "--version")
    return Group(name, "Other programs", "", _command(*argv), (client,), (), version_of, (OTHER,))


_BUN = ("native", "native-protocols", "native-headers", "ws")
_DENO = ("native", "native-protocols", "ws")
_GORILLA, _NHOOYR = "golang-github-gorilla-websocket-dev", "golang-nhooyr-websocket-dev"
_CLIENTS_OF_PYTHON = ("websocket-clients-requirements.txt",)
_OTHERS_OF_PYTHON = ("websocket-clients-others.txt",)

GROUPS = (
    Group(
        "python",
        "Python",
        _PYTHON_VERSION,
        _python_clients("-", *(each.name for each in _PYTHON_CLIENTS), "aiohttp-refused"),
        _PYTHON_CLIENTS,
        _CLIENTS_OF_PYTHON,
    ),
    Group(
        "python-twisted",
        "Python",
        _PYTHON_VERSION,
        _python_clients("-", "autobahn-twisted"),  # autobahn is for one framework in a process
        _echoing("autobahn", "autobahn-twisted"),
        _CLIENTS_OF_PYTHON,
    ),
    Group(
        "python-others",
        "Python",
        _PYTHON_VERSION,
        _other_python_clients(*(each.name for each in _OTHER_PYTHON_CLIENTS)),
        _OTHER_PYTHON_CLIENTS,
        _OTHERS_OF_PYTHON,
    ),
    _patching("gevent"),
    _patching("eventlet"),
    *(
        Group(
            f"python-websockets-{version}",
            "Python",
            _PYTHON_VERSION,
            _python_clients(f"websockets=={version}", *names),
            _echoing(f"websockets=={version}", *names),
        )
        for version, names in _OLDER.items()
    ),
    Group(
        "python-sdks",
        "Python",
        _PYTHON_VERSION,
        _python_sdks,
        _PYTHON_SDKS,
        ("dialogues-requirements.txt",),
        hosts=_hosts(_PYTHON_SDKS),
    ),
    *(
        _speech_sdk(program, mode, package, place)
        for program, package, place in (
            ("deepgram_listen", "deepgram-sdk", "api.deepgram.com/v1/listen"),
            ("deepgram_speak", "deepgram-sdk", "api.deepgram.com/v1/speak"),
            ("assemblyai_streaming", "assemblyai", "streaming.assemblyai.com/v3/ws"),
        )
        for mode in ("sync", "async")
    ),
    Group(
        "node-sdks",
        "Node",
        "Node 22",
        _node_sdks,
        _NODE_SDKS,
        ("dialogues/package.json",),
        hosts=_hosts(_NODE_SDKS),
    ),
    *(
        Group(
            f"node-{major}",
            "Node",
            f"Node {major}",
            _node_clients(major),
            _NODE_CLIENTS,
            ("package.json",),
        )
        for major in (20, 22, 24)
    ),
    Group(
        "bun",
        "Bun",
        "Bun",
        _runtime("bun", "run", trust="NODE_EXTRA_CA_CERTS", names=(*_BUN, "fetch", "class")),
        tuple(Client(name, "bun", f"{ECHO}/{name}") for name in _BUN),
        ("runtimes/package.json",),
    ),
    Group(
        "deno",
        "Deno",
        "Deno",
        _runtime(
            *("deno", "run", "--allow-all", "--node-modules-dir=manual", "--quiet"),
            trust="DENO_CERT",
            names=(*_DENO, "fetch"),
        ),
        tuple(Client(name, "deno", f"{ECHO}/{name}") for name in _DENO),
        ("runtimes/package.json",),
    ),
    Group(
        "go",
        "Go",
        "Go",
        _go("gorilla", "gorilla-no-proxy", "nhooyr"),
        (
            *_echoing("", "gorilla", "gorilla-no-proxy"),
            *_echoing("", "nhooyr"),
        ),
        version_of=("go", "version"),
    ),
    Group(
        "go-pinned",
        "Go",
        "Go",
        _go("gorilla-pinned"),
        _echoing(
            "", "gorilla-pinned", note="has its own roots: passed through from its second run"
        ),
        version_of=("go", "version"),
        warmed_up=True,
        is_recorded=False,
    ),
    Group(
        "java",
        "Java",
        "java.net.http",
        _java,
        (Client("java", "", f"{ECHO}/java"),),
        version_of=("java", "--version"),
    ),
    Group(
        "chromium",
        "Chromium",
        "Chromium",
        _chromium("chromium", "$WSPROXY_CHROMIUM_FLAGS"),
        (Client("chromium", "", f"{ECHO}/chromium", note="with `$WSPROXY_CHROMIUM_FLAGS`"),),
        version_of=("chromium", "--version"),
    ),
    Group(
        "chromium-no-flags",
        "Chromium",
        "Chromium",
        _chromium("chromium-no-flags", ""),
        _echoing("", "chromium-no-flags", note="without flags: passed through from its second run"),
        version_of=("chromium", "--version"),
        warmed_up=True,
        is_recorded=False,
    ),
    _script("perl", "websocket_client.pl", ("-MMojolicious", "-MIO::Socket::SSL", "-e1"), "Mojo"),
    _script("ruby", "websocket_client.rb", ("-rfaye/websocket", "-e1"), "faye-websocket"),
    _script("php", "websocket_client.php", ("-r", ""), "streams"),
    _http("curl", "curl", "-sS", f"https://{OTHER}/file"),
    _http("wget", "wget", "-qO-", f"https://{OTHER}/file"),
    _http("git", "git", "ls-remote", f"https://{OTHER}/project.git"),
)


def rows() -> Iterator[tuple[Group, Client]]:
    """Each client with its group."""
    for group in GROUPS:
        for client in group.clients:
            yield group, client
