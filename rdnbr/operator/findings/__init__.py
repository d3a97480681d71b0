"""What will not work on a node, and for one guest: the findings that `doctor` and `explain` show."""
