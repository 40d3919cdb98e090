"""What the stages exchange: frozen values, no behaviour beyond arithmetic."""
