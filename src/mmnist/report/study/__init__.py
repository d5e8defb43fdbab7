"""The page of a study: its verdicts, tables and figures, beside the published numbers."""
