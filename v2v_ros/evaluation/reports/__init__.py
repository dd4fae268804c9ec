"""Tables, plots and contact sheets."""
