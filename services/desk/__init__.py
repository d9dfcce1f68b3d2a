"""The pages for people: operators, units, the grid centre and supervisors, in a browser."""
