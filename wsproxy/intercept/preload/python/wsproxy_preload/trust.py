"""The recorder's CA beside the certificates that an app loads.

An app that loads a bundle of its own, such as certifi's, would reject the recorder's certificates.
Its check of the server is not lost: the recorder checks the server's certificate itself.
"""

import functools
import os


def patch_ssl(module):
    ca = os.environ.get("WSPROXY_CA")
    if not ca:
        return
    context_class = module.SSLContext
    load = context_class.load_verify_locations

    def add_ca(context):
        # A server's CAs say which clients it accepts.
        if context.protocol != module.PROTOCOL_TLS_SERVER:
            try:
                load(context, ca)
            except OSError:
                pass  # the recorder has ended, and its files are gone

    @functools.wraps(load)
    def load_verify_locations(self, *args, **kwargs):
        load(self, *args, **kwargs)
        add_ca(self)

    load_defaults = context_class.load_default_certs

    @functools.wraps(load_defaults)
    def load_default_certs(self, *args, **kwargs):
        load_defaults(self, *args, **kwargs)
        add_ca(self)

    context_class.load_verify_locations = load_verify_locations
    context_class.load_default_certs = load_default_certs
