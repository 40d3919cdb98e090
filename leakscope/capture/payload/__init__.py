"""Python source that runs inside targets (3.9 to 3.15), sent as text, never imported here."""
