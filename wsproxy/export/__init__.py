"""Other formats made from traces.

bundle  a zip file for a bug report: scrubbed traces, their explanation, versions
"""
