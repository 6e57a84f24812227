"""The bots' JSON API: deliver rows, see one's own profiles. docs/api.md is for their authors."""
