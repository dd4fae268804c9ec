"""The ROS nodes. Nothing outside this folder imports rclpy."""
