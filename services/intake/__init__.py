"""Intake (受理): takes tickets in, guards the callers' secrets, says where a ticket stands."""
