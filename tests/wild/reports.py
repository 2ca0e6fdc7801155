"""All reports that were searched out, in the order of docs/wild.md."""

from __future__ import annotations

import reported_access
import reported_audio
import reported_networks
import reported_sessions
import reported_settings

REPORTS = [
    *reported_access.REPORTS,
    *reported_settings.REPORTS,
    *reported_audio.REPORTS,
    *reported_sessions.REPORTS,
    *reported_networks.REPORTS,
]
