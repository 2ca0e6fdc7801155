"""Recorded sessions for APIs: mitmdump -s "$(wsproxy addon path replay)" --set wsproxy_replay=X."""

from wsproxy.capture.stand_in import StandIn

addons = [StandIn()]
