"""The operating systems of the lab's hosts: kernels, releases, programs, disks."""
