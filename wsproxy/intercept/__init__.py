"""How the connections of an app come to the recorder, and are trusted there.

environment         environment variables for a recorded command
trust               CA certificates of the user's environment, and those for the app
ca_bundle           CA certificates and PEM bundles
preload             proxy support for libraries without it
"""
