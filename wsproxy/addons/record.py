"""Records WebSocket sessions: mitmdump -s "$(wsproxy addon path)" --set wsproxy_out=DIR."""

from wsproxy.capture.addon import Record

addons = [Record()]
