"""Catches the connections of a command on Linux, whatever language and libraries it uses.

A seccomp filter reports each connect(2) of the command and its children to a supervisor
process. The supervisor sends connections to speech API ports to the recorder, and leaves all
others to the kernel. `docs/catch.md` describes what is caught, and what is not.

    availability     whether connections can be caught here
    seccomp          the filter, and the kernel's notifications
    socket_address   a sockaddr in the memory of a process
    target           the process and the socket of a notification
    meeting          connects an app's socket only when the server is connected
    connects         decides about each connect(2), and finishes those of caught connections
    supervisor       the process that starts the command and answers notifications
    channel          JSON messages between supervisor and recorder
    command          a caught command, as the recorder's process sees it
"""
