"""Who is who from image to image, and how joints move."""
