"""Images and labels, before they reach any device; uses torch only to download MNIST."""
