"""How the connections of an app come to the recorder, and are trusted there.

environment         environment variables for a recorded command
catch               connections of a command, caught by the kernel (Linux)
preload             proxy support for libraries without it
"""
