"""Hides from wsproxy what another platform, or an installation without mitmproxy, does not have.

`tests/support/legs.py` puts this folder into PYTHONPATH and names the leg in WSPROXY_TEST_PLATFORM:
macos, windows or no-mitmproxy. Python loads this file at its start, in child processes as well.

Modules of wsproxy see views of `os`, `socket` and others that lack names; the standard library
and the tests keep the real ones, which they need on this machine.
"""

import builtins
import fnmatch
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType

LEG = os.environ.get("WSPROXY_TEST_PLATFORM", "")

# Module: what it lacks, as patterns.
_LACKS: dict[str, dict[str, str]] = {
    "macos": {
        "os": "O_TMPFILE O_PATH O_DIRECT O_NOATIME O_RSYNC pipe2 fdatasync posix_fadvise "
        "posix_fallocate memfd_create MFD_* eventfd* EFD_* sched_*affinity sched_setscheduler "
        "getrandom GRND_* splice SPLICE_* copy_file_range pidfd_open setns unshare CLONE_* "
        "*xattr XATTR_* getresuid getresgid setresuid setresgid",
        "select": "epoll EPOLL*",
        "socket": "TCP_INFO TCP_USER_TIMEOUT TCP_QUICKACK TCP_CORK TCP_KEEPIDLE TCP_DEFER_ACCEPT "
        "SO_BINDTODEVICE SO_PEERCRED SO_MARK SO_DOMAIN SO_PROTOCOL SOCK_CLOEXEC SOCK_NONBLOCK "
        "MSG_NOSIGNAL MSG_MORE MSG_ERRQUEUE MSG_CMSG_CLOEXEC AF_PACKET AF_NETLINK AF_VSOCK "
        "IP_TRANSPARENT",
        "signal": "SIGRT* SIGPWR SIGPOLL SIGCLD SIGSTKFLT sigwaitinfo sigtimedwait pidfd_*",
        "fcntl": "F_SETPIPE_SZ F_GETPIPE_SZ F_*SEAL* F_OFD_* F_SETLEASE F_GETLEASE F_NOTIFY DN_*",
    },
    "windows": {
        "os": "O_CLOEXEC O_NOFOLLOW O_NONBLOCK O_DIRECTORY O_NOCTTY O_SYNC O_DSYNC O_TMPFILE "
        "geteuid getuid getegid getgid getgroups fchmod fchown chown lchown fork forkpty *statvfs "
        "killpg setsid getpgid setpgid mkfifo mknod pread* pwrite* readv writev fdatasync "
        "posix_* sysconf* confstr* pathconf* uname getloadavg sched_* pipe2 register_at_fork sync "
        "wait wait3 wait4 waitid WIF* WEXITSTATUS WNOHANG nice lockf initgroups set_blocking "
        "getpriority ttyname openpty tcgetpgrp",
        "select": "epoll EPOLL* poll POLL* kqueue",
        "socket": "AF_UNIX AF_PACKET SO_REUSEPORT MSG_DONTWAIT MSG_NOSIGNAL SCM_* send_fds "
        "recv_fds SOCK_CLOEXEC SOCK_NONBLOCK TCP_INFO TCP_USER_TIMEOUT TCP_CORK",
        "signal": "SIGHUP SIGUSR* SIGKILL SIGALRM SIGCHLD SIGCLD SIGPIPE SIGQUIT SIGTSTP SIGSTOP "
        "SIGCONT SIGTTIN SIGTTOU SIGWINCH SIGRT* pthread_* sigwait* sigpending sigtimedwait "
        "setitimer getitimer alarm pause siginterrupt SIG_BLOCK SIG_UNBLOCK SIG_SETMASK",
        "time": "clock_gettime* clock_settime* tzset pthread_getcpuclockid",
    },
    "no-mitmproxy": {},
}

_HAS: dict[str, dict[tuple[str, str], object]] = {
    "macos": {("sys", "platform"): "darwin"},
    "windows": {("sys", "platform"): "win32", ("os", "name"): "nt", ("os", "O_BINARY"): 0},
}

_MISSING = {"windows": {"fcntl", "termios", "resource", "pwd", "grp", "pty", "tty", "syslog"}}

