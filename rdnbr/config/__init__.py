"""The configuration file, the allowlist files, and a watcher for both."""
