"""Values without behaviour, which every other part of the core shares."""
