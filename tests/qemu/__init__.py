"""A kernel that changes for real, under QEMU. Slow: make qemu."""
