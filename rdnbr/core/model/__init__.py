"""Values without behaviour. Every other part of the core uses them."""
