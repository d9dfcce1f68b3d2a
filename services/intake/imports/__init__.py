"""Tickets taken in from a table that another system or a person has saved."""
