"""Recorded sessions for APIs: mitmdump -s "$(wsproxy addon path replay)" --set wsproxy_replay=X."""

from wsproxy.capture.access import Access
from wsproxy.capture.stand_in import StandIn

addons = [Access(), StandIn()]
