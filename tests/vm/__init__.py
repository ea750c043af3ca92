"""A kernel of Debian in QEMU, for what the kernel below the tests cannot do."""
