"""Probes: the only code that reads the machine. One file a source; `observe()` puts them together."""

from checker.probes.observe import Observation, observe

__all__ = ["Observation", "observe"]
