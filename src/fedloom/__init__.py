"""Federated learning from the first experiment to a fleet of real clients."""
