"""This process: capabilities, limits, signals, sd_notify, the instance lock."""
