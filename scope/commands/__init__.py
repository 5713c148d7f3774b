"""Commands, by who answers them."""
