"""Nodes in child processes, an observer of what they publish, and the demonstration."""
