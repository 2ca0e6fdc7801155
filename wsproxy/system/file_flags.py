"""How systems differ in files: flags that not all have, and what an open file is spared."""

from __future__ import annotations

import os

# Not inherited by child processes; bytes as they are, where a system could change line ends.
PLAIN = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)

# Nothing that another user has put there is followed or waited for.
CAREFUL = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)

# Windows refuses to rename and to remove a file that is open.
OPEN_FILES_MOVE = os.name != "nt"


def is_own(status: os.stat_result) -> bool:
    """Whether a file is this user's and nobody else may write to it, where that can be told."""
    if not hasattr(os, "geteuid"):
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022
