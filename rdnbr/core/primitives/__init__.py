"""Mechanisms that know nothing of routing: a timer queue, token buckets, a back-off, a bounded map."""
