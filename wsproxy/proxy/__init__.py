"""The part that runs inside mitmproxy: relays sessions untouched and records them.

addon        mitmproxy's hooks: when a session begins, is refused, fails, ends
layer        takes the place of mitmproxy's WebSocket layer
relay        takes over both connections of an upgraded flow and copies bytes
body         bodies of other HTTP: they stream by, their beginning is kept
failure      what went wrong, and on whose side
live         a session being recorded, as the event loop sees it
backlog      the queue between event loop and thread, and who is held for it
recorder     the thread that turns bytes into traces
keeping      how much is kept, and how safely: sizes, fsync, strict
faults       what is said while traces cannot be written
folder       the limit of the folder's size
compactor    packs finished traces
lead         leads requests to a server on this machine
stand_in     answers for the APIs with recorded sessions
environment  what sends a command through the recorder
embed        runs mitmproxy with the addon for the command line
process      the same for another process, which may be one without mitmproxy
protocol     what that process and the other one say
needs        whether mitmproxy and what else it takes is there
"""
