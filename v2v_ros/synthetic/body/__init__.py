"""People that never were: shapes, poses, motion and the rooms about them."""
