"""What the router keeps: tables, and records in and out of them."""
