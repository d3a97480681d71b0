"""Facts about the node: sysctls, sysfs, networkd, the clock."""
