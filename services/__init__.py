"""The three services of the hotline; none imports another."""
