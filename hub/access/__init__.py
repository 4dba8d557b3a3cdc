"""Who may do what, and what was done: roles and grants, users, passwords, sessions, back-off, the audit.

Nothing here knows HTTP. `hub.api` asks these modules at every request, `cityhub users` and `cityhub audit` work on the same files.
"""

from hub.access.rights import EVERYTHING, ROLES, Grant, Item, Principal

__all__ = ["EVERYTHING", "ROLES", "Grant", "Item", "Principal"]
