"""Orders of versions, as rpm, dpkg and the Linux kernel's developers define them."""
