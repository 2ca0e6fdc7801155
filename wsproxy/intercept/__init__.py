"""How the connections of an app come to the recorder, and are trusted there.

environment         environment variables for a recorded command
trust               CA certificates of the user's environment, and those for the app
ca_bundle           CA certificates and PEM bundles
preload             proxy support for libraries without it
user_proxies        HTTPS_PROXY and NO_PROXY of the user's environment
rejections          clients that do not trust the recorder's CA
pass_through_report TLS that was passed through, and why
"""
