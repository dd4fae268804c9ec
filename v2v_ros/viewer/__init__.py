"""A look at depth and skeletons in the browser, without ROS."""
