"""What a camera, a skeleton and an estimate are."""
