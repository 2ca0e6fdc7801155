"""How the connections of an app come to the recorder, and are trusted there.

environment         environment variables for a recorded command
preloads            what the programs of a recorded command load
preload             the code that they load, for Python and Node
"""
