"""Checks whether an app can be recorded here: what is so, why it matters, and what to do.

result            the result of a check
setup             what is checked: the command, its environment, folders and addresses
all_checks        the checks in their order
versions          Python, wsproxy, mitmproxy, their extras and pins
certificate       the recorder's CA: its key, its files, its expiry
trust             whether programs trust the CA, and the files that CA variables name
proxies           the proxies that the environment names
folders           write access and free space
listening         the address that the recorder listens on
catching          whether the kernel can catch connections
startup           what programs load before the app: PYTHONPATH, NODE_OPTIONS, versions of Node
rejected          hosts that are passed through, because a client rejected the CA
trial             the results of a trial run of the command
installed         the clients in the app's environment, and how each is recorded
app_python        the Python that a command runs with, and its packages
"""
