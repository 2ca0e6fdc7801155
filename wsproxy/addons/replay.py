"""Recorded sessions for APIs: mitmdump -s "$(wsproxy addon path replay)" --set wsproxy_replay=X."""

from wsproxy.proxy.access_addon import AccessAddon
from wsproxy.proxy.replay_addon import ReplayAddon

addons = [AccessAddon(), ReplayAddon()]
