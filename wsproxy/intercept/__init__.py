"""How the connections of an app come to the recorder, and are trusted there.

chromium_flags       flags for Chromium and Electron
environment          environment variables for a recorded command
trust                CA certificates of the user's environment, and those for the app
ca_bundle            CA certificates and PEM bundles
user_proxies         HTTPS_PROXY and NO_PROXY of the user's environment
rejections           clients that do not trust the recorder's CA
pass_through_report  TLS that was passed through, and why
java_options         JAVA_TOOL_OPTIONS of a recorded command
java_trust_store     certificates as Java reads them
clients              known libraries and SDKs, and how their connections are recorded
loaded_clients       which of them a command has loaded
observed_hosts       what a trial run of a command has shown
preloads             what the programs of a recorded command load
preload              the code that they load, for Python, Node and Bun
catch                connections of a command, caught by the kernel (Linux)
connection_watch     looks for connections that go past the recorder
proc_connections     connections of processes, from /proc
lsof_connections     connections of processes, from lsof
past_connections     what is reported about them
"""
