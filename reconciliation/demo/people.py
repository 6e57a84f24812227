"""Who may try the portal: what each person of the demo is there for."""

from collections.abc import Mapping

from reconciliation.enums import Role

USER = "demo"
WHAT_FOR = {
    USER: "may do everything, so needs nobody else",
    Role.VIEWER.lower(): "looks at everything, decides nothing",
    Role.OPERATOR.lower(): "proposes answers, rejects, pauses and resumes",
    Role.APPROVER.lower(): "approves, rejects, reverses",
    Role.COMPLIANCE.lower(): "looks at everything, exports the trail",
}


def people_text(passwords: Mapping[str, str]) -> str:
    """Return a line for each person: user, password, and what the user is there for."""
    lines = [f"{'User':<12}{'Password':<16}"]
    lines += [f"{name:<12}{each:<16}{WHAT_FOR[name]}" for name, each in passwords.items()]
    return "\n".join(line.rstrip() for line in lines)
