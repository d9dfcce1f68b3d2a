"""The project's benchmark: a cheap load generator, the figures, and the aims they are held to."""
