"""The proxy: relays sessions verbatim inside mitmproxy and passes them to the recorder.

Only this package imports mitmproxy.

    record_addon        mitmproxy's hooks: a session begins, is refused, fails, ends
    access_addon        refuses requests of web pages, to unknown hosts, and to the proxy itself
    redirect_addon      redirects requests to a server on this machine
    replay_addon        the same, to a replay server
    options             options of the recording addon
    relay               copies bytes between the two connections of an upgraded flow
    relay_layer         replaces mitmproxy's WebSocket layer
    connection_control  reads and controls the connections of a client
    reset_watch         detects a reset after a FIN
    caught              records connections that the supervisor of a command has caught
    adopted_server      a handler of mitmproxy that uses an existing connection to the server
    first_bytes         the host that a client's first bytes name
    tls_stream          TLS of a connection on memory buffers
    http_stream         streams HTTP bodies and keeps their beginning
    http_records        trace records of mitmproxy's HTTP messages
    http1_patches       forwards upgrade requests and interim responses verbatim
    head_limits         limits the size of HTTP heads
    failed_attempts     counts consecutive failed sessions with an endpoint
    failure_cause       where and on whose side something failed
    embedding           runs mitmproxy in this process
    child_process       runs it in a child process, controlled through pipes
    child_protocol      the messages on these pipes
    requirements        whether mitmproxy and the required modules are installed
"""
