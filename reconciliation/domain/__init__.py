"""The rules: pure functions over frozen values. No Django but enums, no clock, no I/O."""
