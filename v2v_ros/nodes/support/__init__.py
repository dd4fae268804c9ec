"""Parameters, transport and the process of a node."""
