"""Training of joint refiners on the peaks of a frozen pose network."""
