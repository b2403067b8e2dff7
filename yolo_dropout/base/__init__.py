"""Files and text: what every room may use."""
