"""Trading as a drill sees it: stopped and resumed by people, and what the gate says."""

from reconciliation.drills.people import person_named
from reconciliation.drills.schema import PauseStep
from reconciliation.drills.world import World
from reconciliation.enums import PauseSource
from reconciliation.handlers.pauses import PauseOutcome, pause_profile, resume_profile
from reconciliation.models import Pause, Profile
from reconciliation.selectors.gate import gate_answer, load_gate

Tree = dict[str, object]


def pause(world: World, step: PauseStep) -> None:
    """Let a person stop a profile's trading."""
    outcome = pause_profile(
        profile=Profile.objects.get(name=step.profile),
        person=person_named(step.by),
        reason=step.reason,
        clock=world.clock,
        conf=world.drill.conf,
    )
    _remark(world, step, outcome)


def resume(world: World, step: PauseStep) -> None:
    """Let a person end a profile's pause of one source."""
    outcome = resume_profile(
        profile=Profile.objects.get(name=step.profile),
        person=person_named(step.by),
        reason=step.reason,
        source=step.source,
        clock=world.clock,
        conf=world.drill.conf,
    )
    _remark(world, step, outcome)


def _remark(world: World, step: PauseStep, outcome: PauseOutcome) -> None:
    """Note a word that changed nothing: it is recorded, and no failure of the drill."""
    if not outcome.changed:
        world.remarks.append(f"{step.name} by {step.by}: {outcome.said}")


def read_pauses(world: World) -> Tree:
    """Return, per profile, who stops its trading now."""
    sources: dict[str, list[str]] = {name: [] for name in world.drill.profiles}
    rows = Pause.objects.open().select_related("profile")
    for row in rows.order_by("profile__name", "source"):
        sources[row.profile.name].append(PauseSource(row.source).value)
    return {name: {"sources": found} for name, found in sources.items()}


def read_gate(world: World) -> Tree:
    """Return, per profile, what the API answers a bot."""
    answers: Tree = {}
    for profile in Profile.objects.order_by("name"):
        gate, as_of = load_gate(profile, conf=world.drill.conf, clock=world.clock)
        answers[profile.name] = gate_answer(profile.name, gate, as_of)
    return answers
