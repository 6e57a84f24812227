"""The only writers of state: each function is one decision of the portal, a person or a bot."""
