"""Configuration: what an experiment is, and how it is read from YAML."""
