"""Images and labels, before any device; knows no torch."""
