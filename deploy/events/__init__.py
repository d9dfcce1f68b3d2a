"""The published contract of the bus: JSON Schemas and an AsyncAPI document, generated."""
