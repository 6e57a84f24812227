"""What an API key may do at an exchange. The portal needs one that reads and does nothing else."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRights:
    """The rights of a key, as the exchange tells them; `words` are its own.

    What the exchange calls by a word that nobody here knows counts as moving money: a right that is
    not understood is no harmless one.
    """

    may_trade: bool
    may_move_money: bool
    words: tuple[str, ...] = ()

    @property
    def reads_only(self) -> bool:
        """Return whether whoever holds the key can change nothing at the exchange."""
        return not (self.may_trade or self.may_move_money)
