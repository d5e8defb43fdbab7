"""From runs and images to predictions and metrics."""
