"""Networks and what surrounds them: grids to heatmaps to joints, depth images to detections, and their weights."""
