"""What the router decides, in plain functions over frozen data: no clock, no SQL, no HTTP."""
