"""How hotline is delivered and run: brokers, images, dashboards, load."""
