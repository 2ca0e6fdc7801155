"""Loaded by Python at the start of a command that `wsproxy run` started.

A module that opens connections, or checks certificates, is changed when the app imports it:
`_PATCHES` names these modules, and the functions in the package `wsproxy_preload` that change
them. An app that imports none of them runs unchanged, and loads nothing but this file. wsproxy
need not be installed for that Python, which can be of any version; nothing is changed before 3.8.
"""

import atexit
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))

_PATCHES = {
    "aiofastnet": "asyncio_loops.patch_aiofastnet",
    "aiohttp.connector": "libraries.patch_aiohttp",
    "asyncio.base_events": "asyncio_loops.patch_asyncio",
    "azure.cognitiveservices.speech.speech": "libraries.patch_azure",
    "azure.cognitiveservices.speech.translation": "libraries.patch_azure",
    "socket": "sockets.patch_socket",
    "ssl": "trust.patch_ssl",
    "tornado.tcpclient": "libraries.patch_tornado",
    "twisted.internet.posixbase": "twisted_reactor.patch_twisted",
    "uvloop": "asyncio_loops.patch_uvloop",
}


class _PatchOnImport:
    """Finds the modules of `_PATCHES` as Python does, and patches them once they are executed."""

    def find_spec(self, name, path=None, target=None):
        if name == "wsproxy_preload":  # also after the app has changed sys.path
            from importlib.machinery import PathFinder

            return PathFinder.find_spec(name, [_HERE])
        if name not in _PATCHES:
            return None
        for finder in list(sys.meta_path):
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    _patch_after(spec.loader, name)
                    return spec
        return None


def _patch_after(loader, name):
    """Let this loader patch the module after it has executed it, and be unchanged after that."""
    # Loaders of built-in and frozen modules are classes, shared by all of them.
    if isinstance(loader, type) or not hasattr(loader, "exec_module"):
        return
    execute = loader.exec_module

    def exec_module(module):
        vars(loader).pop("exec_module", None)
        execute(module)
        _patch(module, name)

    try:
        loader.exec_module = exec_module
    except AttributeError:
        pass  # a loader that cannot be changed: the module works as without wsproxy


def _patch(module, name):
    submodule, _, function = _PATCHES[name].partition(".")
    try:
        package = __import__("wsproxy_preload." + submodule)
        getattr(getattr(package, submodule), function)(module)
    except Exception:
        pass  # another version than the known ones: it works as without wsproxy


def _keep_first_in_path():
    """Make programs that put a sitecustomize of their own in front, and exec the app, keep this.

    `opentelemetry-instrument` is one. This sitecustomize runs the other one, not vice versa.
    """

    def restored(env):
        path = env.get("PYTHONPATH", "").split(os.pathsep)
        if _HERE not in path[1:]:
            return env
        first = [_HERE] + [part for part in path if part != _HERE]
        return dict(env, PYTHONPATH=os.pathsep.join(first))

    execv, execve = os.execv, os.execve

    def new_execv(path, args):
        env = restored(os.environ)
        return execv(path, args) if env is os.environ else execve(path, args, env)

    def new_execve(path, args, env):
        return execve(path, args, restored(env) if hasattr(env, "get") else env)

    os.execv, os.execve = new_execv, new_execve


def _run_own_sitecustomize():
    """Import the sitecustomize that this one shadows, in its place."""
    here = [part for part in sys.path if os.path.abspath(part or ".") == _HERE]
    own, before = sys.modules.pop("sitecustomize", None), sys.path[:]
    sys.path[:] = [part for part in before if part not in here]
    try:
        __import__("sitecustomize")
    except ImportError as error:
        if getattr(error, "name", "sitecustomize") != "sitecustomize":
            raise
    finally:
        sys.path[:0] = here
        if own is not None:
            sys.modules.setdefault("sitecustomize", own)


def _report_clients():
    folder = os.environ.get("WSPROXY_CLIENTS")
    if folder and ("ssl" in sys.modules or "socket" in sys.modules):
        try:
            from wsproxy_preload import clients

            clients.report(folder)
        except Exception:
            pass  # the recorder has ended, and its files are gone


if sys.version_info >= (3, 8) and os.environ.get("WSPROXY_PROXY"):
    sys.meta_path.insert(0, _PatchOnImport())
    for _name in sorted(_PATCHES):
        if _name in sys.modules:
            _patch(sys.modules[_name], _name)
    _keep_first_in_path()
    atexit.register(_report_clients)
_run_own_sitecustomize()
