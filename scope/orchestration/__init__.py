"""Parts of the scope's own process: what it shares, relays and watches over."""
