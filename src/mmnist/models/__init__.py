"""Networks and where their initial weights come from."""
