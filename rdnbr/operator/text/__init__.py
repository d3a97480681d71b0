"""Numbers, lists and times as people read them."""
