"""Reports which known clients of speech APIs this process has loaded.

The folder in WSPROXY_CLIENTS names the known ones in its file `wanted`, and gets an empty file for
each that was loaded: its name is the runtime, the name and the version, with %-escapes.
"""

import os
import sys


def report(folder):
    with open(os.path.join(folder, "wanted")) as file:
        wanted = [line.split() for line in file]
    # Another process of the app has reported it: looking for a version takes milliseconds.
    known = {entry.rpartition(" ")[0] for entry in os.listdir(folder)}
    for runtime, name, module in wanted:
        if runtime == "python" and module in sys.modules and "python " + name not in known:
            _add(folder, name, _version(name))


def _version(name):
    from importlib import metadata

    try:
        return metadata.version(name)
    except Exception:  # a bundle such as PyInstaller's has no metadata
        return ""


def _add(folder, name, version):
    from urllib.parse import quote

    parts = ("python", name, version)
    path = os.path.join(folder, " ".join(quote(part, safe="@") for part in parts))
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
