"""What supervisors look at: dashboards written in Python, kept as the JSON that Grafana reads."""
