"""The policy: tables that a domain expert edits, checked when loaded, imported and tried out."""
