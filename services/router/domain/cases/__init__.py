"""The life of a case: states, commands, clocks, who has to do something about it."""
