"""What runs where: the embedded server, served flows, the demo."""
