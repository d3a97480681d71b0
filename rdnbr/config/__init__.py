"""The configuration file, the allowlist files, and the watch on both."""
