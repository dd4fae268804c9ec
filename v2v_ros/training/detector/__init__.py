"""Training of the detector on whole scenes."""
