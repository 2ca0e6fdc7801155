"""Records WebSocket sessions: mitmdump -s "$(wsproxy addon path)" --set wsproxy_out=DIR."""

from wsproxy.capture.access import Access
from wsproxy.capture.addon import Record

addons = [Access(), Record()]
