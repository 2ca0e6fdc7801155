"""Exports traces to other formats.

bundle  a zip file for a bug report: scrubbed traces, explanations, versions
"""
