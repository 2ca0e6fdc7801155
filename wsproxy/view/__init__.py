"""The pages of sessions in a local web server, which grow while sessions are recorded.

access          who may use the server: token, Host and Origin
recording       whether a trace is still being written
growth          the difference between two states of a page's data
live_content    a session that is read as it grows, for its page
folder          the sessions of a folder, for the start page
search          searching the texts of sessions
commands        commands of wsproxy that buttons run
hub             what the pages show, read beside the server's thread
handlers        the requests of browsers
server          the web server
requirements    whether its libraries are installed
"""
