"""The pages of sessions in a local web server, which grow while sessions are recorded.

access          who may use the server: token, Host and Origin
recording       whether a trace is still being written
growth          the difference between two states of a page's data
live_parts      the data of the page of a session that grows, as states of it
live_turns      the turns of its transcript
frame_marks     its frames for the time axis, counted by time
frame_window    some of its frames, read when a page asks for them
live_content    a session that is read as it grows, and the updates of its pages
live_page       the page of a session that grows, as it is when it is loaded
folder          the sessions of a folder, for the start page
search          searching the texts of sessions
zip_files       the parts of a trace as one file to download
commands        commands of wsproxy that buttons run
hub             what the pages show, read beside the server's thread
handlers        the requests of browsers
server          the web server
requirements    whether its libraries are installed
"""
