"""How the connections of an app come to the recorder, and are trusted there.

environment         environment variables for a recorded command
preload             proxy support for libraries without it
"""
