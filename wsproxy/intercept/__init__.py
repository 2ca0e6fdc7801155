"""How the connections of an app come to the recorder, and are trusted there.

chromium_flags      flags for Chromium and Electron
environment         environment variables for a recorded command
java_options        JAVA_TOOL_OPTIONS of a recorded command
java_trust_store    certificates as Java reads them
preloads            what the programs of a recorded command load
preload             the code that they load, for Python, Node and Bun
"""
