"""Every action that the audit trail can hold, and when it is written.

The words are sealed into the chain, so none is ever renamed. docs/audit-events.md is this list;
the tests compare both with what the code can write.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditAction:
    """`says` follows the actor's name in a sentence, `when` says at which moment it is written."""

    says: str
    when: str


def _action(says: str, when: str) -> AuditAction:
    return AuditAction(says=says, when=when)


ACTIONS: Mapping[str, AuditAction] = {
    # Set-up
    "account.created": _action("added the account", "An exchange account was added."),
    "account.enabled": _action("enabled the account", "An account is reconciled again."),
    "account.disabled": _action("disabled the account", "An account is reconciled no more."),
    "account.baseline_set": _action(
        "accepted the account's past as found", "The baseline of an account was set or moved on."
    ),
    "profile.created": _action("added the profile", "A profile was added to an account."),
    "profile.capital_changed": _action(
        "changed the allocated capital of the profile", "What a profile may use was changed."
    ),
    "profile.enabled": _action("enabled the profile", "A profile is reconciled again."),
    "profile.disabled": _action("disabled the profile", "A profile is reconciled no more."),
    "api_key.created": _action(
        "created the API key", "A bot's key was made; its secret is in no event."
    ),
    "api_key.revoked": _action("revoked the API key", "A bot's key opens nothing any more."),
    "settings.changed": _action(
        "started with other settings than before",
        "The web server, the workers or a command that writes started with other portal settings"
        " than the newest such event tells of; before and after hold all of them, none is secret.",
    ),
    # People
    "user.logged_in": _action("logged in", "A user logged in."),
    "user.logged_out": _action("logged out", "A user logged out."),
    "user.login_failed": _action(
        "was not let in",
        "A name or password was wrong, or the user is not active: at most 10 a minute for a name"
        " and address, 100 in all; what comes beyond is logged.",
    ),
    "user.created": _action("created the user", "A user was created on the users' page."),
    "user.changed": _action(
        "changed the user",
        "A user's names, activity, staff or superuser status or own permissions were changed on"
        " the users' page; deactivation is `is_active` becoming false.",
    ),
    "user.activated": _action("let the user in again", "A user may log in again, by the set-up."),
    "user.deactivated": _action(
        "let the user in no more", "A user may log in no more, by the set-up."
    ),
    "user.denied": _action(
        "was not let change users", "Somebody without the right tried to change a user."
    ),
    "user.refused": _action(
        "was refused a change of users",
        "A change of a user was refused: the last superuser, oneself, or a superuser by others.",
    ),
    "user.deleted": _action(
        "deleted the user", "A user was deleted on the users' pages; with the groups that ended."
    ),
    "user.password_changed": _action(
        "changed the password of the user",
        "A user changed the own password, or somebody else's; neither is in the event.",
    ),
    "user.groups_changed": _action(
        "changed the groups of the user",
        "A user came into a group or left one, by whatever way; that the group was deleted is one.",
    ),
    "group.created": _action("created the group", "A group was created on the groups' page."),
    "group.changed": _action(
        "changed the group",
        "A group's name or permissions were changed on its page, or an existing role was given its"
        " rights again by `migrate`.",
    ),
    "group.deleted": _action("deleted the group", "A group was deleted on the groups' pages."),
    "page.denied": _action(
        "was not let to the page",
        "A logged-in user asked for a page or a button that he has no right to and that tells of"
        " it in no event of its own: at most 10 a minute for a user.",
    ),
    "api.denied": _action(
        "was not let in by the API",
        "A key that is unknown, revoked or expired, or one that asked for what is not its own: at"
        " most 10 a minute for a key or address, 100 in all for unknown keys.",
    ),
    "errand.asked": _action(
        "asked the workers", "Somebody asked for a run, a check or a verification on a page."
    ),
    # What bots deliver
    "trade.delivered": _action("delivered the trade", "A bot's trade was written, or refused."),
    "order.delivered": _action("delivered the order", "A bot's order was written, or refused."),
    "history.delivered": _action(
        "delivered the history row", "A bot's entry or exit was written, or refused."
    ),
    "position.delivered": _action(
        "delivered the position", "A bot's position was written, or refused."
    ),
    # Runs and what they find
    "run.taken_over": _action(
        "took over the run", "A run whose process died was ended by the next one."
    ),
    "mismatch.opened": _action("found a mismatch", "A run found a difference for the first time."),
    "mismatch.repaired": _action("repaired the mismatch", "A run wrote what removed a difference."),
    "mismatch.resolved": _action("resolved the mismatch", "A difference is gone, or was decided."),
    "mismatch.accepted": _action("accepted the mismatch", "A person took a difference as it is."),
    "mismatch.reopened": _action("reopened the mismatch", "What was accepted was taken back."),
    "handler.refused": _action(
        "would not write", "A lifecycle handler refused what evidence asked for, and says why."
    ),
    "external_order.found": _action("found an order of nobody", "An order of no profile was seen."),
    "external_order.owned": _action("found the order's owner", "An order of nobody got an owner."),
    "external_order.gone": _action("saw the order of nobody go", "It is open no more."),
    "external_order.ignored": _action("ignored the order of nobody", "A person left it alone."),
    # Books
    "order.adopted": _action("adopted the order", "An order the books did not know was written."),
    "order.updated": _action("updated the order", "Status, ids or figures of an order changed."),
    "order.canceled": _action("ended the order unfilled", "CANCELED, REJECTED or EXPIRED."),
    "order.legs_found": _action("found legs of the order", "Replacements or children were linked."),
    "trade.entry_filled": _action("booked an entry", "A fill was booked as entry of a trade."),
    "trade.exit_filled": _action("booked an exit", "A fill was booked as exit of a trade."),
    "trade.exit_reversed": _action("reversed an exit", "An exit row was undone by a reversal row."),
    "trade.fills_linked": _action(
        "linked fills to the trade", "Fills were found for rows that the bot had delivered."
    ),
    "trade.quarantined": _action("quarantined the trade", "A slice waits for a person."),
    "trade.released": _action("released the trade", "A slice is open again."),
    "trade.synthetic_exit": _action(
        "closed a quantity without a fill",
        "A confirmed ghost was closed at the mark, or by a person's word.",
    ),
    "position.aligned": _action("aligned the position", "A position row follows the slices again."),
    "position.acceptance_ended": _action(
        "ended the acceptance of the position", "An accepted position changed or went."
    ),
    "position.ignored": _action("accepted the position of nobody", "A person left it alone."),
    "fill.ignored": _action("ignored the fill", "A person said that a fill is not ours."),
    "capital.recalculated": _action(
        "recalculated the capital", "Reserved, used or allocated capital of a profile changed."
    ),
    "backfill.applied": _action("booked a missed exit", "A fill proved to be one slice's exit."),
    "backfill.no_go": _action("put a fill before a person", "A fill could be an exit; not proven."),
    "backfill.rejudged": _action("judged the fill anew", "Its reasons or candidates changed."),
    "backfill.superseded": _action("closed the question of the fill", "It was booked otherwise."),
    # Decisions
    "review.opened": _action("asked a person about", "A question entered the quarantine queue."),
    "review.changed": _action("changed the question", "The evidence of a question changed."),
    "review.superseded": _action("withdrew the question", "Its cause is gone."),
    "review.proposed": _action("proposed an answer to", "A first person proposed (four eyes)."),
    "review.approved": _action("approved", "An answer was carried out, or refused with its code."),
    "review.rejected": _action("rejected", "A question was answered with no."),
    "review.reopened": _action("reopened", "A rejected question waits again."),
    "review.reversed": _action("reversed the decision on", "A decision was taken back by another."),
    "review.denied": _action("was not let to decide on", "A person without the right tried."),
    # Pauses and escalations
    "pause.started": _action("paused trading", "A profile's trading was stopped."),
    "pause.ended": _action("let trading go on", "A pause ended, by a person or by itself."),
    "pause.denied": _action("was not let to pause or resume", "A person without the right tried."),
    "pause.refused": _action(
        "was refused to pause or resume", "The watchdog's pause needs a reason."
    ),
    "escalation.opened": _action("escalated", "A cause that stays was told to people."),
    "escalation.acknowledged": _action("acknowledged the escalation", "A person took it up."),
    "escalation.resolved": _action("resolved the escalation", "Its cause is gone."),
    # The trail itself
    "audit.export_begun": _action(
        "began to export the audit trail", "An export was asked for and allowed; with its filter."
    ),
    "audit.exported": _action(
        "exported the audit trail",
        "Every event of an export was handed out, or it broke off, or was refused or denied.",
    ),
}
