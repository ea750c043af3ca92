"""The admission webhook: an HTTP shell round `checker`."""
