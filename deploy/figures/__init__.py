"""The month's figures, defined once: for Grafana, and for the sheet that a district hands up."""
