"""The proxy: relays sessions verbatim inside mitmproxy and passes them to the recorder.

Only this package imports mitmproxy.

    record_addon        mitmproxy's hooks: a session begins, is refused, fails, ends
    access_addon        refuses requests of web pages, to unknown hosts, and to the proxy itself
    redirect_addon      redirects requests to a server on this machine
    trial_addon         simulates speech APIs for a trial run, and observes connections
    replay_addon        the same, to a replay server
    options             options of the recording addon
    relay               copies bytes between the two connections of an upgraded flow
    pass_through_addon  decides which TLS is passed through instead of intercepted
    pass_through_layer  does either, and relays what is passed through
    client_certificate  detects that a server asks for a client certificate
    client_fingerprint  tells TLS clients apart
    recorded_hosts      which hosts are recorded
    relay_layer         replaces mitmproxy's WebSocket layer
    connection_control  reads and controls the connections of a client
    reset_after_fin     detects a reset after a FIN
    caught_connections  records connections that the supervisor of a command has caught
    adopted_server      a handler of mitmproxy that uses an existing connection to the server
    first_bytes         the host that a client's first bytes name
    tls_stream          TLS of a connection on memory buffers
    http_stream         streams HTTP bodies and keeps their beginning
    http_records        trace records of mitmproxy's HTTP messages
    http1_patches       forwards upgrade requests and interim responses verbatim
    head_limits         limits the size of HTTP heads
    proxy_chain_addon   connects to servers through the user's own proxies
    chained_connection  a connection through one of them
    upstream_trust      certificates that are trusted for servers
    failed_attempts     counts consecutive failed sessions with an endpoint
    failure_cause       where and on whose side something failed
    unreached_hosts     hosts that are not recorded and could not be connected to
    embedding           runs mitmproxy in this process
    ca_folder           creates the recorder's CA
    start_errors        why mitmproxy cannot start
    child_process       runs it in a child process, controlled through pipes
    child_protocol      the messages on these pipes
    requirements        whether mitmproxy and the required modules are installed
"""