# What mitmproxy alone brings: neither wsproxy's own dependencies nor the tests' have them.
_OF_MITMPROXY = """
    OpenSSL aioquic argon2 bcrypt cryptography h2 hpack hyperframe kaitaistruct ldap3 mitmproxy
    mitmproxy_linux mitmproxy_rs passlib publicsuffix2 pylsqpack pyperclip ruamel
    service_identity tornado urwid
"""


class _View(ModuleType):
    """A module with names missing; what is set on it is set on the module."""

    _real: ModuleType
    _lacks: list[str]
    _has: dict[str, object]

    def __init__(self, real: ModuleType, lacks: list[str], has: dict[str, object]) -> None:
        super().__init__(real.__name__)
        self.__dict__.update(_real=real, _lacks=lacks, _has=has)

    def __getattr__(self, name: str) -> object:
        if name in self._has:
            return self._has[name]
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in self._lacks):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} ({LEG})")
        return getattr(self._real, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._real, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._real, name)


class _Finder:
    """Finds wsproxy's modules, and has them import through views."""

    def __init__(self, missing: set[str], views: dict[str, ModuleType]) -> None:
        self._builtins = {**vars(builtins), "__import__": self._import}
        self._missing = missing
        self._views = views

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] != "wsproxy":
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
            spec.loader.builtins = self._builtins
        return spec

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if level == 0 and name.partition(".")[0] in self._missing:
            raise ModuleNotFoundError(f"No module named {name!r} ({LEG})", name=name)
        module = builtins.__import__(name, globals, locals, fromlist, level)
        return self._views.get(module.__name__, module)


class _Loader(SourceFileLoader):
    builtins: dict[str, object]

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = self.builtins
        super().exec_module(module)


def _hide(leg: str) -> None:
    lacks, has, missing = _LACKS[leg], _HAS.get(leg, {}), _MISSING.get(leg, set())
    views: dict[str, ModuleType] = {}
    for name in {*lacks, *(module for module, _ in has), "importlib.util"} - missing:
        real = __import__(name, fromlist=["x"])
        values = {key: value for (module, key), value in has.items() if module == name}
        if name == "importlib.util":
            values["find_spec"] = lambda wanted, package=None, find=real.find_spec: (
                None if wanted in missing else find(wanted, package)
            )
        views[name] = _View(real, lacks.get(name, "").split(), values)
    sys.meta_path.insert(0, _Finder(missing, views))


def _without_epoll() -> None:
    """The event loop as on macOS, as far as this machine has it: neither epoll nor /proc."""
    import selectors

    setattr(selectors, "DefaultSelector", selectors.PollSelector)  # noqa: B010

    def no_proc(event: str, args: tuple[object, ...]) -> None:
        if event in ("open", "os.listdir", "os.scandir") and str(args[0]).startswith("/proc/"):
            raise FileNotFoundError(2, "No such file or directory", args[0])

    sys.addaudithook(no_proc)


def _like_windows() -> None:
    """There, open files cannot be renamed, and an existing name is not replaced."""
    import asyncio

    def no_handler(*args: object) -> None:
        raise NotImplementedError

    setattr(asyncio.SelectorEventLoop, "add_signal_handler", no_handler)  # noqa: B010
    stock = os.rename

    def rename(source: str, to: str, **others: int) -> None:
        if os.path.lexists(to):
            raise FileExistsError(17, "File exists", str(to))
        stock(source, to, **others)

    setattr(os, "rename", rename)  # noqa: B010

    def no_open_file(event: str, args: tuple[object, ...]) -> None:
        if event in ("os.rename", "os.remove") and _is_open(str(args[0])):
            raise PermissionError(13, "The process cannot access the file", str(args[0]))

    sys.addaudithook(no_open_file)


def _is_open(path: str) -> bool:
    """Whether this process has a file of this name open."""
    try:
        wanted = Path(path).lstat()
        descriptors = [each.name for each in Path("/proc/self/fd").iterdir()]
    except OSError:
        return False
    for each in descriptors:
        try:
            if os.path.samestat(os.fstat(int(each)), wanted):
                return True
        except OSError:
            continue
    return False


if LEG:
    _hide(LEG)
    if LEG == "macos":
        _without_epoll()
    elif LEG == "windows":
        _like_windows()
    else:
        for name in _OF_MITMPROXY.split():
            sys.modules[name] = None  # type: ignore[assignment]  # its import fails then
