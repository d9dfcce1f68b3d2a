"""The router over HTTP: routes, what they take and give, and how a refusal is answered."""
