"""The part that runs inside mitmproxy: relays sessions untouched and records them.

addon      mitmproxy's hooks: when a session begins, is refused, fails, ends
layer      takes the place of mitmproxy's WebSocket layer
relay      takes over both connections of an upgraded flow and copies bytes
recorder   queue and thread that turn bytes into traces
lead       leads requests to a server on this machine
failure    what went wrong, and on whose side
stand_in   answers for the APIs with recorded sessions
environment  what sends a command through the recorder
embed      runs mitmproxy with the addon for the command line
"""
