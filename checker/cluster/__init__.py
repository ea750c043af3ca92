"""The Kubernetes API: the only package that imports `kubernetes`, and only once somebody connects.

Every call has a timeout and is tried once: who calls decides what a failure means. `lists` alone is patient.
"""
