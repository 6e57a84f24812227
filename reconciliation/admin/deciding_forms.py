"""The form of a decision: why, and with which terms. It judges nothing but that numbers are."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.http import QueryDict

from reconciliation.admin.deciding_types import Case, Preview, Terms
from reconciliation.admin.reasons import CHOICES
from reconciliation.domain.amounts import InexactAmount, parse_amount, plain
from reconciliation.enums import DecisionReason, DecisionRefusal

SHARE = "share_"
WITHOUT_REASON = frozenset({"refresh"})
_COMMENT_MOST = 2000

# The field that a refusal is about; the first that the form has.
ABOUT: Mapping[DecisionRefusal, tuple[str, ...]] = {
    DecisionRefusal.REASON_NEEDED: ("reason",),
    DecisionRefusal.COMMENT_NEEDED: ("comment",),
    DecisionRefusal.TRADE_NEEDED: ("trade",),
    DecisionRefusal.WRONG_SLICE: ("trade", SHARE),
    DecisionRefusal.FOREIGN: ("trade", SHARE, "profile"),
    DecisionRefusal.PROFILE_NEEDED: ("profile",),
    DecisionRefusal.PRICE_NEEDED: ("price",),
    DecisionRefusal.QUANTITY_OUT_OF_RANGE: ("quantity", SHARE),
    DecisionRefusal.OVER_ALLOCATED: (SHARE, "quantity"),
}


class AmountField(forms.CharField):
    """An exact number, never a float; empty leaves it to the default."""

    def __init__(self, **options: Any) -> None:
        widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(required=False, max_length=64, widget=widget, **options)

    def clean(self, value: object) -> Decimal | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            return parse_amount(text)
        except InexactAmount as error:
            raise forms.ValidationError(f"{error}; write it like 0.25") from None


class DecisionForm(forms.Form):
    """Reason and comment of every decision, and what a verb of a row asks for beside them."""

    required_css_class = "required"

    def __init__(self, case: Case, verb: str, data: QueryDict | None = None, **options: Any):
        super().__init__(data, label_suffix="", **options)
        self.takers = case.takers(verb)
        self.fields["version"] = forms.IntegerField(
            widget=forms.HiddenInput, initial=case.version, min_value=0, max_value=2**31
        )
        self.fields |= case.fields(verb)
        for key, label in self.takers:
            self.fields[f"{SHARE}{key}"] = AmountField(label=f"Share of {label}")
        if verb not in WITHOUT_REASON:
            self.fields["reason"] = forms.ChoiceField(
                label="Reason (required)",
                choices=CHOICES,
                required=False,
                widget=forms.Select(attrs={"required": True}),
            )
            self.fields["comment"] = forms.CharField(
                label="Comment",
                required=False,
                max_length=_COMMENT_MOST,
                help_text="Kept for ever in the audit trail. Required with OTHER.",
                widget=forms.Textarea(attrs={"rows": 3}),
            )
        for name, field in self.fields.items():
            if field.help_text:
                field.widget.attrs["aria-describedby"] = f"id_{name}_helptext"

    def terms(self) -> Terms:
        """Return what was typed, as far as it is valid."""
        given = getattr(self, "cleaned_data", {})
        reason = given.get("reason")
        shares = {key: given.get(f"{SHARE}{key}") for key, _ in self.takers}
        return Terms(
            version=given.get("version"),
            reason=DecisionReason(reason) if reason else None,
            comment=given.get("comment", ""),
            values={name: value for name, value in given.items() if value not in (None, "")},
            shares={key: amount for key, amount in shares.items() if amount is not None},
        )

    def initial_terms(self) -> Terms:
        """Return the terms that the page starts with."""
        values = {
            name: field.initial
            for name, field in self.fields.items()
            if field.initial not in (None, "")
        }
        return Terms(values=values)

    def refuse(self, code: DecisionRefusal, sentence: str) -> None:
        """Show a refusal at the field that it is about."""
        for name in ABOUT.get(code, ()):
            found = next((each for each in self.fields if each.startswith(name)), None)
            if found is not None:
                self.add_error(found, _sentence(sentence))
                return
        self.add_error(None, _sentence(sentence))


def shown_terms(terms: Terms) -> str:
    """Return what tells the terms of a preview from others."""
    parts = [
        f"{name}={terms.values[name]}"
        for name in ("quantity", "price", "trade", "profile")
        if terms.values.get(name) not in (None, "")
    ]
    parts += [f"{key}:{plain(amount)}" for key, amount in sorted(terms.shares.items())]
    return "|".join(parts)


def note_of(preview: Preview) -> str:
    """Return why nothing can be written yet, as a sentence."""
    return _sentence(preview.sentence)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}{'' if words.endswith('.') else '.'}"
