"""Words, numbers and times as people read them."""
