"""Probes: the only code that reads the machine. One file a source; `observe.observe()` puts them together.

Nothing is imported here: manifests need the parser of redis.conf alone, and the command has to start fast.
"""
