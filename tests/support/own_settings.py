"""Importing this keeps the settings and the catalog of the user out of a program."""

import os
import tempfile

# The folder goes when the process ends.
_config = tempfile.TemporaryDirectory(prefix="wsproxy-tests-")
FOLDER = _config.name

os.environ.pop("WSPROXY_CATALOG", None)
os.environ["XDG_CONFIG_HOME"] = FOLDER
