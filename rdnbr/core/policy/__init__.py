"""Who may have which address, how many, and how fast."""
