"""What the nodes publish: messages, transforms, markers and what other packages want."""
