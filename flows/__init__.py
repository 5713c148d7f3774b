"""One file per flow; each reads as the table of contents of the work."""
