"""Records WebSocket sessions: mitmdump -s "$(wsproxy addon path)" --set wsproxy_out=DIR."""

from wsproxy.proxy.access_addon import AccessAddon
from wsproxy.proxy.record_addon import RecordAddon

addons = [AccessAddon(), RecordAddon()]
