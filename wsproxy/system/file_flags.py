"""How systems differ in files: flags of open(), and whether open files can be renamed."""

from __future__ import annotations

import os

# Not inherited by child processes; no conversion of line ends.
PLAIN = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)

# Follow no link and wait for no FIFO that another user may have put there.
CAREFUL = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)

# Windows refuses to rename and to remove a file that is open.
OPEN_FILES_MOVE = os.name != "nt"


def is_own(status: os.stat_result) -> bool:
    """Whether a file belongs to this user and no other may write to it; True if unknown."""
    if not hasattr(os, "geteuid"):
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022
