"""Routes an app's connections through the recorder; `sitecustomize` beside it loads this.

Only the standard library is used, and no more of it than the app has imported, because this runs
in every Python process of the app.

route               which connections go through the recorder
tunnel              opening a connection through the recorder
asyncio_loops       asyncio's and uvloop's connections
sockets             the blocking connections of `socket.create_connection`
libraries           aiohttp, tornado and Azure's Speech SDK
twisted_reactor     Twisted's connections, for autobahn
clients             reports which known clients were loaded
trust               the recorder's CA beside the ones that an app loads
"""
